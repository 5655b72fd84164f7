"""Means over items with Student's interval; items that are missing are left out."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calque.models.components.head_statistics import ROUNDING

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


def lower_p_value(values: Array, size: Array) -> Array:
    """Return the one-sided p-value of Student's t that the mean over the last axis is not below 0.

    NaN with less than two items.

    Parameters
    ----------
    values : array, shape (..., items)
        NaN where an item is missing.
    size : array, broadcast with shape (...)
        Of the numbers that ``values`` are differences of: a spread below a millionth of it is rounding.
    """
    count = np.isfinite(values).sum(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, spread = np.nanmean(values, -1), np.nanstd(values, -1, ddof=1)
        error = np.maximum(np.maximum(spread, ROUNDING * size), np.finfo(float).tiny) / np.sqrt(count)
        return np.asarray(np.where(count > 1, stats.t.cdf(mean / error, count - 1), np.nan))


def adjusted_p_values(p_values: Array) -> Array:
    """Return p-values adjusted over all axes but the last (Benjamini and Yekutieli 2001); NaN stays.

    Parameters
    ----------
    p_values : array, shape (..., measures)
    """
    found = np.full_like(p_values, np.nan)
    for m in range(p_values.shape[-1]):
        there = np.isfinite(p_values[..., m])
        if there.any():
            found[..., m][there] = stats.false_discovery_control(p_values[..., m][there], method="by")
    return found
