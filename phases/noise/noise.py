r"""Noise along training: overdispersed, autocorrelated counts, or autocorrelated continuous scores.

Counts: :math:`y_t = k_t/n_t`, :math:`k_t \sim \mathrm{Bin}(n_t, \mathrm{expit}(\mathrm{logit} f_t + u_t))`, u an AR(1)
shift of variance :math:`\sigma^2` whose correlation between two checkpoints is :math:`\rho^{d}`; so
:math:`V = \omega W/n + \sigma^2 W R W` with :math:`W = \mathrm{diag} f(1-f)` and :math:`\omega` the overdispersion of
beta-binomial trials. Continuous scores: :math:`V = \varphi (I + \sigma^2 R)`. The distance d is counted either in
checkpoints or in tokens; which of the two, :math:`\omega, \rho` and :math:`\sigma^2` are not known, so their restricted
likelihood on a grid is kept whole and every bootstrap replicate draws its own. (One moment estimate for all replicates
broke the size of the tests: see docs/METHODS.md.)

What noise does besides its size has variants, see :mod:`calque.phases.noise.variants`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calque.phases.noise import kalman
from calque.phases.noise.variants import RHO, VARIANTS, amplitudes
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

MOVING = 0.02
"""Least variance of a shift, on the logit scale, that growth could be taken for."""


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

    def lasting(self, share: float) -> float:
        """Return how much likelier than before the data a shift is that lasts for more than this ``share`` of the run.

        It lasts until its correlation falls to 1/e. Shifts of counts that move a score of 1/2 by less than 4 points do
        not count. 0 where no value of rho lasts so long.
        """
        length = -1 / np.log(np.maximum(RHO, 1e-300))
        moving = self.variances >= (MOVING if self.trajectory.counts else self.variances[1])
        long = [length > share * span for span in np.ptp(self.trajectory.distances, axis=1)]
        known = [(self.weight[k], long[v.distance]) for k, v in enumerate(VARIANTS) if self.weight[k].any()]
        before = sum(float(weight.sum() * lasts.mean()) for weight, lasts in known)
        after = sum(float(weight[np.ix_(lasts, moving)].sum()) for weight, lasts in known)
        return after / before if before else 0.0

    def mixed(self, other: Noise, share: float) -> Noise:
        """Return the posterior of a series whose curve is another one, with its ``other`` noise, by this ``share``."""
        weight = (1 - share) * self.weight + share * other.weight
        scale = np.where(self.weight > 0, self.scale, other.scale)
        return replace(self, weight=weight, scale=((1 - share) * scale + share * other.scale))

    def whitener(self, mu: Array) -> Whitener:
        """Return the whitening by the noise of :meth:`mean` at the curve ``mu``."""
        k, rho, s2, phi = self.mean()
        return self._whitener(mu, k, rho, s2, phi)

    def whitener_at(self, mu: Array, point: tuple[int, int, int]) -> Whitener:
        """Return the whitening at the curve ``mu`` (n,) by the noise of one ``point`` of the grid."""
        k, i, j = point
        return self._whitener(mu, k, float(RHO[i]), float(self.variances[j]), float(self.scale[k, i, j]))

    def _whitener(self, mu: Array, k: int, rho: float, s2: float, phi: float) -> Whitener:
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
        points = np.stack(np.unravel_index(index, self.weight.shape))
        k, i, j = points
        shocks = rng.standard_normal((t.n, replicates)) if shocks is None else shocks
        # powers are taken once a distance and correlation, not once a replicate
        powers = np.where(RHO > 0, RHO, 1e-300)[:, None] ** np.diff(t.distances, axis=1)[:, None]
        phi = np.vstack([np.ones(replicates), powers[np.array([v.distance for v in VARIANTS])[k], i].T])
        u = kalman.shifts(np.ascontiguousarray(shocks), phi, np.sqrt(self.variances[j]))
        scale = self.scale[k, i, j]
        if not t.counts:
            scale = scale * self.freedom / rng.chisquare(self.freedom, replicates)
        floor, over = (np.array([getattr(v, name) for v in VARIANTS])[k] for name in ("floor", "over"))
        course = np.column_stack([v.course(t) for v in VARIANTS])[:, k]
        return Replicates(t, course * u, course, course**2 * self.variances[j], floor, over, scale, points, rng)


@dataclass(frozen=True, eq=False)
class Replicates:
    """Drawn noise that turns any curve into simulated series.

    Attributes
    ----------
    trajectory : Trajectory
        The series that it is the noise of.
    shift, course, variance : array, shape (n, replicates)
        The AR(1) shift, its standard deviation relative to the middle of the run, and its variance.
    floor, over, scale : array, shape (replicates,)
        See :class:`calque.phases.noise.variants.Variant` and :class:`Noise`.
    points : array of int, shape (3, replicates)
        The point of the grid of :class:`Noise` that the noise of each replicate has.
    rng : numpy.random.Generator
        Source of further randomness.
    """

    trajectory: Trajectory
    shift: Array
    course: Array
    variance: Array
    floor: Array
    over: Array
    scale: Array
    points: NDArray[np.intp]
    rng: np.random.Generator

    def around(self, mu: Array) -> Array:
        """Return simulated scores (n, replicates) whose expectation is ``mu``."""
        t = self.trajectory
        white = self.rng.standard_normal(self.shift.shape)
        if not t.counts:
            white *= self.course * np.reshape(np.sqrt(t.white_variance), (-1, 1))
            return np.asarray(mu[:, None] + np.sqrt(self.scale) * (white + self.shift))
        trials = np.maximum(1.0, np.round(t.effective_trials))
        return kalman.proportions(mu, trials, self.shift, self.variance, self.floor, self.over, white)
