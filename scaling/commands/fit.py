"""``scaling fit``: fit a law of the takeoff."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Json, Level, Metric, Rise, Seed
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Params, Where


def fit_command(
    cube: Annotated[str, CUBE],
    law: Annotated[str, typer.Option(help="floor: T0 + c N^-gamma; power: c N^-gamma.")] = "floor",
    metric: Metric = "translation",
    where: Where = None,
    params: Params = None,
    level: Level = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    rise: Rise = 0.05,
    json: Json = None,
) -> None:
    """Fit a law of the takeoff in non-embedding parameters, one takeoff a run.

    Too few sizes are an answer, not a failure: it is printed and the exit code is 0.

    For example: scaling fit truth.nc --law power --json fit.json
    """
    from calque.data.command_line.progress import progress
    from calque.phases.noise.compiled import announce_compiling
    from calque.scaling.api.fit import fit

    announce_compiling()
    with progress() as shown:
        result = fit(
            cube, law=law, metric=metric, where=where or (), params=params or (), level=level, boot=boot, seed=seed,
            rise=rise, progress=shown,
        )  # fmt: skip
    if not emit_json(json, result.to_dict()):
        result.show()
