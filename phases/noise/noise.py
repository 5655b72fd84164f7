r"""Noise along training: overdispersed, autocorrelated counts, or autocorrelated continuous scores.

Counts: :math:`y_t = k_t/n_t`, :math:`k_t \sim \mathrm{Bin}(n_t, \mathrm{expit}(\mathrm{logit} f_t + u_t))`, u an AR(1)
shift of variance :math:`\sigma^2` whose correlation between two checkpoints is :math:`\rho^{d}`; so
:math:`V = \omega W/n + \sigma^2 W R W` with :math:`W = \mathrm{diag} f(1-f)` and :math:`\omega` the overdispersion of
beta-binomial trials. Continuous scores: :math:`V = \varphi (I + \sigma^2 R)`. The distance d is counted either in
checkpoints or in tokens; which of the two, :math:`\omega, \rho` and :math:`\sigma^2` are not known, so their restricted
likelihood on a grid is kept whole and every bootstrap replicate draws its own. (One moment estimate for all replicates
broke the size of the tests: see docs/METHODS.md.)

Scores near 0 or 1 do not vary on the logit scale alone: a floor of 0.01 can pass through 0 and 0.03 without any of
this meaning much where 0.5 is measured. So W is also tried with scores nearer than 0.12 to either end counted as 0.12,
which makes the noise nearly additive there; the likelihood weighs the two like the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from calque.phases.noise import kalman
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

RHO = np.array([0.0, 0.3, 0.5, 0.65, 0.78, 0.87, 0.93, 0.965])
COUNT_VARIANCE = np.array([0.0, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.18, 0.3, 0.5, 0.8, 1.3])
CONTINUOUS_VARIANCE = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 4.0, 12.0])
FLOORS = (0.02, 0.12)
"""Scores nearer to 0 or 1 shift by as much as this score does: on the logit scale nearly throughout, or additively."""
OVERDISPERSION = (1.0, 2.0, 4.0)
LEAST = 0.004
"""Scores nearer to 0 or 1 than this have the variance of this score: a floor seen as exactly 0 is not noiseless."""
RESOLUTION = 1e-4
"""Least standard deviation of the noise of a continuous score, as a share of its range.

