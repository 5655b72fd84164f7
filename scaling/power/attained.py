r"""How precisely one run locates its transition with few counts: maximum likelihood, simulated.

The information of :mod:`calque.scaling.power.precision` is a limit; with 50 checkpoints of 50 concepts the estimate
scatters 2 to 3 % more. Every simulated series is fitted by Fisher scoring beside its own efficient score at the
truth, the linear estimator whose variance is the information's; the two nearly agree series by series, so the ratio
of their sample variances times the known one needs few series (a control variate).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from calque.scaling.power.precision import (
    LogisticRise,
    Precision,
    Sampling,
    covariance,
    log_takeoff,
    parameters,
    precision,
    rate,
    slopes,
    takeoff,
)

Array = NDArray[np.float64]
SERIES, SEED = 4000, 0
ITERATIONS, LARGEST_STEP, SMALLEST_STEP = 60, 0.3, 1e-6
BEYOND = 1.0
"""In ln tokens beyond the checkpoints: no estimate is further out, as no study would report one there."""
LOWEST = 1e-5
"""Of a fitted score, and of its distance from 1."""


@cache
def attained(curve: LogisticRise, sampling: Sampling, series: int = SERIES, seed: int = SEED) -> Precision:
    """Return the SDs of maximum likelihood under this design.

    Parameters
    ----------
    curve : LogisticRise
    sampling : Sampling
        With a level shift, whose likelihood has no closed form: generalised least squares with V at the truth.
    series, seed : int
        How many are simulated, and from which seed.

    Raises
    ------
    UserError
        As ``precision``.
    """
    limit = precision(curve, sampling)
    x, truth = sampling.places(), parameters(curve)
    observed = _observed(rate(truth, x), sampling, series, np.random.default_rng(seed))
    weights = np.linalg.inv(covariance(rate(truth, x), sampling))
    j = slopes(truth, x)
    linear = np.linalg.solve(j @ weights @ j.T, j @ weights @ (observed - rate(truth, x)).T)
    starts = np.repeat(truth[:, None], series, axis=1)
    fitted = _fitted(observed, x, starts, sampling.concepts, weights if sampling.level_sd else None)
    gradient = takeoff(truth, curve.rise)[1]
    found = np.clip(log_takeoff(fitted, curve.rise), x[0] - BEYOND, x[-1] + BEYOND)
    return Precision(
        t50=limit.t50 * float(np.std(fitted[0]) / np.std(linear[0])),
        takeoff=limit.takeoff * float(np.std(found) / np.std(gradient @ linear)),
    )


def _observed(p: Array, sampling: Sampling, series: int, rng: np.random.Generator) -> Array:
    """Return rates, (series, m): binomial around ``p``, its level shifted by an AR(1) on the logit scale."""
    shift = np.zeros((series, p.size))
    if sampling.level_sd:
        shift[:, 0] = rng.normal(size=series)
        fresh = np.sqrt(1 - sampling.rho**2)
        for t in range(1, p.size):
            shift[:, t] = sampling.rho * shift[:, t - 1] + fresh * rng.normal(size=series)
    shifted = expit(logit(p) + sampling.level_sd * shift)
    return np.asarray(rng.binomial(sampling.concepts, shifted) / sampling.concepts)


def _fitted(observed: Array, x: Array, starts: Array, concepts: int, weights: NDArray[Any] | None) -> Array:
    """Return parameters, (4, series); ``weights`` (m, m) where they do not follow from the fit itself."""
    theta = starts.copy()
    rows = np.arange(theta.shape[1])
    for _ in range(ITERATIONS):
        at = theta[:, rows, None]
        p = np.clip(rate(at, x), LOWEST, 1 - LOWEST)
        j = slopes(at, x).transpose(1, 0, 2)
        weighted = j * (concepts / (p * (1 - p)))[:, None] if weights is None else j @ weights
        information = weighted @ j.transpose(0, 2, 1) + 1e-6 * np.eye(4)
        step = np.linalg.solve(information, weighted @ (observed[rows] - p)[..., None])[..., 0].T
        theta[:, rows] += np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        theta[0] = np.clip(theta[0], x[0] - BEYOND, x[-1] + BEYOND)
        theta[2:] = np.clip(theta[2:], LOWEST, 1 - LOWEST)
        rows = rows[np.abs(step).max(axis=0) > SMALLEST_STEP]
        if not rows.size:
            break
    return theta
