"""Scores of many heads: intervals over clusters of prompts, matched controls, and the false-discovery rate."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from calque.data.errors import UserError

ROUNDING = 1e-6
"""Spread below this part of the largest score is rounding: it makes no discovery."""


def head_statistics(
    scores: ArrayLike, controls: ArrayLike, clusters: Sequence[Hashable] | None = None, *, level: float = 0.95
) -> xr.Dataset:
    """Return the mean score of each head with its interval, its control, and whether it is above that.

    The unit is the cluster: interval and one-sided test are those of Student's t over the means of clusters, the test
    that of the paired difference from the control. P-values are adjusted over all heads by Benjamini and Yekutieli
    (2001), which holds under any dependence.

    Parameters
    ----------
    scores, controls : array, shape (layers, prompts, heads)
    clusters : sequence, optional
        Of each prompt, what it shares with others, such as its concept; None: every prompt stands alone.
    level : float
        Of the intervals.

    Returns
    -------
    xarray.Dataset
        As :func:`head_table` makes it.

    Raises
    ------
    UserError
        When shapes differ or there are less than two clusters.
    """
    values, matched = np.asarray(scores, float), np.asarray(controls, float)
    if values.ndim != 3 or values.shape != matched.shape:
        raise UserError(
            f"`scores` and `controls` have shapes {values.shape} and {matched.shape}; expected (layers, prompts, heads)"
        )
    means, matched = _by_cluster(values, clusters), _by_cluster(matched, clusters)
    count, floor = len(means), ROUNDING * np.abs(means).max()
    difference = means - matched
    t = difference.mean(0) / np.maximum(_error(difference, floor), np.finfo(float).tiny)
    mean, low, high = _interval(means, level)
    return head_table(mean, low, high, matched.mean(0), stats.t.sf(t, count - 1), level)


def against_random_heads(
    scores: ArrayLike, random_scores: ArrayLike, clusters: Sequence[Hashable] | None = None, *, level: float = 0.95
) -> xr.Dataset:
    """Return the mean score of each head with its interval, that of its random heads, and whether it is above theirs.

    The p-value is the share of random heads, of all heads together, whose score is as high; the head itself is counted.
    Where each head is exchangeable with its own random heads, the share of heads with p below any alpha is alpha on
    average; it is small enough for many heads with few draws of each.

    Parameters
    ----------
    scores : array, shape (layers, prompts, heads)
    random_scores : array, shape (draws, layers, prompts, heads)
        Of random heads of each head, on the same prompts.
    clusters : sequence, optional
        As in :func:`head_statistics`.
    level : float
        Of the intervals.

    Returns
    -------
    xarray.Dataset
        As :func:`head_table` makes it.

    Raises
    ------
    UserError
        When shapes differ or there are less than two clusters.
    """
    values, random = np.asarray(scores, float), np.asarray(random_scores, float)
    if values.ndim != 3 or random.shape[1:] != values.shape or not len(random):
        raise UserError(
            f"`scores` and `random_scores` have shapes {values.shape} and {random.shape}; expected (layers, prompts, "
            "heads) and (draws, layers, prompts, heads)"
        )
    mean, low, high = _interval(_by_cluster(values, clusters), level)
    random = np.stack([_by_cluster(draw, clusters).mean(0) for draw in random])
    null = np.sort(random.ravel())
    above = len(null) - np.searchsorted(null, mean - ROUNDING * np.abs(null).max())
    return head_table(mean, low, high, random.mean(0), (1 + above) / (1 + len(null)), level)


def _by_cluster(values: NDArray[np.float64], clusters: Sequence[Hashable] | None) -> NDArray[np.float64]:
    """Return means of (layers, prompts, heads) over the prompts of each cluster, shape (clusters, layers, heads)."""
    groups = list(range(values.shape[1])) if clusters is None else list(clusters)
    if len(groups) != values.shape[1] or len(set(groups)) < 2:
        raise UserError(
            f"`clusters` has {len(groups)} entries, {len(set(groups))} different, for {values.shape[1]} prompts; "
            "expected one a prompt and two different ones at least"
        )
    codes = pd.factorize(np.array(groups, dtype=object))[0]
    return np.stack([values[:, codes == c].mean(1) for c in range(codes.max() + 1)])


def _interval(means: NDArray[np.float64], level: float) -> tuple[NDArray[np.float64], ...]:
    """Return the mean over clusters and the ends of Student's interval."""
    mean = means.mean(0)
    half = _error(means, 0.0) * stats.t.ppf((1 + level) / 2, len(means) - 1)
    return mean, mean - half, mean + half


def _error(values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Return the standard error of means over the first axis."""
    error: NDArray[np.float64] = np.maximum(values.std(0, ddof=1), floor) / np.sqrt(len(values))
    return error


def head_table(
    score: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], control: NDArray[np.float64],
    p_value: NDArray[np.float64], level: float,
) -> xr.Dataset:  # fmt: skip
    """Return a dataset over (layer, head) with adjusted p-values beside what is given, each (layers, heads).

    Parameters
    ----------
    score : array
    low, high : array
        Ends of the interval.
    control : array
        The mean of the matched control.
    p_value : array
        That the score is not above the control.
    level : float
        Of the interval.
    """
    adjusted = stats.false_discovery_control(p_value.ravel(), method="by").reshape(p_value.shape)
    named = {
        "score": score, "low": low, "high": high, "control": control, "p_value": p_value, "p_adjusted": adjusted,
    }  # fmt: skip
    found = xr.Dataset({name: (("layer", "head"), value) for name, value in named.items()}, attrs={"level": level})
    return found.assign_coords(layer=np.arange(score.shape[0]), head=np.arange(score.shape[1]))


def parted_statistics(
    scores: ArrayLike, controls: ArrayLike, clusters: Sequence[int], *, level: float = 0.95
) -> xr.Dataset:
    """Return what half of the clusters decide of each head, every other one, and the score that the others measure.

    Parameters
    ----------
    scores, controls : array, shape (layers, prompts, heads)
    clusters : sequence of int
        Of each prompt, what it shares with others, such as its concept.
    level : float
        Of the intervals.

    Returns
    -------
    xarray.Dataset
        As :func:`head_table` makes it: ``score``, ``low`` and ``high`` of the prompts that measure, the rest of those
        that decide; ``deciding``, their score.

    Raises
    ------
    UserError
        When shapes differ or a side has less than two clusters.
    """
    values, matched, of = np.asarray(scores, float), np.asarray(controls, float), np.asarray(clusters)
    deciding = np.isin(of, np.unique(of)[::2])
    judged, found = (
        head_statistics(values[:, side], matched[:, side], of[side].tolist(), level=level)
        for side in (deciding, ~deciding)
    )
    return judged.assign({"deciding": judged["score"], **{name: found[name] for name in ("score", "low", "high")}})
