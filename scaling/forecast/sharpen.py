"""Which size, run once more, would sharpen a forecast most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calque.scaling.forecast.averaging import Average
from calque.scaling.observations import Observation, sizes

CANDIDATES = 25


@dataclass(frozen=True, kw_only=True)
class Sharpening:
    """A run that was not made: its size, and the share of the forecast's SD that it would leave."""

    n: float
    left: float


def best_run(found: Average, observations: Sequence[Observation], target: float) -> Sharpening:
    """Return the best of 25 sizes from the smallest run to half the target.

    The SD of the expected ln T(target) after one more run of n, by linear Bayes:
    ``v(target) - c(target, n)^2 / (v(n) + sigma^2)`` with v and c the variances and covariance of the averaged laws.
    """
    low = sizes(observations)[0]
    high = max(target / 2, low * 1.01)
    noise = float(found.weight @ found.sigma**2)
    variance = found.covariance(target, target)
    left = {
        n: 1 - found.covariance(target, n) ** 2 / (found.covariance(n, n) + noise) / variance
        for n in np.geomspace(low, high, CANDIDATES).tolist()
    }
    best = min(left, key=lambda n: left[n])
    return Sharpening(n=best, left=max(left[best], 0.0) ** 0.5)
