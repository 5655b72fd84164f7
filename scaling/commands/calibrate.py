"""``scaling calibrate``: how often the forecast's interval holds, by simulation."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json, Level, Seed
from calque.data.command_line.output import emit_json


def calibrate_command(
    studies: Annotated[int, typer.Option(min=10, help="Simulated studies a row.")] = 1000,
    sizes: Annotated[int, typer.Option(min=4, max=12, help="Sizes of the ladder, up to target / factor.")] = 5,
    factor: Annotated[float, typer.Option(help="Ratio of neighbouring sizes.")] = 3.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of every size.")] = 1,
    seed_sd: Annotated[
        list[float] | None, typer.Option(help="SD of ln T between seeds; may be given again.", show_default="0.04 0.08")
    ] = None,
    measurement_sd: Annotated[float, typer.Option(help="Standard error of a located ln T.")] = 0.0125,
    level: Level = 0.9,
    seed: Seed = 7,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
    json: Json = None,
) -> None:
    """Simulate whole ladders under floors and power laws and count the forecasts that hold.

    Each truth is forecast by the power law, the floor law and their average; errors and widths are in ln T.

    For example: scaling calibrate --studies 10 --seed-sd 0.05
    """
    from calque.data.command_line.progress import progress
    from calque.scaling.api.calibrate import calibrate

    with progress() as shown:
        result = calibrate(
            studies=studies, sizes=sizes, factor=factor, seeds=seeds, seed_sd=seed_sd or (0.04, 0.08),
            measurement_sd=measurement_sd, level=level, seed=seed, jobs=jobs, progress=shown,
        )  # fmt: skip
    if not emit_json(json, result.to_dict()):
        result.show()
