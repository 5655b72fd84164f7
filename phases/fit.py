r"""Fitting the dictionary: every candidate curve against a series, and against all its replicates, in one product.

With :math:`L L^\top = V^{-1}` the series is whitened, the constant projected out, and each candidate column g has
:math:`b = \max(0, g^\top z)/g^\top g` and residual sum of squares :math:`z^\top z - b\, g^\top z`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from phases.axis import Array, Axis
from phases.noise import FLOORS, Noise, amplitudes, correlation, profile_likelihood, restricted_likelihood
from phases.shapes import FAMILIES, Family
from phases.trajectory import Trajectory

PLAUSIBLE = 16.0
"""Candidates whose residual sum of squares exceeds the best one's by more can never enter an interval."""
FALL_EVIDENCE = 9.0
"""Twice the log-likelihood that a decline after the peak must gain over growth alone (it spends three parameters)."""
EXCLUDED = 1e12
REFITS = 3
"""Rounds of refining the curves and estimating the noise in turn."""
TEMPER = 12.0
"""Plausible curves weigh exp(-excess/TEMPER) in the curve at which the covariance is taken."""
KEPT = 420
ROUNDS = (1.0, 0.5, 0.25)
PROPOSALS = 110
"""New curves a round and family of up to three parameters; three times as many for larger ones."""
FITTED = 5
"""Parameters a curve spends, for the scale of the residuals."""


@dataclass(frozen=True, eq=False)
class Whitener:
    """Whitening at one covariance, with the constant projected out."""

    inverse: Array
    one: Array

    @classmethod
    def of(cls, covariance: Array) -> Whitener:
        """Factor a covariance (n, n)."""
        lower = np.linalg.cholesky(covariance)
        inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
        one = inverse.sum(1)
        return cls(inverse, one / np.linalg.norm(one))

    def __call__(self, columns: Array) -> Array:
        """Whiten columns (n, m) and project out the constant."""
        z = self.inverse @ columns
        return np.asarray(z - np.outer(self.one, self.one @ z))

    def place(self, y: Array, g: Array) -> Array:
        """Return the curve a + b g (n,) that fits ``y`` best, b >= 0."""
        z, h = self(y[:, None])[:, 0], self(g[:, None])[:, 0]
        b = max(0.0, float(h @ z)) / max(float(h @ h), 1e-300)
        one = self.inverse.sum(1)
        a = float(one @ (self.inverse @ (y - b * g)) / (one @ one))
        return a + b * g


@dataclass(frozen=True, eq=False)
class Candidates:
    """Unit curves and what made them; columns are rescaled to run from 0 to at most 1 over the checkpoints."""

    axis: Axis
    columns: Array
    family: NDArray[np.int64]
    theta: tuple[Array, ...]
    extra: Array

    @classmethod
    def of(cls, axis: Axis, theta: dict[str, Array]) -> Candidates:
        """Evaluate parameters by family at the checkpoints."""
        names = list(FAMILIES)
        columns = np.hstack([unit(FAMILIES[f], th, axis, axis.x) for f, th in theta.items()])
        family = np.concatenate([np.full(len(th), names.index(f)) for f, th in theta.items()])
        extra = np.concatenate([np.full(len(th), FAMILIES[f].extra) for f, th in theta.items()])
        return cls(axis, columns, family, tuple(theta.get(f, np.zeros((0, 1))) for f in names), extra)

    def at(self, x: Array, chosen: NDArray[np.int64] | None = None) -> Array:
        """Evaluate all candidates, or the ``chosen`` ones, at positions ``x``: (len(x), m)."""
        out, start = [], 0
        chosen = np.arange(len(self.family)) if chosen is None else chosen
        for f, th in zip(FAMILIES.values(), self.theta, strict=True):
            mine = chosen[(chosen >= start) & (chosen < start + len(th))] - start
            if len(mine):
                out.append(unit(f, th[mine], self.axis, x))
            start += len(th)
        return np.hstack(out) if out else np.zeros((len(x), 0))

    @property
    def falling(self) -> NDArray[np.bool_]:
        """Which candidates come down again."""
        return np.isin(self.family, [i for i, f in enumerate(FAMILIES.values()) if f.falls])

    def of_family(self, name: str) -> NDArray[np.bool_]:
        """Return which candidates belong to a family."""
        return np.asarray(self.family == list(FAMILIES).index(name))


def unit(family: Family, theta: Array, axis: Axis, x: Array) -> Array:
    """Return columns of a family at ``x``, shifted and scaled by their values at the checkpoints."""
    at = family.curve(theta, axis.x)
    low, high = at[0], at.max(0)
    size = high - low
    usable = size > 1e-9
    column = at if x is axis.x else family.curve(theta, x)
    return np.where(usable, (column - low) / np.where(usable, size, 1.0), 0.0)


