"""Fixed effects taken out of products on a grid, compiled: what remains of the residual, and the log-determinant."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from calque.phases.series.axis import Array

RIDGE = 1e-10
"""Added to the diagonal of the scaled products: directions that whitening leaves nearly dependent do not fail."""


@njit(cache=True, nogil=True)
def eliminated(products: Array) -> tuple[Array, Array]:
    """Take the fixed effects out of the products of whitened columns at every point of a grid.

    The last column is the residual y, the others the fixed effects X. By Cholesky on X'V^-1 X, scaled to a unit
    diagonal.

    Parameters
    ----------
    products : array, shape (r, s, p, p)
        Columns' V^-1 columns, symmetric and positive.

    Returns
    -------
    tuple of array, shape (r, s)
        y'V^-1 y without what X explains, at least 1e-300, and log det X'V^-1 X.
    """
    r, s, p, _ = products.shape
    q = p - 1
    rss, determinant = np.empty((r, s)), np.empty((r, s))
    size, factor = np.empty(q), np.empty((p, q))
    for a in range(r):
        for b in range(s):
            m = products[a, b]
            total = 0.0
            for i in range(q):
                size[i] = math.sqrt(m[i, i])
                total += 2 * math.log(size[i])
            left = m[q, q]
            for i in range(p):
                for j in range(min(i + 1, q)):
                    value = m[i, j] / size[j] / (size[i] if i < q else 1.0)
                    if i == j:
                        value += RIDGE
                    for k in range(j):
                        value -= factor[i, k] * factor[j, k]
                    if i > j:
                        factor[i, j] = value / factor[j, j]
                    else:
                        factor[i, i] = math.sqrt(max(value, RIDGE))
                        total += 2 * math.log(factor[i, i])
            for j in range(q):
                left -= factor[q, j] * factor[q, j]
            rss[a, b], determinant[a, b] = max(left, 1e-300), total
    return rss, determinant
