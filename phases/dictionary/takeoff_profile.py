"""Least residual sums of squares of curves by the place of their takeoff, bin by bin."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calque.phases.series.axis import Array


@njit(cache=True, nogil=True)
def least_by_takeoff(
    rss: NDArray[np.float32], b: NDArray[np.float32], risen: Array, at: Array, rise: float, first: float, width: float,
    bins: int,
) -> Array:  # fmt: skip
    """Return the least residual sum of squares of the candidates whose takeoff lies in each bin.

    Takeoff is where b times the curve's running maximum reaches ``rise``.

    Parameters
    ----------
    rss : array of float32, shape (m, B)
        Residual sums of squares of m candidates on B series.
    b : array of float32, shape (m, B)
        Their coefficients.
    risen : array, shape (m, f)
        Running maximum of each unit curve at the positions ``at``.
    at : array, shape (f,)
        Positions, ln tokens, increasing.
    rise : float
        Height above the floor, in units of the score.
    first : float
        Lower edge of the first bin, ln tokens.
    width : float
        Width of a bin, in ln tokens.
    bins : int
        Number of bins; takeoffs beyond them count in the first or the last.

    Returns
    -------
    array, shape (bins + 1, B)
        The last row holds candidates that never take off; infinite where there is none.
    """
    m, n = rss.shape
    f = risen.shape[1]
    out = np.full((bins + 1, n), np.inf)
    for j in range(m):
        top = risen[j, f - 1]
        for k in range(n):
            level = rise / max(b[j, k], 1e-12)
            where = bins
            if level <= top:
                low, high = 0, f - 1
                while high - low > 1:
                    middle = (low + high) // 2
                    if risen[j, middle] >= level:
                        high = middle
                    else:
                        low = middle
                step = max(risen[j, high] - risen[j, low], 1e-12)
                w = min(max((level - risen[j, low]) / step, 0.0), 1.0)
                when = at[low] + w * (at[high] - at[low])
                where = int(min(max((when - first) / width, 0.0), bins - 1.0))
            if rss[j, k] < out[where, k]:
                out[where, k] = rss[j, k]
    return out
