"""The compiled integral over ln A: evidence, mean and SD of the level of a law for many shapes of it at once.

For each point of a grid of shapes, the log likelihoods of the runs, tabulated over their expected log time, are added
along ln A and summed by the trapezoid rule: over the range that no run excludes first, then over where the sum lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calque.scaling.laws.time_likelihood import TimeLikelihoods

Array = NDArray[np.float64]
ENTRIES = 400
REACH = 7.5
"""Standard deviations beyond the times that a run does not exclude."""
COARSE, FINE = 64, 48
NEGLIGIBLE = 20.0
"""Log units below its summit at which the likelihood along ln A counts as 0."""
HOPELESS = 30.0
"""Log units below the best shape so far at which the summit of another is not looked at again."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """ln L of m runs over their expected log time, for S values of sigma.

    Attributes
    ----------
    values : array, shape (S, m, ENTRIES)
        At evenly spaced expected log times.
    start, step : array, shape (S, m)
        Of those.
    open_low, open_high : array of bool, shape (m,)
        Whether any earlier or later time is as likely as the first or the last entry.
    """

    values: Array
    start: Array
    step: Array
    open_low: NDArray[np.bool_]
    open_high: NDArray[np.bool_]

    @classmethod
    def of(cls, likelihoods: TimeLikelihoods, sigmas: Array) -> Tables:
        """Tabulate.

        Parameters
        ----------
        likelihoods : TimeLikelihoods
            Of m runs.
        sigmas : array, shape (S,)
            SDs between runs.
        """
        known = np.isfinite(likelihoods.log_a)
        bounded = np.isfinite(likelihoods.log_w)
        lows = [np.where(known, likelihoods.middle, np.inf), np.where(known, likelihoods.middle, -np.inf)]
        ends = [
            np.where(bounded & np.isfinite(end), end, fill)
            for fill in (np.inf, -np.inf)
            for end in (likelihoods.low, likelihoods.high)
        ]
        first = np.minimum.reduce([a.min(1, initial=np.inf) for a in (lows[0], *ends[:2])])
        last = np.maximum.reduce([a.max(1, initial=-np.inf) for a in (lows[1], *ends[2:])])
        widest = np.where(known, likelihoods.sd, 0.0).max(1, initial=0.0)
        reach = REACH * np.sqrt(widest**2 + sigmas[:, None] ** 2)
        start, end = first - reach, last + reach
        step = (end - start) / (ENTRIES - 1)
        at = start[..., None] + step[..., None] * np.arange(ENTRIES)
        values = likelihoods.log_density(np.moveaxis(at, 2, 1), sigmas[:, None, None])
        return cls(
            values=np.ascontiguousarray(np.moveaxis(values, 1, 2)), start=start, step=step,
            open_low=np.asarray((bounded & np.isneginf(likelihoods.low)).any(1)),
            open_high=np.asarray((bounded & np.isposinf(likelihoods.high)).any(1)),
        )  # fmt: skip


def level_sums(tables: Tables, shape: Array, sigma: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Return the log of the integral of the likelihood over ln A, and mean and SD of ln A under it.

    Parameters
    ----------
    tables : Tables
        Of m runs.
    shape : array, shape (k, m)
        Expected log time of every run minus ln A, for each of k shapes.
    sigma : array of int, shape (k,)
        Which of the tables' sigmas.

    Returns
    -------
    tuple of array, shape (k,)
        ``-inf``, 0 and 0 where the runs exclude one another.
    """
    return _sums(
        tables.values, tables.start, tables.step, tables.open_low, tables.open_high, np.ascontiguousarray(shape), sigma
    )


@njit(cache=True)
def _sums(
    values: Array, start: Array, step: Array, open_low: NDArray[np.bool_], open_high: NDArray[np.bool_], shape: Array,
    sigma: NDArray[np.int64],
) -> tuple[Array, Array, Array]:  # fmt: skip
    rows, m = shape.shape
    entries = values.shape[2]
    log_sum = np.full(rows, -np.inf)
    mean, sd = np.zeros(rows), np.zeros(rows)
    height, best = np.empty(COARSE), -np.inf
    for r in range(rows):
        s = sigma[r]
        low, high = -np.inf, np.inf
        for i in range(m):
            if not open_low[i]:
                low = max(low, start[s, i] - shape[r, i])
            if not open_high[i]:
                high = min(high, start[s, i] + step[s, i] * (entries - 1) - shape[r, i])
        if not low < high:
            continue
        for once in range(2):
            points = COARSE if once == 0 else FINE
            top = -np.inf
            for k in range(points):
                a = low + (high - low) * k / (points - 1)
                total = 0.0
                for i in range(m):
                    place = (a + shape[r, i] - start[s, i]) / step[s, i]
                    j = min(max(int(place), 0), entries - 2)
                    w = min(max(place - j, 0.0), 1.0)
                    total += (1.0 - w) * values[s, i, j] + w * values[s, i, j + 1]
                height[k] = total
                top = max(top, total)
            if once == 0:
                best = max(best, top)
                if top < best - HOPELESS:
                    break
                first, last = points, -1
                for k in range(points):
                    if height[k] > top - NEGLIGIBLE:
                        first, last = min(first, k), k
                width = (high - low) / (points - 1)
                low, high = low + width * max(first - 1, 0), low + width * min(last + 1, points - 1)
        if top < best - HOPELESS:
            continue
        total, one, two = 0.0, 0.0, 0.0
        for k in range(FINE):
            weight = np.exp(height[k] - top)
            place = k / (FINE - 1)
            total += weight
            one += weight * place
            two += weight * place * place
        one /= total
        log_sum[r] = top + np.log(total * (high - low) / (FINE - 1))
        mean[r] = low + (high - low) * one
        sd[r] = (high - low) * np.sqrt(max(two / total - one * one, 0.0))
    return log_sum, mean, sd