A curve can pass through every score (a formula, a smoothed log). Its residuals are rounding, and no test or interval
can be calibrated on those.
"""


@dataclass(frozen=True)
class Variant:
    """What the noise does besides its size: the distance over which it decorrelates, its floor, its overdispersion."""

    distance: int
    floor: float
    over: float


VARIANTS = tuple(Variant(*v) for v in product(range(2), FLOORS, OVERDISPERSION))


def variants(t: Trajectory) -> list[int]:
    """Return the indices of the variants that differ for this series.

    Parameters
    ----------
    t : Trajectory
        The series.

    Returns
    -------
    list of int
        Indices into ``VARIANTS``.
    """
    distances = (0,) if t.evenly_spaced else (0, 1)
    return [
        k
        for k, v in enumerate(VARIANTS)
        if v.distance in distances and (t.counts or (v.floor == FLOORS[0] and v.over == 1.0))
    ]


@dataclass(frozen=True, eq=False)
class Noise:
    """Posterior of the noise of one series, on a grid.

    Attributes
    ----------
    trajectory : Trajectory
        The series; gives trials and distances.
    variances : array, shape (s,)
        Grid of sigma^2.
    weight : array, shape (v, r, s)
        Posterior over variant (of ``VARIANTS``), rho and sigma^2; sums to 1.
    scale : array, shape (v, r, s)
        phi given the grid point; 1 for counts.
    freedom : int
        Degrees of freedom of phi.
    """

    trajectory: Trajectory
    variances: Array
    weight: Array
    scale: Array
    freedom: int

    @property
    def likely(self) -> list[int]:
        """Variants that hold a hundredth of the likeliest one's weight or more."""
        by_variant = self.weight.sum((1, 2))
        return [int(k) for k in np.flatnonzero(by_variant > 0.01 * by_variant.max())]

    def mean(self) -> tuple[int, float, float, float]:
        """Return (variant, rho, sigma^2, phi) to whiten with: the likeliest variant, and posterior means given it."""
        by_variant = self.weight.sum((1, 2))
        k = int(by_variant.argmax())
        p = self.weight[k] / by_variant[k]
        s2 = float((p.sum(0) * self.variances).sum())
        carried = p * self.variances
        rho = float((carried.sum(1) * RHO).sum() / max(carried.sum(), 1e-9))
        return k, rho, s2, float((p * self.scale[k]).sum())

    def mixed(self, other: Noise, share: float) -> Noise:
        """Return the posterior of a series whose curve is another one, with its ``other`` noise, by this ``share``."""
        weight = (1 - share) * self.weight + share * other.weight
        scale = np.where(self.weight > 0, self.scale, other.scale)
        return replace(self, weight=weight, scale=((1 - share) * scale + share * other.scale))

    def whitener(self, mu: Array) -> Whitener:
        """Return the whitening by the noise of :meth:`mean` at the curve ``mu``."""
        k, rho, s2, phi = self.mean()
        white, shift = amplitudes(self.trajectory, mu, VARIANTS[k])
        gap = np.diff(self.trajectory.distances[VARIANTS[k].distance])
        return Whitener.of(phi * white, np.sqrt(phi) * shift, rho, gap, s2)

    def draw(self, rng: np.random.Generator, replicates: int, shocks: Array | None = None) -> Replicates:
        """Draw noise for simulated series, with its parameters drawn from the posterior.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        replicates : int
            Number of series.
        shocks : array, shape (n, replicates), optional
            Standard normal innovations of the AR(1) part; drawn when None.

        Returns
        -------
        Replicates
            The noise.
        """
        t = self.trajectory
        index = rng.choice(self.weight.size, replicates, p=self.weight.ravel())
        k, i, j = np.unravel_index(index, self.weight.shape)
        shocks = rng.standard_normal((t.n, replicates)) if shocks is None else shocks
        gaps = np.diff(t.distances, axis=1)[np.array([v.distance for v in VARIANTS])[k]].T
        phi = np.vstack([np.ones(replicates), np.where(RHO[i] > 0, RHO[i], 1e-300) ** gaps])
        u = kalman.shifts(np.ascontiguousarray(shocks), phi, np.sqrt(self.variances[j]))
        scale = self.scale[k, i, j]
        if not t.counts:
            scale = scale * self.freedom / rng.chisquare(self.freedom, replicates)
        floor, over = (np.array([getattr(v, name) for v in VARIANTS])[k] for name in ("floor", "over"))
        return Replicates(t, u, self.variances[j], floor, over, scale, rng)


@dataclass(frozen=True, eq=False)
class Replicates:
    """Drawn noise that turns any curve into simulated series."""

    trajectory: Trajectory
    shift: Array
    variance: Array
    floor: Array
    over: Array
    scale: Array
    rng: np.random.Generator

    def around(self, mu: Array) -> Array:
        """Return simulated scores (n, replicates) whose expectation is ``mu``."""
        t = self.trajectory
        white = self.rng.standard_normal(self.shift.shape)
        if not t.counts:
            return np.asarray(mu[:, None] + np.sqrt(self.scale) * (white + self.shift))
        trials = np.maximum(1.0, np.round(t.effective_trials))
        return kalman.proportions(mu, trials, self.shift, self.variance, self.floor, self.over, white)


def amplitudes(t: Trajectory, mu: Array, variant: Variant) -> tuple[Array, Array]:
    """Return the variance of the white part and the amplitude of the AR(1) shift at a curve.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.
    variant : Variant
        Floor and overdispersion.

    Returns
    -------
    tuple of array, shape (n,)
        Variances and amplitudes; all 1 for continuous scores.
    """
    if not t.counts:
        return np.ones(t.n), np.ones(t.n)
    w, v = (p * (1 - p) for p in (np.clip(mu, LEAST, 1 - LEAST), np.clip(mu, variant.floor, 1 - variant.floor)))
    return variant.over * w / t.effective_trials, v