@dataclass(frozen=True, eq=False)
class Fit:
    """A series with its noise, whitening, and every plausible candidate.

    Attributes
    ----------
    rss, amplitude : array, shape (m,)
        Penalised residual sum of squares and coefficient b of each candidate.
    best : int
        The candidate of least ``rss``.
    declining : bool
        Whether the score comes down again after its peak; only curves that do are candidates then.
    spread : float
        Scale of the residuals, at least 1.
    curve : array, shape (n,)
        The best curve at the checkpoints.
    """

    trajectory: Trajectory
    axis: Axis
    noise: Noise
    whiten: Whitener
    candidates: Candidates
    whitened: Array
    rss: Array
    amplitude: Array
    declining: bool = False

    @property
    def best(self) -> int:
        """Index of the best candidate."""
        return int(self.rss.argmin())

    @property
    def spread(self) -> float:
        """Scale of the residuals about the best curve, at least 1."""
        return max(1.0, float(self.rss.min()) / max(self.trajectory.n - FITTED, 3))

    @property
    def curve(self) -> Array:
        """The best curve at the checkpoints."""
        return self.curve_of(self.best)

    @property
    def average(self) -> Array:
        """The average of all plausible curves (n,), where the covariance is taken.

        Taken at the best curve alone, a score that is low by chance where growth begins would also count as precise,
        and intervals would miss on the late side.
        """
        excess = (self.rss - self.rss.min()) / self.spread
        weight = np.exp(-excess / TEMPER)
        shape = self.candidates.columns @ (weight * self.amplitude) / weight.sum()
        one = self.whiten.inverse.sum(1)
        floor = float(one @ (self.whiten.inverse @ (self.trajectory.y - shape)) / (one @ one))
        return np.asarray(floor + shape)

    def curve_of(self, j: int) -> Array:
        """Return candidate ``j`` fitted, at the checkpoints."""
        return self.whiten.place(self.trajectory.y, self.candidates.columns[:, j])

    def against(self, y: Array) -> tuple[Array, Array]:
        """Return penalised rss and amplitude (m, B) of every candidate against replicates (n, B)."""
        return projections(self.whitened, self.whiten(y), self.candidates.extra)


def projections(columns: Array, z: Array, extra: Array) -> tuple[Array, Array]:
    """Return penalised rss and non-negative coefficient of every whitened column against every whitened series."""
    c = np.maximum(columns.T @ z, 0.0)
    size = np.einsum("nm,nm->m", columns, columns)
    b = c / np.maximum(size, 1e-12)[:, None]
    return np.einsum("nb,nb->b", z, z) - c * b + extra[:, None], b


class Dictionary:
    """The coarse grid of all families on one checkpoint schedule; build once, use for every series on it."""

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.theta = {name: family.grid(axis) for name, family in FAMILIES.items()}
        self.candidates = Candidates.of(axis, self.theta)

    def fit(self, t: Trajectory, rng: np.random.Generator) -> Fit:
        """Fit a series by growing curves, or by curves that fall again where those earn it.

        A decline can pass for autocorrelated noise and noise for a decline; so the two are compared each with its own
        noise, and the decline must gain ``FALL_EVIDENCE`` in twice the log-likelihood.
        """
        grown = self._settle(t, [name for name, f in FAMILIES.items() if not f.falls], rng)
        fallen = self._settle(t, [name for name, f in FAMILIES.items() if f.falls], rng)
        gain = profile_likelihood(t, fallen.curve) - profile_likelihood(t, grown.curve)
        comes_down = float(fallen.curve.max() - fallen.curve[-1]) > 0
        return replace(fallen, declining=True) if gain > FALL_EVIDENCE and comes_down else grown

    def _settle(self, t: Trajectory, families: Sequence[str], rng: np.random.Generator) -> Fit:
        """Fit some families: curve and noise in turn on the coarse grid, then refined around the plausible curves."""
        among = np.isin(self.candidates.family, [list(FAMILIES).index(f) for f in families])
        covariance = self._start(t, among)
        theta = {name: self.theta[name] for name in families}
        for _ in range(REFITS):
            theta = self._refine(Whitener.of(covariance), t.y, theta, rng)
            refined = Candidates.of(self.axis, theta)
            fit = _project(t, self.axis, covariance, refined)
            noise = restricted_likelihood(t, fit.average, tangents(fit))
            covariance = noise.covariance(fit.average)
        return _project(t, self.axis, covariance, refined, noise)

    def _start(self, t: Trajectory, among: NDArray[np.bool_]) -> Array:
        """Return the covariance around the best coarse curve, found from several first guesses of the noise.

        Curve and noise are fitted in turn, which can end where the noise explains what the curve should; of the ends
        reached, the likeliest is kept.
        """
        average = _smooth(t.y)
        ends = []
        for floor in FLOORS if t.counts else FLOORS[:1]:
            covariance = _first_guess(t, average, floor)
            for _ in range(2):
                coarse = _project(t, self.axis, covariance, self.candidates, among=among)
                # halfway to the moving average: a poor first curve below 0 must not make the floor noiseless
                middle = 0.5 * (coarse.average + average)
                covariance = restricted_likelihood(t, middle, tangents(coarse)).covariance(middle)
            ends.append((profile_likelihood(t, coarse.curve), covariance))
        return max(ends, key=lambda end: end[0])[1]

    def _refine(
        self, whiten: Whitener, y: Array, start: dict[str, Array], rng: np.random.Generator
    ) -> dict[str, Array]:
        """Return parameters around the plausible region of each family, on and off the grid."""
        z = whiten(y[:, None])
        scores = {}
        for name, theta in start.items():
            family = FAMILIES[name]
            columns = whiten(unit(family, theta, self.axis, self.axis.x))
            scores[name] = projections(columns, z, np.full(len(theta), family.extra))[0][:, 0]
        best = min(float(score.min()) for score in scores.values())
        spread = max(1.0, best / max(len(y) - FITTED, 3))
        out: dict[str, Array] = {}
        low_x, high_x = self.axis.x[0] - 1.5, self.axis.x[-1] + 2.0
        for name, theta in start.items():
            family, score = FAMILIES[name], scores[name]
            low, high = np.array(family.low, float), np.array(family.high, float)
            for p in family.positions:
                low[p], high[p] = max(low[p], low_x), min(high[p], high_x)
            for shrink in ROUNDS:
                theta, score = _thin(theta, score, best, spread, shrink == ROUNDS[0])
                m = PROPOSALS * (1 if theta.shape[1] < 4 else 3)
                parents = rng.choice(len(theta), m, p=_preference(score, float(score.min()), spread))
                move = rng.uniform(-1, 1, (m, theta.shape[1])) * np.array(family.step) * shrink
                new = np.clip(theta[parents] + move, low, high)
                columns = whiten(unit(family, new, self.axis, self.axis.x))
                found = projections(columns, z, np.full(m, family.extra))[0][:, 0]
                theta, score = np.vstack([theta, new]), np.concatenate([score, found])
                best = min(best, float(score.min()))
            # a family far from the data keeps its best few: the next covariance may think better of it
            out[name] = theta[
                np.argsort(score, kind="stable")[: max(3, int((score <= best + PLAUSIBLE * spread).sum()))]
            ]
        return out


