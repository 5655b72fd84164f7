"""Averaging the power and the floor law, so that the interval includes the uncertainty about a floor.

Both are one family, ``T = A (phi + (1 - phi) (N / N_reference)^-gamma)``, the power law at phi = 0. The prior puts
.3 on phi = 0 exactly and spreads the rest as Beta(2, 2) over 0 to 1 (chosen by simulated coverage, docs/SCALING.md);
gamma is half-normal of scale 1, ln sigma as in :mod:`calque.scaling.laws.likelihood`, ln A flat. The posterior is
summed on a fixed grid of (gamma, phi, sigma) and, within each of its points, over ln A with the likelihood that
``phases`` found of every takeoff (:mod:`calque.scaling.forecast.level_sums`): nothing is sampled, and the same runs
give the same numbers. Hoeting et al. (1999), Bayesian model averaging.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from calque.scaling.forecast.level_sums import Tables, level_sums
from calque.scaling.laws.likelihood import LOG_SIGMA
from calque.scaling.laws.run_times import RunTimes

Array = NDArray[np.float64]
GAMMAS = np.concatenate([np.linspace(-0.45, 1.2, 56)[:-1], np.linspace(1.2, 3.0, 13)])
GAMMA_SCALES = (0.15, 1.0)
"""Scales of the prior of gamma below 0 (larger models later) and above."""
FLOORS = (np.arange(24) + 0.5) / 24
SIGMAS = np.exp(LOG_SIGMA[0] + LOG_SIGMA[1] * np.linspace(-2.4, 2.4, 13))
FLOOR_PRIOR = 0.7
NEGLIGIBLE = 1e-6
POINTS, REACH = 301, 7.0


@dataclass(frozen=True, kw_only=True)
class Average:
    """The averaged laws as a mixture over grid points (k,).

    Attributes
    ----------
    weight : array, shape (k,)
        Posterior weights, summing to 1.
    log_a, sd_a : array, shape (k,)
        Mean and SD of ln A, the log time at the reference size.
    gamma, phi, sigma : array, shape (k,)
        The other coordinates; sigma is the SD between runs of one size.
    reference : float
        Non-embedding parameters at which A is the time.
    """

    weight: Array
    log_a: Array
    sd_a: Array
    gamma: Array
    phi: Array
    sigma: Array
    reference: float

    @property
    def floor_weight(self) -> float:
        """Posterior probability of the floor law."""
        return float(self.weight[self.phi > 0].sum())

    def log_time(self, n: float) -> tuple[Array, Array]:
        """Return mean and SD (k,) of ln T at ``n``, without the scatter between runs."""
        return self.log_a + _slope(self.gamma, self.phi, np.log(n / self.reference)), self.sd_a

    def distribution(self, n: float, *, new_run: bool = True, extra_sd: float = 0.0) -> tuple[Array, Array]:
        """Return values of ln T at ``n`` and the probability below each, of a new run or of the expected time.

        Parameters
        ----------
        n : float
            Non-embedding parameters.
        new_run : bool
            Of a new run; otherwise of the expected time.
        extra_sd : float
            SD of ln T added to every part of the mixture.
        """
        mean, sd = self.log_time(n)
        total = np.sqrt(sd**2 + (self.sigma**2 if new_run else 0.0) + extra_sd**2) + 1e-12
        return mixture_distribution(self.weight, mean, total)

    def covariance(self, n: float, other: float) -> float:
        """Return the covariance of the expected ln T at two sizes, ``n`` and ``other`` non-embedding parameters."""
        one, two = self.log_time(n)[0], self.log_time(other)[0]
        within = self.weight @ self.sd_a**2
        return float(self.weight @ ((one - self.weight @ one) * (two - self.weight @ two)) + within)

    def moments(self, n: float) -> tuple[float, float]:
        """Return mean and SD of ln T at ``n`` without the scatter between runs."""
        mean, sd = self.log_time(n)
        middle = float(self.weight @ mean)
        return middle, float(np.sqrt(self.weight @ (sd**2 + (mean - middle) ** 2)))


def average(data: RunTimes, reference: float, floor_prior: float = FLOOR_PRIOR) -> Average:
    """Return the posterior of both laws together.

    Parameters
    ----------
    data : Data
        Runs; those not located count by the probability of their bounds.
    reference : float
        Non-embedding parameters at which A is the time: the largest size located.
    floor_prior : float
        Prior probability of a floor.
    """
    gamma, phi, sigma, prior = prior_grid(floor_prior)
    shape = _slope(gamma[:, None], phi[:, None], np.log(data.n / reference))
    tables = Tables.of(data.likelihoods, SIGMAS)
    value, mean, sd = level_sums(tables, shape, np.tile(np.arange(SIGMAS.size), gamma.size // SIGMAS.size))
    value = value + prior
    weight = np.exp(value - value.max())
    weight = np.where(weight > NEGLIGIBLE * weight.sum(), weight, 0.0)
    kept = weight > 0
    return Average(
        weight=weight[kept] / weight.sum(), log_a=mean[kept], sd_a=sd[kept], gamma=gamma[kept], phi=phi[kept],
        sigma=sigma[kept], reference=reference,
    )  # fmt: skip


def mixture_distribution(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Return 301 values and the distribution function there of a mixture of normals.

    Parameters
    ----------
    weight, mean, sd : array, shape (k,)
        Of the parts of the mixture; weights sum to 1.
    """
    middle = float(weight @ mean)
    spread = float(np.sqrt(weight @ (sd**2 + (mean - middle) ** 2)))
    values = middle + REACH * spread * np.linspace(-1, 1, POINTS)
    return values, ndtr((values[:, None] - mean) / sd) @ weight


def shortest(values: Array, below: Array, level: float) -> tuple[float, float]:
    """Return the shortest interval that holds ``level`` of a distribution.

    Parameters
    ----------
    values, below : array, shape (m,)
        Ascending values and the probability below each.
    level : float
        Probability of the interval.
    """
    start = np.linspace(1e-4, 1 - level - 1e-4, 199)
    low, high = np.interp(start, below, values), np.interp(start + level, below, values)
    best = int(np.argmin(high - low))
    return float(low[best]), float(high[best])


def _slope(gamma: Array, phi: Array, u: Array | float) -> Array:
    return np.log(phi + (1 - phi) * np.exp(np.minimum(-gamma * u, 300.0)))


def prior_grid(floor_prior: float) -> tuple[Array, Array, Array, Array]:
    """Return gamma, phi, sigma and the log prior of every grid point, each (k,).

    Parameters
    ----------
    floor_prior : float
        Prior probability of a floor.
    """
    phis = np.r_[0.0, FLOORS]
    with np.errstate(divide="ignore"):
        log_phi = np.log(np.r_[1 - floor_prior, floor_prior * 6 * FLOORS * (1 - FLOORS) / FLOORS.size])
    log_gamma = -((GAMMAS / np.where(GAMMAS < 0, *GAMMA_SCALES)) ** 2) / 2 + np.log(np.gradient(GAMMAS))
    log_sigma = -(((np.log(SIGMAS) - LOG_SIGMA[0]) / LOG_SIGMA[1]) ** 2) / 2
    gamma, phi, sigma = (a.ravel() for a in np.meshgrid(GAMMAS, phis, SIGMAS, indexing="ij"))
    prior = (log_gamma[:, None, None] + log_phi[:, None] + log_sigma).ravel()
    return gamma, phi, sigma, prior
