"""The size whose further run would narrow a forecast most (optimal design by linear Bayes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calque.scaling.forecast.averaging import Average
from calque.scaling.observations import Observation, sizes

CANDIDATES = 25


@dataclass(frozen=True, kw_only=True)
class NextSize:
    """A size for a further run.

    Attributes
    ----------
    n : float
        Non-embedding parameters.
    remaining : float
        Share of the forecast's SD that would remain after it.
    """

    n: float
    remaining: float


def next_size(found: Average, observations: Sequence[Observation], target: float) -> NextSize:
    """Return the best of 25 sizes from the smallest run to half the target.

    Parameters
    ----------
    found : Average
        The averaged laws so far.
    observations : sequence of Observation
        The runs so far.
    target : float
        Non-embedding parameters of the size to be forecast.

    Notes
    -----
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
    return NextSize(n=best, remaining=max(left[best], 0.0) ** 0.5)
