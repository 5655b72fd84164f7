"""``scaling calibrate``: how often the forecast's interval holds, by simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from calque.data.command_line.options import Json, Level, Seed
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.scaling.commands.common import check_level

if TYPE_CHECKING:
    from calque.scaling.forecast.calibration import Coverage, Design, Truth

MOST_FACTOR, MOST_SD = 100, 10


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
    """
    from functools import partial

    from calque.data.command_line.progress import progress
    from calque.phases.processes import spread
    from calque.scaling.commands import tables
    from calque.scaling.forecast.calibration import PRIORS, TRUTHS, Design, coverage

    check_level(level)
    if not 1.05 < factor <= MOST_FACTOR:
        raise UserError(f"--factor is {factor:g}; expected more than 1.05 and at most {MOST_FACTOR}, such as 3")
    scatter = seed_sd or [0.04, 0.08]
    if not 0 < min(scatter) <= max(scatter) <= MOST_SD:
        shown = ", ".join(f"{sd:g}" for sd in scatter)
        raise UserError(f"--seed-sd is {shown}; expected SDs of ln T above 0 and at most {MOST_SD}, such as 0.04")
    if not 0 <= measurement_sd <= MOST_SD:
        raise UserError(f"--measurement-sd is {measurement_sd:g}; expected an SD of ln T from 0 to {MOST_SD}")
    tasks = [
        (truth, Design(count=sizes, factor=factor, seeds=seeds, seed_sd=sd, measurement_sd=measurement_sd))
        for truth in TRUTHS
        for sd in scatter
    ]
    work = partial(_one, laws=tuple(PRIORS), studies=studies, level=level, seed=seed)
    found: list[Coverage] = []
    with progress() as tell:
        if jobs == 1:
            for truth, design in tasks:
                found += coverage(
                    truth, design, laws=tuple(PRIORS), studies=studies, level=level, seed=seed, progress=tell
                )
        else:
            for i, rows in enumerate(spread(work, tasks, jobs)):
                tell(i + 1, len(tasks), "designs")
                found += rows
    order = [truth.name for truth, _ in tasks]
    found.sort(key=lambda row: (order.index(row.truth), row.seed_sd))
    settings = {"level": level, "seed": seed, "sizes": sizes, "factor": factor}
    if not emit_json(json, {"schema": 1, **settings, "rows": [row.to_dict() for row in found]}):
        tables.print_coverage(found, level)


def _one(
    task: tuple[Truth, Design], laws: tuple[str, ...], studies: int, level: float, seed: int
) -> tuple[Coverage, ...]:
    from calque.scaling.forecast.calibration import coverage

    return coverage(*task, laws=laws, studies=studies, level=level, seed=seed)
