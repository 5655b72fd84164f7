"""Products of many whitened curves with many whitened series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array

Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Products:
    """Curves as unit vectors of the whitened space, without the constant; flat ones are zero.

    Attributes
    ----------
    units : array of float32, shape (m, n)
        One curve a row.
    """

    units: Single

    @classmethod
    def of(cls, columns: Array, whiten: Whitener) -> Products:
        """Build from curves (n, m) and the whitening of their noise.

        Parameters
        ----------
        columns : array, shape (n, m)
            Curves at the checkpoints.
        whiten : Whitener
            Of the noise of the series.
        """
        g = np.asarray(whiten(columns), np.float32)
        size = np.sqrt(np.einsum("nm,nm->m", g, g))
        g /= np.where(size > 1e-6, size, np.float32(np.inf))
        return cls(np.ascontiguousarray(g.T))

    def scores(self, z: Array) -> Single:
        """Return the products of every curve with whitened series (n, B): (m, B).

        Parameters
        ----------
        z : array, shape (n, B)
            Whitened series.
        """
        return np.asarray(self.units @ np.asarray(z, np.float32))

    def first(self, m: int) -> Products:
        """Return the same for the first ``m`` curves alone."""
        return Products(self.units[:m])


@njit(cache=True, nogil=True)
def largest(product: Single, shift: Single) -> Single:
    """Return the largest of ``product`` (m, B) + ``shift`` (m,), and of 0, over the curves: (B,)."""
    m, n = product.shape
    out = np.zeros(n, np.float32)
    for j in range(m):
        for k in range(n):
            out[k] = max(out[k], product[j, k] + shift[j])
    return out
