"""How often forecasts hold, by simulation: the function behind ``scaling calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.phases.processes import spread
from calque.scaling.checks import check_count, check_level
from calque.scaling.forecast.calibration import (
    PRIORS,
    TRUTHS,
    LadderDesign,
    TrueLaw,
    coverage,
)
from calque.scaling.forecast.calibration_result import Coverage, ForecastCalibration
from calque.scaling.takeoffs import Progress

MOST_FACTOR, MOST_SD = 100, 10


@checked
def calibrate(
    *,
    studies: int = 1000,
    sizes: int = 5,
    factor: float = 3.0,
    seeds: int = 1,
    seed_sd: Sequence[float] = (0.04, 0.08),
    measurement_sd: float = 0.0125,
    level: float = 0.9,
    seed: int = 7,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ForecastCalibration:
    """Simulate whole ladders under floors and power laws and count the forecasts that hold.

    Parameters
    ----------
    studies : int
        Simulated studies for each row.
    sizes : int
        Sizes of the ladder, 4 to 12, up to target / factor.
    factor : float
        Ratio of neighbouring sizes.
    seeds : int
        Runs of every size.
    seed_sd : sequence of float
        SDs of ln T between seeds.
    measurement_sd : float
        Standard error of a located ln T.
    level : float
        Of the interval, 0.5 to 1.
    seed : int
        The same seed gives the same numbers.
    jobs : int
        Processes at once; the numbers do not depend on it.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When a setting is out of range.
    """
    check_level(level)
    for parameter, value, least, most in (
        ("studies", studies, 10, None), ("sizes", sizes, 4, 12), ("seeds", seeds, 1, None), ("seed", seed, 0, None),
        ("jobs", jobs, 1, None),
    ):  # fmt: skip
        check_count(parameter, value, least, most)
    if not 1.05 < factor <= MOST_FACTOR:
        raise UserError(f"`factor` is {factor:g}; expected more than 1.05 and at most {MOST_FACTOR}, such as 3")
    if not len(seed_sd) or not 0 < min(seed_sd) <= max(seed_sd) <= MOST_SD:
        shown = ", ".join(f"{sd:g}" for sd in seed_sd) or "empty"
        raise UserError(f"`seed_sd` is {shown}; expected SDs of ln T above 0 and at most {MOST_SD}, such as 0.04")
    if not 0 <= measurement_sd <= MOST_SD:
        raise UserError(f"`measurement_sd` is {measurement_sd:g}; expected an SD of ln T from 0 to {MOST_SD}")
    tasks = [
        (truth, LadderDesign(count=sizes, factor=factor, seeds=seeds, seed_sd=sd, measurement_sd=measurement_sd))
        for truth in TRUTHS
        for sd in seed_sd
    ]
    work = partial(_covered, studies=studies, level=level, seed=seed)
    rows: list[Coverage] = []
    if jobs == 1:
        for task in tasks:
            rows += work(task, progress=progress)
    else:
        for i, found in enumerate(spread(work, tasks, jobs)):
            rows += found
            if progress is not None:
                progress(i + 1, len(tasks), "designs")
    order = [truth.name for truth in TRUTHS]
    rows.sort(key=lambda row: (order.index(row.truth), row.seed_sd))
    return ForecastCalibration(level=level, seed=seed, sizes=sizes, factor=factor, rows=tuple(rows))


def _covered(
    task: tuple[TrueLaw, LadderDesign], studies: int, level: float, seed: int, progress: Progress | None = None
) -> tuple[Coverage, ...]:
    truth, design = task
    return coverage(truth, design, laws=tuple(PRIORS), studies=studies, level=level, seed=seed, progress=progress)
