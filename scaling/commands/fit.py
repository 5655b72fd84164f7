"""``scaling fit``: fit a law of the takeoff."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Boot, Cube, Json, Metric, Params, Seed, Where


def fit_command(
    cube: Cube,
    law: Annotated[str, typer.Option(help="floor: T0 + c N^-gamma; power: c N^-gamma.")] = "floor",
    metric: Metric = "translation",
    where: Where = None,
    params: Params = None,
    level: Annotated[float, typer.Option(help="Of the parameters' intervals.")] = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Fit a law of the takeoff in non-embedding parameters, one takeoff a run.

    Too few sizes are an answer, not a failure: it is printed and the exit code is 0.
    """
    from calque.scaling.api.fit import fit
    from calque.scaling.commands.progress import working
    from calque.scaling.laws.tables import print_fit

    with working() as progress:
        result = fit(
            cube, law=law, metric=metric, where=where or (), params=params or (), level=level, boot=boot, seed=seed,
            progress=progress,
        )  # fmt: skip
    if not emit_json(json, result.to_dict()):
        print_fit(result)
