r"""Fitting the dictionary: every candidate curve against a series, and against all its replicates, in one product.

With :math:`L L^\top = V` the series is whitened to :math:`z = L^{-1} y`, the constant projected out, and each candidate
column g has :math:`b = \max(0, g^\top z)/g^\top g` and residual sum of squares :math:`z^\top z - b\, g^\top z`.
Whitened candidates are nearly of low rank, :math:`G = Q C`: a thousand replicates cost one product of C with
:math:`Q^\top Z`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calque.phases.dictionary.averaged_noise import Alone, gain_that_tells
from calque.phases.dictionary.candidates import Candidates
from calque.phases.noise.noise import Noise
from calque.phases.noise.products import Single
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory

FITTED = 5
"""Degrees of freedom of a curve, for the scale of the residuals."""
TEMPER = 12.0
"""Plausible curves weigh exp(-excess/TEMPER) in the curve at which the covariance is taken."""
RANK_TOLERANCE = 1e-7
"""Share of the whitened candidates' squares that may be lost to low rank."""


def residuals(gz: Array, gg: Array, zz: float, extra: Array) -> tuple[Array, Array]:
    """Return penalised residual sums of squares and coefficients of all candidates.

    Parameters
    ----------
    gz : array, shape (m,)
        Products g'z of the whitened candidates with the whitened series.
    gg : array, shape (m,)
        Squared lengths g'g.
    zz : float
        Squared length z'z of the whitened series.
    extra : array, shape (m,)
        Penalties.

    Returns
    -------
    tuple of array, shape (m,)
        Residual sums of squares, and coefficients b >= 0.
    """
    usable = gg > 1e-9
    b = np.where(usable, np.maximum(gz, 0.0) / np.where(usable, gg, 1.0), 0.0)
    return zz - b * gz + extra, b


def spread_of(rss: float, n: int) -> float:
    """Return the scale of the residuals about the best curve, at least 1.

    Parameters
    ----------
    rss : float
        Residual sum of squares of the best curve, whitened.
    n : int
        Number of checkpoints.

    Returns
    -------
    float
        Scale: the variance of whitened residuals.
    """
    return max(1.0, rss / max(n - FITTED, 3))


@dataclass(frozen=True, eq=False)
class Fit:
    """A series with its noise, whitening, and every plausible candidate.

    Attributes
    ----------
    rss, amplitude : array, shape (m,)
        Penalised residual sum of squares and coefficient b of each candidate.
    declining : bool
        Whether the score comes down again after its peak; only curves that do are candidates then.
    gain : float
        Twice the log-likelihood that the best curve gains over the simpler explanation, each with its own noise:
        diminishing returns, or, for a score that comes down again, one that never rises.
    shortfall : float
        Twice the log-likelihood that the curves lack to be told from noise that lasts as long as the run; 0 where they
        lack none.
    alone : Alone or None
        The noise around curves of growth by themselves, where ``noise`` is averaged with that of diminishing returns,
        or such noise may last as long as the run; else None.
    """

    trajectory: Trajectory
    axis: Axis
    noise: Noise
    whiten: Whitener
    candidates: Candidates
    rss: Array
    amplitude: Array
    declining: bool = False
    gain: float = 0.0
    shortfall: float = 0.0
    alone: Alone | None = None

    @property
    def told(self) -> float | None:
        """Share of the gain that tells growth from noise that lasts as long as the run, 0 to 1; None of a decline."""
        if self.declining:
            return None
        return min(max(self.gain / gain_that_tells(self.trajectory.n), 0.0), 1.0)

    @property
    def best(self) -> int:
        """Index of the best candidate."""
        return int(self.rss.argmin())

    @property
    def spread(self) -> float:
        """Scale of the residuals about the best curve, at least 1."""
        return spread_of(float(self.rss.min()), self.trajectory.n)

    @property
    def excess(self) -> Array:
        """Residual sum of squares above the best candidate's, in units of its scale: (m,)."""
        return np.asarray((self.rss - self.rss.min()) / self.spread)

    @cached_property
    def curve(self) -> Array:
        """The best curve at the checkpoints, (n,)."""
        return self.curve_of(self.best)

    def curve_of(self, j: int) -> Array:
        """Return candidate ``j`` fitted, at the checkpoints (n,)."""
        shape = self.candidates.columns[:, j] * self.amplitude[j]
        return np.asarray(shape + float(self.whiten.level(self.trajectory.y - shape)))

    @cached_property
    def low_rank(self) -> tuple[Array, Single, Single]:
        """Whitened candidates as Q (n, q), C (m, q), and their squared lengths (m,), single precision."""
        g = self.whiten(self.candidates.columns)
        size = np.einsum("nm,nm->m", g, g)
        unit = g / np.sqrt(np.maximum(size, 1e-12))
        values, vectors = np.linalg.eigh(unit @ unit.T)
        lost = np.cumsum(np.maximum(values, 0.0)) / max(float(values.sum()), 1e-300)
        q = np.ascontiguousarray(vectors[:, lost > RANK_TOLERANCE])
        return q, np.ascontiguousarray((q.T @ g).T, np.float32), np.asarray(size, np.float32)

    def against(self, z: Array, chosen: NDArray[np.int64] | None = None) -> tuple[Single, Single]:
        """Fit every candidate to several whitened series.

        Parameters
        ----------
        z : array, shape (n, B)
            Whitened series, one a column.
        chosen : array of int, shape (m,), optional
            Candidates to fit; all when None.

        Returns
        -------
        tuple of array, shape (m, B)
            Penalised residual sums of squares and coefficients, single precision.
        """
        q, c, size = self.low_rank
        extra = self.candidates.extra.astype(np.float32)
        if chosen is not None:
            c, size, extra = c[chosen], size[chosen], extra[chosen]
        product = c @ np.asarray(q.T @ z, np.float32)
        np.maximum(product, 0.0, out=product)
        b = product / np.maximum(size, np.float32(1e-9))[:, None]
        product *= b
        zz = np.asarray((z * z).sum(0), np.float32)
        np.subtract(zz + extra[:, None], product, out=product)
        return product, np.asarray(b, np.float32)