def least_variance(t: Trajectory) -> float:
    """Return the least variance of the noise of a continuous score.

    Parameters
    ----------
    t : Trajectory
        The series.
    """
    return (RESOLUTION * float(np.ptp(t.y))) ** 2


def _grid(t: Trajectory) -> Array:
    return COUNT_VARIANCE if t.counts else CONTINUOUS_VARIANCE


def profile_likelihood(t: Trajectory, mu: Array, among: list[int] | None = None) -> float:
    """Return twice the log-likelihood of a curve, maximised over the noise, to compare curves that differ in noise.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.
    among : list of int, optional
        Variants of the noise to try; all that differ when None.

    Returns
    -------
    float
        Twice the log-likelihood, up to a constant.
    """
    best = -np.inf
    e = (t.y - mu)[:, None]
    for k in among or variants(t):
        white, shift = amplitudes(t, mu, VARIANTS[k])
        gap = np.diff(t.distances[VARIANTS[k].distance])
        determinant, product_ = kalman.products(e, white, shift, gap, RHO, _grid(t))
        rss = np.maximum(product_[:, :, 0, 0], 1e-300 if t.counts else t.n * least_variance(t))
        best = max(best, float((-determinant - (rss if t.counts else t.n * np.log(rss / t.n))).max()))
    return best


def restricted_likelihood(t: Trajectory, mu: Array, tangents: Array, among: list[int] | None = None) -> Noise:
    """Return the posterior of the noise of a series around a curve.

    The fixed effects are a constant, the curve and the tangents: REML accounts for the noise that the curve has
    absorbed (Patterson and Thompson 1971).

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.
    tangents : array, shape (n, q)
        Directions in which the curve could still move.
    among : list of int, optional
        Variants of the noise to try; all that differ when None.

    Returns
    -------
    Noise
        The posterior on the grid.
    """
    variances = _grid(t)
    fixed = np.linalg.qr(np.column_stack([np.ones(t.n), mu, tangents]))[0]
    q = fixed.shape[1]
    data = np.column_stack([fixed, t.y - mu])
    loglik = np.full((len(VARIANTS), len(RHO), len(variances)), -np.inf)
    scale = np.ones_like(loglik)
    freedom = max(t.n - q, 1)
    for k in among or variants(t):
        white, shift = amplitudes(t, mu, VARIANTS[k])
        gap = np.diff(t.distances[VARIANTS[k].distance])
        determinant, m = kalman.products(data, white, shift, gap, RHO, variances)
        size = np.sqrt(np.einsum("rsii->rsi", m)[..., :q])
        inner = m[..., :q, :q] / (size[..., :, None] * size[..., None, :]) + 1e-10 * np.eye(q)
        right = m[..., :q, q:] / size[..., None]
        rss = np.maximum(m[..., q, q] - (right * np.linalg.solve(inner, right))[..., 0].sum(-1), 1e-300)
        determinant = determinant + np.linalg.slogdet(inner)[1] + 2 * np.log(size).sum(-1)
        if t.counts:
            loglik[k] = -0.5 * (determinant + rss)
        else:
            least = freedom * least_variance(t)
            known = np.maximum(rss, least)
            scale[k] = known / freedom
            # with the scale held at its least value, the residuals themselves count; above it this last term is 0
            held = freedom * (np.minimum(rss / least, 1.0) - 1.0)
            loglik[k] = -0.5 * (determinant + freedom * np.log(known) + held)
    # flat in sigma: a prior flat in its square would attribute short rises to noise
    prior = np.gradient(np.sqrt(variances)) if t.counts else np.gradient(np.log(variances + 0.05))
    weight = np.exp(loglik - loglik.max()) * prior * np.gradient(RHO)[:, None]
    return Noise(t, variances, weight / weight.sum(), scale, freedom)
