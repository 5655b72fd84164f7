"""``scaling mixes``: what the language mix does to the transition."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Boot, Json, Metric, Seed


def mixes_command(
    cube: Annotated[str, typer.Argument(metavar="CUBE", help="A netCDF cube with runs of several mixes.")],
    metric: Metric = "translation",
    by_language: Annotated[
        bool, typer.Option("--by-language/--whole", help="Also by language translated into, with shares and overlap.")
    ] = False,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Contrast the takeoffs of mixes, seeds as replicates: randomisation test, interval, p-values adjusted for many.

    --by-language adds contrasts of every language, a mixed model over them (languages within runs), and the law
    T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap) in the languages' shares p.
    """
    from calque.scaling.api.mixes import mixes
    from calque.scaling.commands.progress import working
    from calque.scaling.mixes.tables import print_comparison

    with working() as progress:
        result = mixes(
            cube, metric=metric, by_language=by_language, level=level, boot=boot, seed=seed, progress=progress
        )
    if not emit_json(json, result.to_dict()):
        print_comparison(result)
