"""The likelihood of the law in shares, with random effects integrated out and weak priors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.scaling.laws.likelihood import LOG_SIGMA
from calque.scaling.laws.registry import law
from calque.scaling.laws.run_times import run_times
from calque.scaling.laws.time_likelihood import log_between
from calque.scaling.observations import Observation, sizes

Array = NDArray[np.float64]
LOG_TAU = (math.log(0.15), 1.0)
SLOPE_SD = 3.0
"""Prior SD of eta and kappa: wide, but it keeps a covariate that hardly varies from running away."""
LEAST_SPREAD = 0.02


@dataclass(frozen=True, kw_only=True)
class ShareModel:
    """Data and structure of the law in shares, fixed during a fit.

    Attributes
    ----------
    name : str
        The law in N, or ``none`` for a constant.
    y, se, low, high, u : array, shape (m,)
        ln T, its standard error and bounds, ln(N / N_reference).
    located : array of bool, shape (m,)
    covariates : array, shape (m, q)
        ln share about its mean, overlap.
    z : array, shape (m, languages + runs)
        Which language and run an observation belongs to.
    languages : int
    """

    name: str
    y: Array
    se: Array
    low: Array
    high: Array
    located: NDArray[np.bool_]
    u: Array
    covariates: Array
    z: Array
    languages: int

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """Split ``theta`` into the law's coordinates, the covariates' slopes and the SDs (residual, language, run)."""
        p = self.law_size
        k = p + self.covariates.shape[1]
        return theta[:p], theta[p:k], np.exp(theta[k:])

    @property
    def law_size(self) -> int:
        """Number of the law's coordinates."""
        return 1 if self.name == "none" else len(law(self.name).coordinates)

    def mean(self, theta: Array) -> Array:
        """Return the expected ln T of every observation at ``theta`` without random effects, (m,)."""
        inner, slopes, _ = self.split(theta)
        base = np.full(self.u.size, inner[0]) if self.name == "none" else law(self.name).log_time(inner, self.u)
        return base - self.covariates @ slopes


def build_model(used: list[Observation], runs: list[str], law_name: str) -> tuple[ShareModel, tuple[str, ...]]:
    """Return observations as arrays, and which of size, share and overlap vary enough to be estimated.

    Parameters
    ----------
    used : list of Observation
        m observations that count.
    runs : list of str
        Their runs, each once.
    law_name : str
        ``floor`` or ``power``, where there are sizes enough.
    """
    data = run_times(used)
    located = [o for o in used if o.kind == "located"]
    languages = sorted({o.language for o in used})
    terms, columns = [], []
    distinct = len(sizes(located))
    name = law_name if distinct >= law(law_name).sizes else "power" if distinct >= 2 else "none"
    if name != "none":
        terms.append("size")
    if all(o.share for o in used):
        log_p = np.log([o.share or 1.0 for o in used])
        if np.std(log_p) > LEAST_SPREAD:
            terms.append("share")
            columns.append(log_p - log_p.mean())
    if all(o.overlap is not None for o in used):
        overlap = np.array([o.overlap or 0.0 for o in used])
        if np.std(overlap) > LEAST_SPREAD / 2:
            terms.append("overlap")
            columns.append(overlap)
    z = np.zeros((len(used), len(languages) + len(runs)))
    for i, o in enumerate(used):
        z[i, languages.index(o.language)] = 1
        z[i, len(languages) + runs.index(o.run)] = 1
    reference = max(o.n for o in located)
    return ShareModel(
        name=name, y=data.y, se=data.se, low=data.low, high=data.high, located=data.located,
        u=np.log(data.n / reference), covariates=np.column_stack(columns) if columns else np.zeros((len(used), 0)),
        z=z, languages=len(languages),
    ), tuple(terms)  # fmt: skip


def _score(problem: ShareModel, mu: Array, sigma: float) -> tuple[float, Array, Array]:
    """Return the log likelihood, its slope and minus its curvature in each mean."""
    s2 = problem.se**2 + sigma**2
    r = problem.y - mu
    value, slope, bend = -(r**2) / s2 / 2 - np.log(s2) / 2, r / s2, 1 / s2
    if not problem.located.all():
        out = ~problem.located
        a, b = (problem.low[out] - mu[out]) / sigma, (problem.high[out] - mu[out]) / sigma
        log_p = log_between(a, b)
        at_a, at_b = (_height(x, log_p) for x in (a, b))
        first = (at_a - at_b) / sigma
        value[out], slope[out] = log_p, first
        tails = np.where(np.isfinite(a), a, 0) * at_a - np.where(np.isfinite(b), b, 0) * at_b
        bend[out] = np.maximum(first**2 - tails / sigma**2, 1e-8)
    return float(value.sum()), slope, bend


def _height(x: Array, log_p: Array) -> Array:
    inside = np.where(np.isfinite(x), x, 0.0)
    return np.where(np.isfinite(x), np.exp(np.minimum(-(inside**2) / 2 - math.log(2 * math.pi) / 2 - log_p, 50.0)), 0.0)


def laplace(problem: ShareModel, theta: Array) -> tuple[Array, float]:
    """Return the random effects at their mode, and the Laplace approximation of the log marginal likelihood.

    Parameters
    ----------
    problem : ShareModel
        Data and structure.
    theta : array
        Coordinates of the law, slopes and ln SDs.
    """
    _, _, (sigma, tau, run_sd) = problem.split(theta)
    prior = np.r_[np.full(problem.languages, tau**-2), np.full(problem.z.shape[1] - problem.languages, run_sd**-2)]
    mean, v = problem.mean(theta), np.zeros(problem.z.shape[1])
    for _ in range(1 if problem.located.all() else 30):
        _, slope, bend = _score(problem, mean + problem.z @ v, sigma)
        hessian = (problem.z.T * bend) @ problem.z + np.diag(prior)
        step = np.linalg.solve(hessian, problem.z.T @ slope - prior * v)
        v = v + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    value, _, bend = _score(problem, mean + problem.z @ v, sigma)
    hessian = (problem.z.T * bend) @ problem.z + np.diag(prior)
    marginal = value - (prior * v**2).sum() / 2 + np.log(prior).sum() / 2 - np.linalg.slogdet(hessian)[1] / 2
    return v, float(marginal)


def objective(theta: Array, problem: ShareModel) -> float:
    """Return minus the log marginal likelihood and the log priors at (coordinates, slopes, ln SDs).

    Parameters
    ----------
    theta : array
        Coordinates of the law, slopes and ln SDs.
    problem : ShareModel
        Data and structure.
    """
    _, slopes, _ = problem.split(theta)
    logs = theta[-3:]
    prior = (slopes**2).sum() / SLOPE_SD**2 + ((logs[1] - LOG_TAU[0]) / LOG_TAU[1]) ** 2
    prior += sum(((logs[i] - LOG_SIGMA[0]) / LOG_SIGMA[1]) ** 2 for i in (0, 2))
    value = -laplace(problem, theta)[1] + prior / 2
    return value if math.isfinite(value) else 1e12
