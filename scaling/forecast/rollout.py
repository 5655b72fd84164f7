"""Leave-largest-out roll-outs: the error of a law at sizes larger than those it was fitted to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calque.scaling.forecast.averaging import FLOOR_PRIOR, average
from calque.scaling.laws.fit import fit
from calque.scaling.laws.registry import law
from calque.scaling.laws.run_times import run_times
from calque.scaling.observations import SAME_SIZE, Observation, sizes

AVERAGE_SIZES = 3
"""Sizes kept at least when the average of the laws is rolled out."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One held-out size.

    Attributes
    ----------
    n : float
        The size left out.
    distance : float
        ln(n / largest size kept).
    error : float
        Mean ln T of its runs minus the forecast.
    variance : float
        Of that error, as the fit to the smaller sizes and the scatter between runs explain it.
    log_time : float
        Mean ln T of its runs.
    """

    n: float
    distance: float
    error: float
    variance: float
    log_time: float = math.nan

    def to_dict(self) -> dict[str, float]:
        """Return tokens found, tokens forecast and the SD of their log ratio."""
        tokens = math.exp(self.log_time)
        return {
            "n": self.n, "tokens": tokens, "forecast": tokens * math.exp(-self.error), "sd": math.sqrt(self.variance),
        }  # fmt: skip


def rollouts(observations: Sequence[Observation], name: str, *, draws: int = 400, seed: int = 0) -> tuple[Rollout, ...]:
    """Leave out the largest size, then the second largest, and so on, and forecast each from the smaller.

    A law is rolled out as long as at least as many sizes are left as it has parameters.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    name : str
        Of the law.
    draws, seed : int
        Of each fit.
    """
    least = len(law(name).parameters)

    def forecast(kept: Sequence[Observation], n: float, largest: float) -> tuple[float, float, float]:
        fitted = fit(kept, name, draws=draws, seed=seed, need=least, quick=True)
        log_time = fitted.log_time(n)
        return float(np.median(log_time)), float(np.var(log_time)), fitted.seed_sd**2

    return _roll(observations, least, forecast)


def average_rollouts(observations: Sequence[Observation], floor_prior: float = FLOOR_PRIOR) -> tuple[Rollout, ...]:
    """Roll out the average of the laws, as long as three sizes are left.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    floor_prior : float
        Prior probability of a floor.
    """

    def forecast(kept: Sequence[Observation], n: float, largest: float) -> tuple[float, float, float]:
        found = average(run_times(kept), largest, floor_prior)
        mean, sd = found.moments(n)
        return mean, sd**2, float(found.weight @ found.sigma**2)

    return _roll(observations, AVERAGE_SIZES, forecast)


def _roll(
    observations: Sequence[Observation],
    least: int,
    forecast: Callable[[Sequence[Observation], float, float], tuple[float, float, float]],
) -> tuple[Rollout, ...]:
    """Forecast each size from the smaller; ``forecast`` gives centre, variance, variance between runs of ln T."""
    located = [o for o in observations if o.kind == "located"]
    distinct = sizes(located)
    result = []
    for k in range(len(distinct) - 1, least - 1, -1):
        held = [o for o in located if distinct[k] <= o.n <= distinct[k] * (1 + SAME_SIZE)]
        kept = [o for o in observations if o.kind != "unused" and o.n < distinct[k]]
        centre, variance, between = forecast(kept, distinct[k], distinct[k - 1])
        data = run_times(held)
        result.append(
            Rollout(
                n=distinct[k],
                distance=math.log(distinct[k] / distinct[k - 1]),
                error=float(data.y.mean()) - centre,
                variance=variance + (float(np.mean(data.se**2)) + between) / len(held),
                log_time=float(data.y.mean()),
            )
        )
    return tuple(result)


def root_mean_square(errors: Sequence[Rollout]) -> float:
    """Return the root mean squared roll-out error in ln T, NaN without roll-outs.

    Parameters
    ----------
    errors : sequence of Rollout
        The sizes left out.
    """
    return math.sqrt(sum(r.error**2 for r in errors) / len(errors)) if errors else math.nan


def discrepancy(errors: Sequence[Rollout], distance: float) -> float:
    """Return the SD of ln T by which the law is wrong at ``distance`` = ln(target / largest size).

    The rate r that makes the roll-out errors most likely under ``error ~ Normal(0, variance + r distance)``:
    what parameters and seeds do not explain, growing as a random walk in ln N would. Precise roll-outs weigh
    most; a target nearer than the nearest of them gets as much as that one.

    Parameters
    ----------
    errors : sequence of Rollout
        The sizes left out.
    distance : float
        ln(target / largest size), 0 or more.
    """
    if not errors:
        return 0.0
    error, variance, step = np.array([(r.error, r.variance, r.distance) for r in errors]).T
    rates = np.r_[0.0, np.geomspace(1e-6, 10.0, 400)]
    total = variance + rates[:, None] * step
    best = rates[int(np.argmin((error**2 / total + np.log(total)).sum(1)))]
    return math.sqrt(float(best) * max(distance, float(step.min())))
