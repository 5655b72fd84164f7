"""``scaling mixes``: what the language mix does to the transition."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Json, Level, Metric, Rise, Seed
from calque.data.command_line.output import emit_json


def mixes_command(
    cube: Annotated[str, CUBE],
    metric: Metric = "translation",
    by_language: Annotated[
        bool, typer.Option("--by-language/--whole", help="Also by language translated into, with shares and overlap.")
    ] = False,
    level: Level = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    rise: Rise = 0.05,
    json: Json = None,
) -> None:
    """Contrast the takeoffs of mixes, seeds as replicates: randomisation test, interval, p-values adjusted for many.

    --by-language adds contrasts of every language, a mixed model over them (languages within runs), and the law
    T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap) in the languages' shares p.

    For example: scaling mixes mixes.nc
    """
    from calque.data.command_line.progress import progress
    from calque.phases.noise.compiled import announce_compiling
    from calque.scaling.api.mixes import mixes

    announce_compiling()
    with progress() as shown:
        result = mixes(
            cube, metric=metric, by_language=by_language, level=level, boot=boot, seed=seed, rise=rise, progress=shown
        )  # fmt: skip
    if not emit_json(json, result.to_dict()):
        result.show()
