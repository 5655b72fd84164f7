"""What the average of the laws says of one size: the distribution of ln T of a new run, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.scaling.forecast.averaging import FLOOR_PRIOR, Average, average, shortest
from calque.scaling.forecast.rollout import Rollout, average_rollouts, discrepancy
from calque.scaling.forecast.sentences import distance
from calque.scaling.laws.run_times import run_times
from calque.scaling.observations import Observation, sizes

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The averaged laws' forecast of one size.

    Attributes
    ----------
    found : Average
        The averaged laws.
    rollouts : tuple of Rollout
        The sizes left out.
    discrepancy : float
        SD of ln T by which the laws are wrong at the size.
    log_time, low, high : float
        Median of ln T of a new run, and the ends of its shortest interval.
    """

    found: Average
    rollouts: tuple[Rollout, ...]
    discrepancy: float
    log_time: float
    low: float
    high: float


def predict(
    observations: Sequence[Observation], targets: Sequence[float], level: float, floor_prior: float = FLOOR_PRIOR
) -> tuple[Prediction, ...]:  # fmt: skip
    """Forecast new runs of some sizes, all from the same runs.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run, of three located sizes or more.
    targets : sequence of float
        Non-embedding parameters.
    level : float
        Of the intervals.
    floor_prior : float
        Prior probability of a floor.

    Returns
    -------
    tuple of Prediction
        One for each target.
    """
    located = sizes(observations)
    found = average(run_times(observations), located[-1], floor_prior)
    missed = average_rollouts(observations, floor_prior)
    told = []
    for n in targets:
        wrong = discrepancy(missed, math.log(distance(n, located)))
        values, below = found.distribution(n, extra_sd=wrong)
        low, high = shortest(values, below, level)
        told.append(
            Prediction(
                found=found, rollouts=missed, discrepancy=wrong, log_time=float(np.interp(0.5, below, values)), low=low,
                high=high,
            )
        )  # fmt: skip
    return tuple(told)
