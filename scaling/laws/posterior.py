"""Draws from the posterior of a law's parameters, and the autocorrelation time of the chain they come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.scaling.laws.base import Law
from calque.scaling.laws.ensemble import sample
from calque.scaling.laws.likelihood import SIGMA_BOUNDS, log_likelihood, log_prior_sigma
from calque.scaling.laws.run_times import RunTimes

Array = NDArray[np.float64]
WALKERS, BURN, THIN = 40, 400, 8
ENOUGH = 50
"""Autocorrelation times that the chain, over all walkers, must be long."""


@dataclass(frozen=True, kw_only=True)
class PosteriorDraws:
    """Draws of a law's parameters.

    Attributes
    ----------
    points : array, shape (k, p + 1)
        (theta, ln sigma) in the law's coordinates.
    chain : array, shape (steps, walkers, p + 1)
        The same in the sampler's coordinates, one entry every :data:`THIN` steps.
    acceptance : float
        Share of proposals accepted.
    """

    points: Array
    chain: Array
    acceptance: float

    def autocorrelation(self) -> float:
        """Return the integrated autocorrelation time in steps, of the slowest coordinate (``emcee.autocorr``).

        A chain of less than 50 such times for each walker estimates it too low; one of fewer than two entries not at
        all (NaN).
        """
        from emcee.autocorr import integrated_time

        if len(self.chain) < 2:
            return math.nan
        return THIN * float(np.max(integrated_time(self.chain, tol=0, quiet=True)))

    def long_enough(self, autocorrelation: float) -> bool:
        """Return whether all walkers together are :data:`ENOUGH` autocorrelation times long; never where it is NaN."""
        return THIN * self.chain.shape[0] * self.chain.shape[1] >= ENOUGH * autocorrelation


def draw_posterior(
    chosen: Law, data: RunTimes, reference: float, best: Array, draws: int, rng: np.random.Generator
) -> PosteriorDraws:
    """Draw from the posterior with the ensemble sampler, started around the maximum.

    Parameters
    ----------
    chosen : Law
    data : RunTimes
    reference : float
        Non-embedding parameters at which the law's first coordinate is the log time.
    best : array, shape (p + 1,)
        The maximum (theta, ln sigma).
    draws : int
        How many, at least.
    rng : numpy.random.Generator
    """
    density = posterior_density(chosen, data, reference)
    start = starting_walkers(chosen, density, best, rng)
    points, acceptance = sample(density, start, draws, rng, burn=BURN, thin=THIN)
    return PosteriorDraws(
        points=np.column_stack([chosen.bound(points[:, :-1]), points[:, -1]]),
        chain=points.reshape(-1, *start.shape),
        acceptance=acceptance,
    )


def posterior_density(chosen: Law, data: RunTimes, reference: float) -> Callable[[Array], Array]:
    """Return the log posterior density up to a constant, of points (k, p + 1) in the sampler's coordinates.

    Parameters
    ----------
    chosen : Law
        The law.
    data : RunTimes
        The runs.
    reference : float
        Non-embedding parameters at which the first coordinate is the log time.
    """
    lowest, highest = np.array(chosen.bounds).T

    def density(points: Array) -> Array:
        theta = np.clip(chosen.bound(points[:, :-1]), lowest, highest)
        prior = chosen.log_prior(points[:, :-1]) + log_prior_sigma(points[:, -1])
        likelihood = log_likelihood(chosen, theta, np.clip(points[:, -1], -20, 5), data, reference)
        value = prior + np.where(np.isfinite(prior), likelihood, 0.0)
        return np.where(np.isfinite(value), value, -np.inf)

    return density


def starting_walkers(chosen: Law, density: Callable[[Array], Array], best: Array, rng: np.random.Generator) -> Array:
    """Return points (walkers, p + 1) of finite density around the maximum, in the sampler's coordinates.

    Parameters
    ----------
    chosen : Law
        The law.
    density : callable
        Log density of points (k, p + 1).
    best : array, shape (p + 1,)
        The maximum.
    rng : numpy.random.Generator
        Source of randomness.
    """
    log_sigma = np.clip(best[-1], SIGMA_BOUNDS[0] + 0.2, SIGMA_BOUNDS[1] - 0.2)
    middle = np.append(chosen.free(best[:-1]), log_sigma)
    spread = np.append(np.r_[0.05, np.full(best.size - 2, 0.3)], 0.2)
    if chosen.free(best[:-1])[1] == best[1]:
        spread[1] = 0.05
    start = middle + spread * rng.normal(size=(WALKERS, best.size))
    start[:, -1] = np.clip(start[:, -1], *SIGMA_BOUNDS)
    for _ in range(50):
        bad = ~np.isfinite(density(start))
        if not bad.any():
            break
        start[bad] = middle + 0.5 * (start[bad] - middle)
    return start
