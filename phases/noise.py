r"""Noise along training: overdispersed, autocorrelated counts, or autocorrelated continuous scores.

Counts: :math:`y_t = k_t/n_t`, :math:`k_t \sim \mathrm{Bin}(n_t, \mathrm{expit}(\mathrm{logit} f_t + u_t))`, u an AR(1)
shift of variance :math:`\sigma^2` whose correlation between two checkpoints is :math:`\rho^{d}`; so
:math:`V = W/n + \sigma^2 W R W` with :math:`W = \mathrm{diag} f(1-f)`. Continuous scores:
:math:`V = \varphi (I + \sigma^2 R)`. The distance d is counted either in checkpoints or in tokens; which of the two,
:math:`\rho` and :math:`\sigma^2` are not known, so their restricted likelihood on a grid is kept whole and every
bootstrap replicate draws its own. (One moment estimate for all replicates broke the size of the tests: see
docs/METHODS.md.)

Scores near 0 or 1 do not wander on the logit scale alone: a floor of 0.01 can pass through 0 and 0.03 without any of
this meaning much where 0.5 is measured. So W is also tried with scores nearer than 0.12 to either end counted as 0.12,
which makes the noise nearly additive there; the likelihood weighs the two like the rest.
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
FLOORS = (0.02, 0.12)
"""Scores nearer to 0 or 1 shift by as much as this score does: on the logit scale nearly throughout, or additively."""
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
    weight : array, shape (4, r, s)
        Posterior over variant (see :func:`variants`), rho and sigma^2; sums to 1.
    scale : array, shape (4, r, s)
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
        """Return (variant, rho, sigma^2, phi) to whiten with: the likeliest variant, and posterior means given it."""
        by_variant = self.weight.sum((1, 2))
        k = int(by_variant.argmax())
        p = self.weight[k] / by_variant[k]
        s2 = float((p.sum(0) * self.variances).sum())
        carried = p * self.variances
        rho = float((carried.sum(1) * RHO).sum() / max(carried.sum(), 1e-9))
        return k, rho, s2, float((p * self.scale[k]).sum())

    def covariance(self, mu: Array) -> Array:
        """Return V (n, n) at the curve ``mu`` with the noise of :meth:`mean`."""
        k, rho, s2, phi = self.mean()
        distance, floor = VARIANTS[k]
        white, shift = amplitudes(self.trajectory, mu, floor)
        r = correlation(self.trajectory.distances[distance], rho)
        v: Array = phi * (np.diag(white) + s2 * r * np.outer(shift, shift))
        return v

    def draw(self, rng: np.random.Generator, replicates: int, shocks: Array | None = None) -> Replicates:
        """Draw noise for ``replicates`` series; ``shocks`` (n, replicates) are standard normal innovations to use."""
        t = self.trajectory
        index = rng.choice(self.weight.size, replicates, p=self.weight.ravel())
        k, i, j = np.unravel_index(index, self.weight.shape)
        d, floor = np.array([v[0] for v in VARIANTS])[k], np.array([v[1] for v in VARIANTS])[k]
        e = rng.standard_normal((t.n, replicates)) if shocks is None else shocks
        gaps = np.diff(t.distances, axis=1)
        phi = RHO[i] ** gaps[d].T
        u = np.empty_like(e)
        u[0] = e[0]
        for step in range(1, t.n):
            u[step] = phi[step - 1] * u[step - 1] + np.sqrt(1 - phi[step - 1] ** 2) * e[step]
        scale = self.scale[k, i, j]
        if not t.counts:
            scale = scale * self.freedom / rng.chisquare(self.freedom, replicates)
        return Replicates(t, u * np.sqrt(self.variances[j]), self.variances[j], floor, scale, rng)


@dataclass(frozen=True, eq=False)
class Replicates:
    """Drawn noise that turns any curve into simulated series."""

    trajectory: Trajectory
    shift: Array
    variance: Array
    floor: Array
    scale: Array
    rng: np.random.Generator

    def around(self, mu: Array) -> Array:
        """Return simulated scores (n, replicates) whose expectation is ``mu``."""
        t = self.trajectory
        if not t.counts:
            white = self.rng.standard_normal(self.shift.shape)
            return mu[:, None] + np.sqrt(self.scale) * (white + self.shift)
        n = np.maximum(1, np.round(t.effective_trials)).astype(np.int64)[:, None]
        return np.asarray(self.rng.binomial(n, shifted(mu, self.shift, self.variance, self.floor)) / n)


def shifted(mu: Array, shift: Array, variance: Array, floor: Array) -> Array:
    """Return ``mu`` (n,) moved by logit-scale shifts (n, B), as a score at least ``floor`` from 0 and 1 would move.

    The logit is recentred to second order, so that the mean stays ``mu``.
    """
    m = np.clip(mu[:, None], floor, 1 - floor)
    recentre = 0.5 * variance * (1 - 2 * m) / (1 + 0.35 * variance)
    return np.asarray(np.clip(mu[:, None] + expit(logit(m) + shift - recentre) - m, 0.0, 1.0))


def correlation(position: Array, rho: float) -> Array:
    """Return rho^|distance| (n, n); the identity when rho is 0."""
    if rho == 0:
        return np.eye(len(position))
    return np.asarray(rho ** np.abs(np.subtract.outer(position, position)))


def amplitudes(t: Trajectory, mu: Array, floor: float = LEAST) -> tuple[Array, Array]:
    """Return the variance of the white part and the amplitude of the shift at the curve ``mu``, both (n,)."""
    if not t.counts:
        return np.ones(t.n), np.ones(t.n)
    w, v = (p * (1 - p) for p in (np.clip(mu, LEAST, 1 - LEAST), np.clip(mu, floor, 1 - floor)))
    return w / t.effective_trials, v


VARIANTS = tuple((distance, floor) for distance in range(2) for floor in FLOORS)


def variants(t: Trajectory) -> list[tuple[int, int, float]]:
    """Return (index, distance, floor) of the variants of the noise that differ for this series."""
    distances = (0,) if t.evenly_spaced else (0, 1)
    floors = FLOORS if t.counts else FLOORS[:1]
    return [(k, d, f) for k, (d, f) in enumerate(VARIANTS) if d in distances and f in floors]


def profile_likelihood(t: Trajectory, mu: Array) -> float:
    """Return twice the log-likelihood of the curve ``mu``, maximised over the noise.

    It compares curves that differ in their noise.
    """
    variances = COUNT_VARIANCE if t.counts else CONTINUOUS_VARIANCE
    white = amplitudes(t, mu)[0]
    e = (t.y - mu) / np.sqrt(white)
    best = -np.inf
    for _, d, floor in variants(t):
        shift = amplitudes(t, mu, floor)[1] / np.sqrt(white)
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
    white = amplitudes(t, mu)[0]
    data = np.column_stack([fixed, t.y - mu]) / np.sqrt(white)[:, None]
    loglik = np.full((len(VARIANTS), len(RHO), len(variances)), -np.inf)
    scale = np.ones_like(loglik)
    freedom = max(t.n - q, 1)
    for k, d, floor in variants(t):
        shift = amplitudes(t, mu, floor)[1] / np.sqrt(white)
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
                loglik[k, i] = -0.5 * (determinant + rss)
            else:
                scale[k, i] = rss / freedom
                loglik[k, i] = -0.5 * (determinant + freedom * np.log(rss))
    prior = np.gradient(variances) if t.counts else np.gradient(np.log(variances + 0.05))
    weight = np.exp(loglik - loglik.max()) * prior * np.gradient(RHO)[:, None]
    return Noise(t, variances, weight / weight.sum(), scale, freedom)
