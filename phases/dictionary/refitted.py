r"""Replicates refitted by every candidate at once, and what it takes to cover the truth on both sides.

Replicates around a generating curve are its whitened values c plus the noise E. With :math:`G^\top E` at hand, shared
by all generating curves, :math:`G^\top(c + E)` costs one product with a vector, and everything that is asked of the
residual sums of squares is read off in one pass over the candidates, storing none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.location import calibrated_cut
from calque.phases.noise.products import Single
from calque.phases.series.axis import Array

NEVER = np.float32(-1e30)
TOUCHING = 1e-9
"""Positions and heights nearer than this are the same: such a candidate counts on both sides."""


@dataclass(frozen=True)
class Threshold:
    """A functional that moves with the amplitude of a replicate: where ``reached`` (m,) times it passes ``rise``."""

    rise: float
    reached: Array


@dataclass(frozen=True, eq=False)
class Refitted:
    """The candidates of a fit, or some of them, against simulated noise.

    Attributes
    ----------
    errors : array, shape (n, B)
        Whitened, without the constant.
    q, c, size, extra : array
        Whitened candidates C Q' with their squared lengths and penalties, single precision.
    product : array, shape (m, B)
        Of the candidates with the noise.
    """

    fit: Fit
    errors: Array
    q: Array
    c: Single
    size: Single
    extra: Single
    product: Single

    @classmethod
    def of(cls, fit: Fit, errors: Array) -> Refitted:
        """Prepare all candidates of a fit."""
        q, c, size = fit.low_rank
        product = c @ np.asarray(q.T @ errors, np.float32)
        return cls(fit, errors, q, c, size, np.asarray(fit.candidates.extra, np.float32), product)

    def among(self, chosen: NDArray[np.intp]) -> Refitted:
        """Return the same for some of the candidates.

        Parameters
        ----------
        chosen : array of int
            Indices of the candidates.

        Returns
        -------
        Refitted
            These candidates with the same noise.
        """
        c, size, extra, product = (array[chosen] for array in (self.c, self.size, self.extra, self.product))
        return Refitted(self.fit, self.errors, self.q, c, size, extra, product)

    def cuts(
        self, generating: int, places: Mapping[str, tuple[Array, float]], level: float,
        heights: Mapping[str, Threshold] = MappingProxyType({}),
    ) -> dict[str, float]:  # fmt: skip
        """Return the cut of each functional that covers ``generating``'s in the share ``level`` of its replicates.

        Parameters
        ----------
        generating : int
            Candidate of the fit around which replicates lie.
        places : mapping of str to (array of shape (m,), float)
            A functional of every candidate, and its true value.
        heights : mapping of str to Threshold, optional
            Functionals that depend on a replicate's own amplitudes.
        """
        fit = self.fit
        whitened = fit.whiten(fit.candidates.columns[:, generating] * fit.amplitude[generating])
        shift = self.c @ np.asarray(self.q.T @ whitened, np.float32)
        before, after = np.empty((2, len(places), len(self.size)), bool)
        for i, (x, truth) in enumerate(places.values()):
            before[i], after[i] = x <= truth + TOUCHING, x >= truth - TOUCHING
        best, left, right = _gains(self.product, shift, self.size, self.extra, before, after)
        sides = {name: (left[i], right[i]) for i, name in enumerate(places)}
        for name, t in heights.items():
            sides[name] = _gains_by_height(self.product, shift, self.size, self.extra, t.reached, t.rise)
        along = whitened @ self.errors
        square = np.einsum("nb,nb->b", self.errors, self.errors)
        total = square + 2 * along + whitened @ whitened
        # the generating curve itself has its own functional, whatever the candidates at hand
        itself = total - square - fit.candidates.extra[generating]
        out = {}
        for name, (one, two) in sides.items():
            need = best - np.maximum(np.minimum(one, two), itself)
            out[name] = calibrated_cut(fit.trajectory.n, total - best, need, level)
        return out


@njit(cache=True, nogil=True)
def _gains(
    product: Single, shift: Single, size: Single, extra: Single, before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> tuple[Single, Single, Single]:
    """Return the largest drop of the residual sum of squares (B,) over candidates, and over those on either side.

    ``before`` and ``after`` are (functionals, m); the sides are (functionals, B).
    """
    m, n = product.shape
    f = len(before)
    best = np.full(n, NEVER)
    left, right = np.full((f, n), NEVER), np.full((f, n), NEVER)
    gain = np.empty(n, np.float32)
    for j in range(m):
        inverse = np.float32(1.0) / max(size[j], np.float32(1e-9))
        for k in range(n):
            p = max(product[j, k] + shift[j], np.float32(0.0))
            gain[k] = p * p * inverse - extra[j]
            best[k] = max(best[k], gain[k])
        for i in range(f):
            if before[i, j]:
                for k in range(n):
                    left[i, k] = max(left[i, k], gain[k])
            if after[i, j]:
                for k in range(n):
                    right[i, k] = max(right[i, k], gain[k])
    return best, left, right


@njit(cache=True, nogil=True)
def _gains_by_height(
    product: Single, shift: Single, size: Single, extra: Single, reached: Array, rise: float
) -> tuple[Single, Single]:
    """Return the largest drops (B,) among candidates whose height at a position is ``rise`` or more, and or less.

    ``reached`` (m,) is the height of each unit curve there.
    """
    m, n = product.shape
    left, right = np.full(n, NEVER), np.full(n, NEVER)
    for j in range(m):
        inverse = np.float32(1.0) / max(size[j], np.float32(1e-9))
        # a candidate reaches the rise when its product with the series is this large
        least = np.float32(rise / max(reached[j], 1e-12)) / inverse
        for k in range(n):
            p = max(product[j, k] + shift[j], np.float32(0.0))
            gain = p * p * inverse - extra[j]
            left[k] = max(left[k], gain if p >= least else NEVER)
            right[k] = max(right[k], gain if p <= least else NEVER)
    return left, right
