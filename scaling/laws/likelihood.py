"""The penalised likelihood of run-level transition times, with censoring on either side.

``ln T_i ~ Normal(law(N_i), sigma^2)``, sigma the SD between runs of one size; what is known of T_i is the likelihood
that ``phases`` found (:mod:`calque.scaling.laws.time_likelihood`). sigma, which few seeds leave open, has the prior
``ln sigma ~ Normal(ln 0.06, 0.8^2)``: between .0125 and .29 with 95 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.scaling.laws.base import Law
from calque.scaling.laws.run_times import RunTimes

Array = NDArray[np.float64]
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
    total: Array = data.likelihoods.log_density(mu, np.exp(log_sigma)[..., None]).sum(-1)
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
    value, by_mu, by_log_sigma = data.likelihoods.gradient(law.log_time(theta, u), float(np.exp(log_sigma)))
    z = (log_sigma - LOG_SIGMA[0]) / LOG_SIGMA[1]
    slopes = -(by_mu[:, None] * law.gradient(theta, u)).sum(0)
    return float(z**2 / 2 - value.sum()), np.append(slopes, z / LOG_SIGMA[1] - by_log_sigma.sum())
