"""Products of many whitened curves with many whitened series, through the few directions that the curves span."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phases.axis import Array
from phases.whitening import Whitener

Single = NDArray[np.float32]
RANK_TOLERANCE = 1e-5
"""Share of the curves' squares that may be lost to low rank."""


class Products:
    """Curves as unit vectors of the whitened space, without the constant; flat ones are zero."""

    def __init__(self, columns: Array, whiten: Whitener) -> None:
        g = np.asarray(whiten(columns), np.float32)
        size = np.sqrt(np.einsum("nm,nm->m", g, g))
        g /= np.where(size > 1e-6, size, np.float32(np.inf))
        values, vectors = np.linalg.eigh(np.asarray(g @ g.T, float))
        lost = np.cumsum(np.maximum(values, 0.0)) / max(float(values.sum()), 1e-300)
        self.q = np.ascontiguousarray(vectors[:, lost > RANK_TOLERANCE])
        self.c = np.ascontiguousarray(g.T @ self.q.astype(np.float32))

    def scores(self, z: Array) -> Single:
        """Return the products of every curve with whitened series (n, B): (m, B)."""
        return np.asarray(self.c @ np.asarray(self.q.T @ z, np.float32))

    def of(self, m: int) -> Products:
        """Return the same for the first ``m`` curves alone."""
        part = object.__new__(Products)
        part.q, part.c = self.q, self.c[:m]
        return part
