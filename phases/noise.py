r"""Noise along training: overdispersed, autocorrelated counts, or autocorrelated continuous scores.

Counts: :math:`y_t = k_t/n_t`, :math:`k_t \sim \mathrm{Bin}(n_t, \mathrm{expit}(\mathrm{logit} f_t + u_t))`, u an AR(1)
shift of variance :math:`\sigma^2` whose correlation between two checkpoints is :math:`\rho^{d}`; so
:math:`V = W/n + \sigma^2 W R W` with :math:`W = \mathrm{diag} f(1-f)`. Continuous scores:
:math:`V = \varphi (I + \sigma^2 R)`. The distance d is counted either in checkpoints or in tokens; which of the two,
:math:`\rho` and :math:`\sigma^2` are not known, so their restricted likelihood on a grid is kept whole and every
bootstrap replicate draws its own. (One moment estimate for all replicates broke the size of the tests: see
docs/METHODS.md.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from phases.axis import Array
from phases.trajectory import Trajectory

RHO = np.array([0.0, 0.3, 0.5, 0.65, 0.78, 0.87, 0.93])
COUNT_VARIANCE = np.array([0.0, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.18, 0.3, 0.5, 0.8, 1.3])
CONTINUOUS_VARIANCE = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 4.0, 12.0])
LEAST = 0.004
"""Scores nearer to 0 or 1 than this have the variance of this score: a floor seen as exactly 0 is not noiseless."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Posterior of the noise of one series, on a grid.

    Attributes
    ----------
    trajectory : Trajectory
        The series; gives trials and distances.
    variances : array, shape (s,)
        Grid of sigma^2.
    weight : array, shape (2, r, s)
        Posterior over distance (checkpoints, tokens), rho and sigma^2; sums to 1.
    scale : array, shape (2, r, s)
        phi given the grid point; 1 for counts.
    freedom : int
        Degrees of freedom of phi.
    """

    trajectory: Trajectory
    variances: Array
    weight: Array
    scale: Array
    freedom: int

    def mean(self) -> tuple[int, float, float, float]:
        """Return (distance, rho, sigma^2, phi) to whiten with: the likelier distance, and posterior means given it."""
        by_distance = self.weight.sum((1, 2))
        d = int(by_distance.argmax())
        p = self.weight[d] / by_distance[d]
        s2 = float((p.sum(0) * self.variances).sum())
        carried = p * self.variances
        rho = float((carried.sum(1) * RHO).sum() / max(carried.sum(), 1e-9))
        return d, rho, s2, float((p * self.scale[d]).sum())

    def covariance(self, mu: Array) -> Array:
        """Return V (n, n) at the curve ``mu`` with the noise of :meth:`mean`."""
        d, rho, s2, phi = self.mean()
        white, shift = amplitudes(self.trajectory, mu)
        r = correlation(self.trajectory.distances[d], rho)
        v: Array = phi * (np.diag(white) + s2 * r * np.outer(shift, shift))
        return v

    def draw(self, rng: np.random.Generator, replicates: int, shocks: Array | None = None) -> Replicates:
        """Draw noise for ``replicates`` series; ``shocks`` (n, replicates) are standard normal innovations to use."""
        t = self.trajectory
        index = rng.choice(self.weight.size, replicates, p=self.weight.ravel())
        d, i, j = np.unravel_index(index, self.weight.shape)
        e = rng.standard_normal((t.n, replicates)) if shocks is None else shocks
        gaps = np.diff(t.distances, axis=1)
        phi = RHO[i] ** gaps[d].T
        u = np.empty_like(e)
        u[0] = e[0]
        for k in range(1, t.n):
            u[k] = phi[k - 1] * u[k - 1] + np.sqrt(1 - phi[k - 1] ** 2) * e[k]
        scale = self.scale[d, i, j]
        if not t.counts:
            scale = scale * self.freedom / rng.chisquare(self.freedom, replicates)
        return Replicates(t, u * np.sqrt(self.variances[j]), self.variances[j], scale, rng)


@dataclass(frozen=True, eq=False)
class Replicates:
    """Drawn noise that turns any curve into simulated series."""

    trajectory: Trajectory
    shift: Array
    variance: Array
    scale: Array
    rng: np.random.Generator

    def around(self, mu: Array) -> Array:
        """Return simulated scores (n, replicates) whose expectation is ``mu``."""
        t = self.trajectory
        if not t.counts:
            white = self.rng.standard_normal(self.shift.shape)
            return mu[:, None] + np.sqrt(self.scale) * (white + self.shift)
        n = np.maximum(1, np.round(t.effective_trials)).astype(np.int64)[:, None]
        return np.asarray(self.rng.binomial(n, shifted(mu, self.shift, self.variance)) / n)


def shifted(mu: Array, shift: Array, variance: Array | float) -> Array:
    """Return expit(logit(mu) + shift), recentred to second order so that its mean stays ``mu``."""
    mu = np.clip(mu, 0.002, 0.998)[:, None]
    recentre = 0.5 * variance * (1 - 2 * mu) / (1 + 0.35 * np.asarray(variance))
    return np.asarray(expit(logit(mu) + shift - recentre))


def correlation(position: Array, rho: float) -> Array:
    """Return rho^|distance| (n, n); the identity when rho is 0."""
    if rho == 0:
        return np.eye(len(position))
    return np.asarray(rho ** np.abs(np.subtract.outer(position, position)))


def amplitudes(t: Trajectory, mu: Array) -> tuple[Array, Array]:
    """Return the variance of the white part and the amplitude of the shift at the curve ``mu``, both (n,)."""
    if not t.counts:
        return np.ones(t.n), np.ones(t.n)
    w = np.clip(mu, LEAST, 1 - LEAST)
    w = w * (1 - w)
    return w / t.effective_trials, w


def profile_likelihood(t: Trajectory, mu: Array) -> float:
    """Return twice the log-likelihood of the curve ``mu``, maximised over the noise.

    It compares curves that differ in their noise.
    """
    variances = COUNT_VARIANCE if t.counts else CONTINUOUS_VARIANCE
    white, shift = amplitudes(t, mu)
    e = (t.y - mu) / np.sqrt(white)
    shift = shift / np.sqrt(white)
    best = -np.inf
    for d in range(1 if t.evenly_spaced else 2):
        for rho in RHO:
            lam, basis = np.linalg.eigh(correlation(t.distances[d], float(rho)) * np.outer(shift, shift))
            v = 1 + variances[:, None] * np.maximum(lam, 0)
            rss = np.maximum(((basis.T @ e) ** 2 / v).sum(1), 1e-300)
            fit = rss if t.counts else t.n * np.log(rss / t.n)
            best = max(best, float((-np.log(v).sum(1) - fit).max()))
    return best - float(np.log(white).sum())


def restricted_likelihood(t: Trajectory, mu: Array, tangents: Array) -> Noise:
    """Return the posterior of the noise of ``t`` around the curve ``mu``.

    The fixed effects are a constant, the curve and ``tangents`` (n, q), the directions in which the curve could still
    move: REML pays for what the curve has absorbed of the noise. One eigendecomposition a (distance, rho) serves every
    variance of the grid.
    """
    variances = COUNT_VARIANCE if t.counts else CONTINUOUS_VARIANCE
    fixed = np.linalg.qr(np.column_stack([np.ones(t.n), mu, tangents]))[0]
    q = fixed.shape[1]
    white, shift = amplitudes(t, mu)
    data = np.column_stack([fixed, t.y - mu]) / np.sqrt(white)[:, None]
    shift = shift / np.sqrt(white)
    loglik = np.full((2, len(RHO), len(variances)), -np.inf)
    scale = np.ones_like(loglik)
    freedom = max(t.n - q, 1)
    for d in range(2):
        if d == 1 and t.evenly_spaced:
            continue
        for i, rho in enumerate(RHO):
            lam, basis = np.linalg.eigh(correlation(t.distances[d], float(rho)) * np.outer(shift, shift))
            a = basis.T @ data
            d_v = 1 + variances[:, None] * np.maximum(lam, 0)
            m = np.einsum("ni,sn,nj->sij", a, 1 / d_v, a)
            inner = m[:, :q, :q] + 1e-12 * np.eye(q)
            solved = np.linalg.solve(inner, m[:, :q, q:])[:, :, 0]
            rss = np.maximum(m[:, q, q] - (m[:, :q, q] * solved).sum(1), 1e-300)
            determinant = np.log(d_v).sum(1) + np.linalg.slogdet(inner)[1]
            if t.counts:
                loglik[d, i] = -0.5 * (determinant + rss)
            else:
                scale[d, i] = rss / freedom
                loglik[d, i] = -0.5 * (determinant + freedom * np.log(rss))
    prior = np.gradient(variances) if t.counts else np.gradient(np.log(variances + 0.05))
    weight = np.exp(loglik - loglik.max()) * prior * np.gradient(RHO)[:, None]
    return Noise(t, variances, weight / weight.sum(), scale, freedom)