def average(y: Array, whiten: Whitener, columns: Array, rss: Array, b: Array) -> Array:
    """Return the weighted average of all plausible curves, at which the covariance is computed.

    Computed at the best curve alone, a score that is low by chance where growth begins would also count as precise, and
    intervals would miss on the late side.

    Parameters
    ----------
    y : array, shape (n,)
        The series.
    whiten : Whitener
        Whitening of the noise.
    columns : array, shape (n, m)
        Unit curves.
    rss : array, shape (m,)
        Their penalised residual sums of squares.
    b : array, shape (m,)
        Their coefficients.

    Returns
    -------
    array, shape (n,)
        The average curve.
    """
    excess = (rss - rss.min()) / spread_of(float(rss.min()), len(y))
    near = np.flatnonzero(excess < 5 * TEMPER)
    weight = np.exp(-excess[near] / TEMPER)
    shape = columns[:, near] @ (weight * b[near]) / weight.sum()
    return np.asarray(shape + float(whiten.level(y - shape)))


def tangents(
    whiten: Whitener, columns: Array, rss: Array, b: Array, width: float = 8.0, rank: int = 6, most: int = 100
) -> Array:
    """Return the directions in which the curve can still move within the likelihood region.

    Parameters
    ----------
    whiten : Whitener
        Whitening of the noise.
    columns : array, shape (n, m)
        Unit curves.
    rss : array, shape (m,)
        Their penalised residual sums of squares.
    b : array, shape (m,)
        Their coefficients.
    width : float
        Size of the region: excess residual sum of squares in units of its scale.
    rank : int
        Directions at most.
    most : int
        Curves that are used, about, evenly among those in the region.

    Returns
    -------
    array, shape (n, q)
        Directions, of length 1 when whitened.
    """
    n = len(columns)
    near = np.flatnonzero(rss - rss.min() <= width * spread_of(float(rss.min()), n))
    near = near[:: len(near) // most + 1]
    best = int(rss.argmin())
    moves = columns[:, near] * b[near] - (columns[:, best] * b[best])[:, None]
    values, vectors = np.linalg.eigh((w := whiten(moves)).T @ w)
    s = np.sqrt(np.maximum(values[::-1], 0.0))
    q = min(rank, int((s > 1e-2 * max(float(s[0]), 1e-12)).sum()), max(n - 4, 0))
    return np.asarray(moves @ vectors[:, ::-1][:, :q] / np.maximum(s[:q], 1e-12))
