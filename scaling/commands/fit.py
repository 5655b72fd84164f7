"""``scaling fit``: fit a law of the takeoff."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.command import console
from calque.data.command_line.options import CUBE, Boot, Json, Level, Metric, Seed
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Params, Where, check_level, observe_cube


def fit_command(
    cube: Annotated[str, CUBE],
    law: Annotated[str, typer.Option(help="floor: T0 + c N^-gamma; power: c N^-gamma.")] = "floor",
    metric: Metric = "translation",
    where: Where = None,
    params: Params = None,
    level: Level = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Fit a law of the takeoff in non-embedding parameters, one takeoff a run.

    Too few sizes are an answer, not a failure: it is printed and the exit code is 0.
    """
    from calque.scaling.commands import tables
    from calque.scaling.laws import registry as laws
    from calque.scaling.laws.fit import fit

    laws.law(law)
    check_level(level)
    observations, note = observe_cube(cube, metric, where, params, boot, seed)
    fitted = fit(observations, law, level=level, seed=seed)
    report = {"schema": 1, "cube": cube, "metric": metric, "note": note, **fitted.to_dict()}
    if not emit_json(json, report | {"transitions": [o.to_dict() for o in observations]}):
        tables.print_fit(fitted)
        if note:
            console().print(note, soft_wrap=True)