def _thin(theta: Array, score: Array, best: float, spread: float, first: bool) -> tuple[Array, Array]:
    """Keep the plausible members of a family, at least the six best, at most ``KEPT``, evenly by rank."""
    order = np.argsort(score, kind="stable")
    plausible = int(np.searchsorted(score[order], best + (2.0 if first else 1.0) * PLAUSIBLE * spread))
    order = order[: max(6, plausible)]
    if len(order) > KEPT:
        order = order[np.unique(np.linspace(0, len(order) - 1, KEPT).astype(int))]
    return theta[order], score[order]


def _preference(score: Array, best: float, spread: float) -> Array:
    """Return probabilities to be varied: half by likelihood, half even."""
    p = np.exp(-0.25 * (score - best) / spread)
    return np.asarray(0.5 * p / p.sum() + 0.5 / len(p))


def tangents(fit: Fit, width: float = 8.0, rank: int = 4, most: int = 250) -> Array:
    """Return the directions (n, q) in which the curve can still move within the likelihood region."""
    near = np.flatnonzero(fit.rss - fit.rss.min() <= width * fit.spread)
    near = near[:: len(near) // most + 1]
    curves = fit.candidates.columns[:, near] * fit.amplitude[near]
    best = fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best]
    moves = fit.whiten(curves - best[:, None])
    u, s, _ = np.linalg.svd(moves, full_matrices=False)
    q = min(rank, int((s > 1e-2 * max(float(s[0]), 1e-12)).sum()), max(fit.trajectory.n - 4, 0))
    return np.linalg.solve(fit.whiten.inverse, u[:, :q])


def _project(
    t: Trajectory, axis: Axis, covariance: Array, candidates: Candidates, noise: Noise | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Fit:  # fmt: skip
    whiten = Whitener.of(covariance)
    columns, z = whiten(candidates.columns), whiten(t.y[:, None])
    extra = candidates.extra if among is None else np.where(among, candidates.extra, EXCLUDED)
    rss, b = projections(columns, z, extra)
    return Fit(t, axis, noise, whiten, candidates, columns, rss[:, 0], b[:, 0])  # type: ignore[arg-type]


def _smooth(y: Array) -> Array:
    """Return a moving average over about a fifth of the checkpoints: only the first guess of the variance needs it."""
    half = max(1, len(y) // 10)
    padded = np.pad(y, half, mode="edge")
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid")


def _first_guess(t: Trajectory, curve: Array, floor: float) -> Array:
    white, shift = amplitudes(t, curve, floor)
    r = correlation(t.distances[0], 0.5)
    if t.counts:
        return np.asarray(np.diag(white) + 0.05 * r * np.outer(shift, shift))
    size = max(float(np.var(np.diff(t.y))) / 2, 1e-12 * max(1.0, float(np.var(t.y))))
    return np.asarray(size * (np.eye(t.n) + r))
