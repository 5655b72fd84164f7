"""Means over items with Student's interval; items that are missing are left out."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


def mean_interval(values: Array, level: float) -> tuple[Array, Array, Array]:
    """Return the mean over the last axis, and the ends of its interval; NaN with less than two items.

    Parameters
    ----------
    values : array, shape (..., items)
        NaN where an item is missing.
    level : float
        Of the interval.
    """
    count = np.isfinite(values).sum(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing, which are NaN
        mean, spread = np.nanmean(values, -1), np.nanstd(values, -1, ddof=1)
        half = spread / np.sqrt(count) * stats.t.ppf((1 + level) / 2, count - 1)
    return mean, mean - half, mean + half
