"""The penalised likelihood of run-level transition times, with censoring on either side.

``ln T_i ~ Normal(law(N_i), se_i^2 + sigma^2)``: se from the run's own interval, sigma the SD between runs of
one size. A run not yet there by X adds ``P(ln T > ln X)``. sigma, which few seeds leave open, has the prior
``ln sigma ~ Normal(ln 0.06, 0.8^2)``: between .0125 and .29 with 95 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from calque.scaling.laws.base import Law
from calque.scaling.laws.run_times import RunTimes

Array = NDArray[np.float64]
LARGE = 300.0
LOG_SIGMA = (np.log(0.06), 0.8)
SIGMA_BOUNDS = (np.log(1e-3), np.log(3.0))


def log_prior_sigma(log_sigma: Array) -> Array:
    """Log density of ln sigma, without its constant.

    Parameters
    ----------
    log_sigma : array
        ln sigma, of any shape.
    """
    z = (log_sigma - LOG_SIGMA[0]) / LOG_SIGMA[1]
    inside = (log_sigma >= SIGMA_BOUNDS[0]) & (log_sigma <= SIGMA_BOUNDS[1])
    return np.where(inside, -(z**2) / 2, -np.inf)


def log_likelihood(law: Law, theta: Array, log_sigma: Array, data: RunTimes, reference: float) -> Array:
    """Log likelihood of many parameter rows: ``theta`` (k, p), ``log_sigma`` (k,), result (k,).

    Parameters
    ----------
    law : Law
        The law.
    theta : array, shape (k, p)
        Its coordinates.
    log_sigma : array, shape (k,)
        Log SD of ln T between runs of one size.
    data : RunTimes
        The runs.
    reference : float
        Non-embedding parameters at which the first coordinate is the log time.
    """
    mu = law.log_time(theta, np.log(data.n / reference))
    sigma = np.exp(log_sigma)[..., None]
    here = data.located
    s2 = data.se[here] ** 2 + sigma**2
    total: Array = (-((data.y[here] - mu[..., here]) ** 2) / s2 / 2 - np.log(s2) / 2).sum(-1)
    if not here.all():
        bounded = mu[..., ~here]
        a, b = (data.low[~here] - bounded) / sigma, (data.high[~here] - bounded) / sigma
        total = total + log_between(a, b).sum(-1)
    return total


def penalised(parameters: Array, law: Law, data: RunTimes, reference: float) -> tuple[float, Array]:
    """Return minus (log likelihood + log prior of sigma) and its gradient at (theta, ln sigma).

    Parameters
    ----------
    parameters : array, shape (p + 1,)
        (theta, ln sigma).
    law : Law
        The law.
    data : RunTimes
        The runs.
    reference : float
        Non-embedding parameters at which the first coordinate is the log time.
    """
    theta, log_sigma = parameters[:-1], parameters[-1]
    u = np.log(data.n / reference)
    mu, slopes, sigma = law.log_time(theta, u), law.gradient(theta, u), np.exp(log_sigma)
    here = data.located
    s2 = data.se[here] ** 2 + sigma**2
    r = data.y[here] - mu[here]
    z = (log_sigma - LOG_SIGMA[0]) / LOG_SIGMA[1]
    value = (r**2 / s2 / 2 + np.log(s2) / 2).sum() + z**2 / 2
    by_mu = np.zeros_like(mu)
    by_mu[here] = -r / s2
    by_sigma = ((1 - r**2 / s2) * sigma**2 / s2).sum() + z / LOG_SIGMA[1]
    if not here.all():
        a, b = (data.low[~here] - mu[~here]) / sigma, (data.high[~here] - mu[~here]) / sigma
        log_p = log_between(a, b)
        at_a, at_b = _density_ratio(a, log_p), _density_ratio(b, log_p)
        value -= log_p.sum()
        by_mu[~here] = (at_b - at_a) / sigma
        by_sigma += (_finite(b) * at_b - _finite(a) * at_a).sum()
    return float(value), np.append((by_mu[:, None] * slopes).sum(0), by_sigma)


def log_between(a: Array, b: Array) -> Array:
    """Return log of Phi(b) - Phi(a), accurate in both tails.

    Parameters
    ----------
    a, b : array
        Of one shape, ``a`` below ``b``; infinite values are allowed.
    """
    upper = a > 0
    x = np.where(upper, log_ndtr(-a), log_ndtr(b))
    y = np.where(upper, log_ndtr(-b), log_ndtr(a))
    return x + np.log1p(-np.exp(np.minimum(y - x, -1e-12)))


def _density_ratio(a: Array, log_p: Array) -> Array:
    log_density = -(_finite(a) ** 2) / 2 - np.log(2 * np.pi) / 2
    return np.exp(np.minimum(log_density - log_p, LARGE)) * np.isfinite(a)


def _finite(a: Array) -> Array:
    return np.where(np.isfinite(a), a, 0.0)
