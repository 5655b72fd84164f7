r"""Outliers of a series: values far from the median of their neighbours (Hampel 1974).

With :math:`m_t` the median of the values up to two places to either side of t, and :math:`d_t = |y_t - m_t| / u_t` the
deviation in units of the noise where that is known, value t is an outlier when

.. math:: d_t > 7 \, \max(1.4826 \, \mathrm{median}_s \, d_s, \; l),

1.4826 times the median absolute deviation being the standard deviation of normal noise, and l the least that a
standard deviation is taken to be.

Source: Hampel, The influence curve and its role in robust estimation, JASA 69 (1974).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HALF = 2
"""Neighbours on either side."""
LIMIT = 7.0
"""Robust standard deviations from which a value is an outlier."""
NORMAL = 1.4826
"""Standard deviation of normal noise over its median absolute deviation."""


def running_median(y: Array, *, symmetric: bool = False) -> Array:
    """Return the median of each value and its neighbours.

    Parameters
    ----------
    y : array, shape (n,)
        Values in their order, none NaN.
    symmetric : bool
        How windows shrink towards the ends: as many neighbours on both sides, so that the first and the last value
        are their own median; by default each side has as many as there are, at most ``HALF``.

    Returns
    -------
    array, shape (n,)
    """
    n = len(y)
    out = np.empty(n)
    for i in range(n):
        before, after = min(HALF, i), min(HALF, n - 1 - i)
        if symmetric:
            before = after = min(before, after)
        out[i] = np.median(y[i - before : i + after + 1])
    return out


def outlying(deviation: Array, least: float) -> NDArray[np.bool_]:
    """Return which deviations are those of outliers, by the formula of the module.

    Parameters
    ----------
    deviation : array, shape (n,)
        :math:`d_t`: absolute deviations from the running median, in any unit.
    least : float
        Least robust standard deviation, in the same unit: most deviations of a series without noise are 0.

    Returns
    -------
    array of bool, shape (n,)
    """
    return np.asarray(deviation > LIMIT * max(NORMAL * float(np.median(deviation)), least))
