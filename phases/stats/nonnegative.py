r"""Non-negative least squares for many series at once, compiled: the active set on the normal equations.

Source: Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23. Where :func:`scipy.optimize.nnls` solves
one right-hand side a call, a thousand replicates share their products here.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
RIDGE = 1e-10
"""Relative to columns of length 1: neighbours in a cone are nearly parallel."""


def coefficients(columns: Array, z: Array) -> tuple[Array, Array]:
    """Return x (k, B) >= 0 that minimises |z - columns x|, and by how much that reduces z'z (B,).

    ``columns`` is (n, k), ``z`` (n, B).
    """
    size = np.sqrt(np.einsum("nk,nk->k", columns, columns))
    size = np.where(size > 1e-12, size, np.inf)
    unit = columns / size
    x, drop = _solve(unit.T @ unit + RIDGE * np.eye(len(size)), np.ascontiguousarray((unit.T @ z).T))
    return x.T / size[:, None], drop


@njit(cache=True, nogil=True)
def _solve(gram: Array, linear: Array) -> tuple[Array, Array]:
    """Minimise x'Gx/2 - c'x over x >= 0 for each row c of ``linear`` (B, k); return x (B, k) and c'x (B,)."""
    m, k = linear.shape
    out, drop = np.zeros((m, k)), np.zeros(m)
    passive = np.zeros(k, np.int64)
    lower, s = np.empty((k, k)), np.empty(k)
    for b in range(m):
        c, x = linear[b], out[b]
        tolerance = 1e-9 * max(1.0, np.abs(c).max())
        held = 0
        for _ in range(3 * k):
            best, at = tolerance, -1
            for j in range(k):
                if x[j] > 0:
                    continue
                w = c[j]
                for h in range(held):
                    w -= gram[j, passive[h]] * x[passive[h]]
                if w > best:
                    best, at = w, j
            if at < 0:
                break
            passive[held] = at
            held += 1
            first = True
            while held > 0:
                _cholesky_solve(gram, c, passive, held, lower, s)
                if first and s[held - 1] <= 0:
                    held -= 1  # rounding alone let it in
                    at = -1
                    break
                first = False
                alpha = 1.0
                for h in range(held):
                    if s[h] <= 0:
                        now = x[passive[h]]
                        alpha = min(alpha, now / (now - s[h]))
                if alpha >= 1.0:
                    for h in range(held):
                        x[passive[h]] = s[h]
                    break
                kept = 0
                for h in range(held):
                    j = passive[h]
                    value = x[j] + alpha * (s[h] - x[j])
                    if s[h] <= 0 and value <= 1e-14:
                        x[j] = 0.0
                    else:
                        x[j] = value
                        passive[kept] = j
                        kept += 1
                held = kept
            if at < 0:
                break
        for j in range(k):
            drop[b] += c[j] * x[j]
    return out, drop


@njit(cache=True, nogil=True)
def _cholesky_solve(gram: Array, c: Array, passive: NDArray[np.int64], p: int, lower: Array, s: Array) -> None:
    """Solve the system of the passive columns into s[:p]."""
    for i in range(p):
        for j in range(i + 1):
            v = gram[passive[i], passive[j]]
            for h in range(j):
                v -= lower[i, h] * lower[j, h]
            lower[i, j] = math.sqrt(max(v, 1e-14)) if i == j else v / lower[j, j]
    for i in range(p):
        v = c[passive[i]]
        for h in range(i):
            v -= lower[i, h] * s[h]
        s[i] = v / lower[i, i]
    for i in range(p - 1, -1, -1):
        v = s[i]
        for h in range(i + 1, p):
            v -= lower[h, i] * s[h]
        s[i] = v / lower[i, i]
