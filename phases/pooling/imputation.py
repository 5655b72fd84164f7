"""Multiple imputation of censored pair times from crossed random effects, for a method that needs known times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from calque.phases.pooling.pairs import PairTimes
from calque.phases.stats.jackknife import Array

BURN_IN, IMPUTATIONS, SWEEPS = 2, 5, 10


@dataclass(frozen=True)
class Components:
    """A fit of ``y = mean + source + target + rest``: mean, its standard error, and three standard deviations."""

    mean: float
    se: float
    source: float
    target: float
    rest: float


def impute(
    pairs: PairTimes, fit: Callable[[PairTimes, Array], Components | str], seed: int
) -> list[Components | str]:  # fmt: skip
    """Return fits to several imputations of the censored times; the last one is a message when a fit fails.

    Fits and draws alternate (stochastic EM, Celeux & Diebolt 1985): given the variances of a fit, mean, effects and
    censored times are drawn from their conditional distributions, the times within their limits.

    Parameters
    ----------
    pairs : PairTimes
        Log times, some of them censored.
    fit : callable
        Returns the fit to pairs with known log times (pairs,), or a message when it fails.
    seed : int
        Seed of the draws.
    """
    rng = np.random.default_rng([seed, len(pairs.low)])
    known = pairs.low == pairs.high
    spread = max(float(pairs.low[known].std()), 1e-6)
    y = np.where(known, pairs.low, np.where(np.isfinite(pairs.low), pairs.low + spread / 2, pairs.high - spread / 2))
    out: list[Components | str] = []
    for turn in range(BURN_IN + IMPUTATIONS):
        found = fit(pairs, y)
        if isinstance(found, str):
            return [*out, found]
        if turn >= BURN_IN:
            out.append(found)
        y = _draw(pairs, y, found, rng)
    return out


def _draw(pairs: PairTimes, y: Array, c: Components, rng: np.random.Generator) -> Array:
    """Return the log times with new draws of the censored ones, after ``SWEEPS`` sweeps of a Gibbs sampler."""
    n = int(max(pairs.source.max(), pairs.target.max())) + 1
    censored = pairs.low != pairs.high
    mean, u, v, y = c.mean, np.zeros(n), np.zeros(n), y.copy()
    for _ in range(SWEEPS):
        u = _effects(y - mean - v[pairs.target], pairs.source, n, c.source, c.rest, rng)
        v = _effects(y - mean - u[pairs.source], pairs.target, n, c.target, c.rest, rng)
        effects = u[pairs.source] + v[pairs.target]
        mean = rng.normal(float((y - effects).mean()), c.rest / np.sqrt(len(y)))
        centre = (mean + effects)[censored]
        a, b = (pairs.low[censored] - centre) / c.rest, (pairs.high[censored] - centre) / c.rest
        y[censored] = truncnorm.rvs(a, b, loc=centre, scale=c.rest, random_state=rng)
    return y


def _effects(
    residual: Array, group: NDArray[np.int64], n: int, sd: float, rest: float, rng: np.random.Generator
) -> Array:  # fmt: skip
    """Draw effects of groups given residuals: normal, shrunk towards 0."""
    if sd <= 1e-8:
        return np.zeros(n)
    total = np.bincount(group, residual, minlength=n)
    weight = np.bincount(group, minlength=n) + rest**2 / sd**2
    return np.asarray(total / weight + rng.standard_normal(n) * rest / np.sqrt(weight))
