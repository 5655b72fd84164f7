"""Forecasting the takeoff of a size that was not run, or the reason why that cannot be done.

Three rows: the power law, the floor law, and their average (:mod:`calque.scaling.forecast.averaging`), whose interval
is the one that holds whichever of the two is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calque.data.quantities import format_count, plural
from calque.scaling.forecast.averaging import Average, shortest
from calque.scaling.forecast.next_size import next_size
from calque.scaling.forecast.predict import predict
from calque.scaling.forecast.result import Forecast, ForecastRow
from calque.scaling.forecast.rollout import Rollout, discrepancy, rollouts, root_mean_square
from calque.scaling.forecast.sentences import distance, reach, sentences, times
from calque.scaling.laws.fit import fit, refuse
from calque.scaling.laws.registry import LAWS
from calque.scaling.named_sizes import parse_size
from calque.scaling.observations import Observation, sizes

Array = NDArray[np.float64]
WIDEST = 10.0
FARTHEST = 100.0
CURVE = 40
"""Sizes at which the curve of a law is computed."""
AVERAGE_SIZES = 4
"""Distinct sizes needed before the laws are averaged: what the floor law needs."""


def forecast(
    observations: Sequence[Observation],
    size: str,
    *,
    metric: str = "translation",
    level: float = 0.9,
    draws: int = 4000,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Forecast:
    """Forecast the takeoff of a run of ``size`` by every law.

    The interval is for one new run. It adds the uncertainty of the parameters, the scatter between seeds and, where
    sizes can be left out, the law's error on larger sizes (:mod:`calque.scaling.forecast.rollout`).

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    size : str
        See :func:`calque.scaling.named_sizes.parse_size`.
    metric : str
        Name of the metric, for the sentences.
    level : float
        Of the intervals.
    draws : int
        Draws of the parameters.
    seed : int
        The same seed gives the same numbers.
    progress : callable, optional
        Called with a law's name before it is fitted.

    Raises
    ------
    UserError
        When ``size`` is no size.
    """
    n = parse_size(size)
    observations = tuple(observations)
    rows, missed, curves = [], {}, {}
    located = sizes(observations)
    grid = np.geomspace(located[0], max(n, located[-1]), CURVE) if located else np.empty(0)
    for name in (*LAWS, "average"):
        if progress is not None:
            progress(name)
        if name == "average":
            fitted = _average_row(observations, n, level, grid)
        else:
            fitted = _law_row(observations, name, n, level, draws, seed, grid)
        rows.append(fitted.row)
        if fitted.row.outcome == "found":
            curves[name] = fitted.curve
        if fitted.errors:
            missed[name] = fitted.errors
    return Forecast(
        metric=metric,
        size=size,
        n=n,
        sentences=sentences(rows, observations, size, n, metric),
        rows=tuple(rows),
        observations=observations,
        rollouts=missed,
        curves=curves,
    )


@dataclass(frozen=True, kw_only=True)
class _FittedRow:
    """A row with its roll-outs and its curve."""

    row: ForecastRow
    errors: tuple[Rollout, ...] = ()
    curve: dict[str, list[float]] = field(default_factory=dict)


def _law_row(
    observations: tuple[Observation, ...], name: str, n: float, level: float, draws: int, seed: int, grid: Array
) -> _FittedRow:
    fitted = fit(observations, name, level=level, draws=draws, seed=seed)
    if not fitted.converged:
        return _FittedRow(row=ForecastRow(law=name, level=level, outcome=fitted.outcome, reason=fitted.reason))
    located = sizes(observations)
    largest = located[-1]
    errors = rollouts(observations, name, seed=seed)
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    log_time = fitted.log_time(n)
    sigma = np.exp(fitted.draws[:, -1])
    wrong = discrepancy(errors, math.log(distance(n, located)))
    new_run = log_time + sigma * rng.normal(size=sigma.size) + wrong * rng.normal(size=sigma.size)
    tails = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.exp(np.quantile(new_run, tails)).tolist()
    row = ForecastRow(
        law=name,
        level=level,
        outcome="found",
        reason=f"{fitted.formula} on {plural(len(sizes(fitted.data)), 'size')}, {reach(n, located)}",
        tokens=float(np.exp(np.median(log_time))),
        low=low,
        high=high,
        extrapolation=float(n / largest),
        parameter_sd=float(np.std(log_time)),
        seed_sd=float(np.sqrt(np.mean(sigma**2))),
        discrepancy_sd=wrong if errors else None,
        rollout_rms=root_mean_square(errors) if errors else None,
    )
    row = _refused(
        row,
        distance(n, located),
        fitted.reason if fitted.flat else "",
        "more seeds or sizes further apart would narrow it",
    )
    bands = np.array([np.quantile(fitted.log_time(at), [0.5, *tails]) for at in grid])
    return _FittedRow(row=row, errors=errors, curve=_curve(grid, bands))


def _average_row(observations: tuple[Observation, ...], n: float, level: float, grid: Array) -> _FittedRow:
    refused = refuse("average", observations, AVERAGE_SIZES)
    if refused is not None:
        return _FittedRow(row=ForecastRow(law="average", level=level, outcome=refused[0], reason=refused[1]))
    located = sizes(observations)
    largest = located[-1]
    told = predict(observations, [n], level)[0]
    found, errors, wrong = told.found, told.rollouts, told.discrepancy
    low, high = math.exp(told.low), math.exp(told.high)
    row = ForecastRow(
        law="average",
        level=level,
        outcome="found",
        reason=f"both laws on {plural(len(sizes(observations)), 'size')}, {found.floor_weight:.0%} for a floor, "
        f"{reach(n, located)}",
        tokens=math.exp(told.log_time),
        low=low,
        high=high,
        extrapolation=float(n / largest),
        parameter_sd=found.moments(n)[1],
        seed_sd=float(np.sqrt(found.weight @ found.sigma**2)),
        discrepancy_sd=wrong if errors else None,
        rollout_rms=root_mean_square(errors) if errors else None,
        floor_weight=found.floor_weight,
    )
    row = _refused(row, distance(n, located), "", _advice(found, observations, n))
    bands = []
    for at in grid:
        values, below = found.distribution(at, new_run=False)
        bands.append([float(np.interp(0.5, below, values)), *shortest(values, below, level)])
    return _FittedRow(row=row, errors=errors, curve=_curve(grid, np.array(bands)))


def _curve(grid: Array, bands: Array) -> dict[str, list[float]]:
    middle, low, high = np.exp(bands).T.tolist()
    return {"n": grid.tolist(), "tokens": middle, "low": low, "high": high}


def _advice(found: Average, observations: tuple[Observation, ...], n: float) -> str:
    best = next_size(found, observations, n)
    return (
        f"one more run of {format_count(best.n)} non-embedding parameters would leave {best.remaining:.0%} of its width"
    )


def _refused(row: ForecastRow, far: float, flat: str, advice: str) -> ForecastRow:
    """Remove the point forecast of a row that is too far out, flat or too wide; of the first, the interval too."""
    assert row.low and row.high
    span = row.high / row.low
    if far > FARTHEST:
        reason = f"{times(far)} beyond the sizes measured is too far to extrapolate"
        return replace(row, outcome="not_sharply_located", reason=reason, tokens=None, low=None, high=None)
    if flat and span > 2.0:
        return replace(row, outcome="not_sharply_located", reason=flat, tokens=None)
    if span > WIDEST:
        reason = f"the interval spans a factor of {span:.3g}; {advice}"
        return replace(row, outcome="not_sharply_located", reason=reason, tokens=None)
    return row
