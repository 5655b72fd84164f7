"""Acquisition times of items: each lies between the last wrong answer and the first lasting correct one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube import NOT_ASKED
from calque.data.errors import UserError, nearest
from calque.data.metrics import ITEM_COUNTS, ITEM_DIMS, METRICS
from calque.phases.series.metric_series import item_mask, succeeded
from calque.phases.stats.jackknife import Array

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ItemTimes:
    """Items of one or more runs with the interval, in tokens, that contains each acquisition.

    ``low`` is 0 for an item that was acquired at its first checkpoint, ``high`` infinite for one never acquired.
    ``run``, ``source``, ``target`` and ``concept`` are positions along the cube's dimensions.
    """

    run: Index
    source: Index
    target: Index
    concept: Index
    low: Array
    high: Array

    def __len__(self) -> int:
        return len(self.low)

    def where(self, keep: Mask) -> ItemTimes:
        """Return the items marked in ``keep``."""
        return ItemTimes(*(getattr(self, f)[keep] for f in ("run", "source", "target", "concept", "low", "high")))

    @property
    def right(self) -> Mask:
        """Which items were never lastingly acquired."""
        return np.isposinf(self.high)

    @property
    def left(self) -> Mask:
        """Which items were acquired at their first checkpoint."""
        return (self.low <= 0) & ~self.right


def acquired(hit: Mask, tokens: Array, lasting: int) -> tuple[Array, Array]:
    """Return the ends of the interval that contains each item's acquisition.

    Parameters
    ----------
    hit : array of bool, shape (n, items)
        Whether the item was answered correctly at each checkpoint at which it was evaluated.
    tokens : array, shape (n,)
        Positions of the checkpoints, ascending.
    lasting : int
        A hit lasts when it and the next ``lasting`` - 1 are hits. With fewer hits at the end of the run the item is
        right-censored at its last miss.

    Returns
    -------
    low, high : array, shape (items,)
        Last miss before, and first of, the first lasting hits; 0 and infinity where there is none.
    """
    n, items = hit.shape
    lasts = np.zeros_like(hit)
    if n >= lasting:
        lasts[: n - lasting + 1] = np.lib.stride_tricks.sliding_window_view(hit, lasting, axis=0).all(-1)
    reached = lasts.any(0)
    first = lasts.argmax(0)
    before = np.concatenate([[0.0], tokens])
    # before[i] is the checkpoint ahead of i: a miss, or the run of hits would have begun there
    last_miss = n - np.where((~hit).any(0), (~hit)[::-1].argmax(0), n)
    low = np.where(reached, before[first], before[last_miss]) if n else np.zeros(items)
    high = np.where(reached, tokens[np.minimum(first, n - 1)], np.inf) if n else np.full(items, np.inf)
    return low, high


def item_times(cube: xr.Dataset, metric: str, lasting: int, every_item: bool = False) -> ItemTimes:
    """Return the acquisition times of a metric's items in every run of a validated cube.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metric : str
        One of ``ITEM_COUNTS``; its items and what counts as a hit are those of :mod:`calque.data.metrics`.
    lasting : int
        See :func:`acquired`.
    every_item : bool
        Take all items with two different languages, including words that share tokens or are identical.

    Raises
    ------
    UserError
        When the cube holds no item outcomes, or none of these items.
    """
    if metric not in ITEM_COUNTS:
        raise UserError(
            f"`metric` is '{metric}'; expected one of {', '.join(ITEM_COUNTS)}" + nearest(metric, ITEM_COUNTS)
        )
    if lasting < 1:
        raise UserError(f"`lasting` is {lasting}; expected 1 or more hits in a row")
    dims = {"run", "checkpoint", *ITEM_DIMS}
    if "translation_outcome" not in cube.variables or not dims <= set(map(str, cube["translation_outcome"].dims)):
        raise UserError(
            "the cube holds no translation_outcome(run, checkpoint, source, target, concept): acquisition times need "
            "outcomes of single items; 'phases detect' takes rates"
        )
    lacking = [name for name in METRICS[metric].variables if name not in cube.variables]
    if lacking:
        raise UserError(f"{metric} needs the variable {lacking[0]}, which the cube lacks; use translation")
    parts = []
    for r in range(cube.sizes["run"]):
        one = cube.isel(run=r)
        mask = np.asarray(item_mask(one, "false_copying" if every_item else metric))
        if every_item:
            mask = mask | _off_diagonal_identical(one)
        where = np.nonzero(mask)
        outcome = np.asarray(one["translation_outcome"].transpose("checkpoint", *ITEM_DIMS))[:, mask]
        tokens = np.asarray(one["tokens"], float)
        present = np.isfinite(tokens)
        low, high, known = _intervals(outcome[present], tokens[present], metric, lasting)
        source, target, concept = (w[known].astype(np.int64) for w in where)
        run = np.full(len(source), r, np.int64)
        parts.append(ItemTimes(run, source, target, concept, low[known], high[known]))
    out = ItemTimes(*(np.concatenate([getattr(p, f) for p in parts]) for f in ItemTimes.__dataclass_fields__))
    if not len(out):
        raise UserError(f"no run has an item of {metric}; see the variables translation_outcome and overlap")
    return out


def _off_diagonal_identical(one: xr.Dataset) -> Mask:
    """Identical words in two languages: items of copying that are not same-language prompts."""
    mask = np.asarray(item_mask(one, "copying"))
    if "source" in one.coords and "target" in one.coords:
        same = np.asarray(one["source"])[:, None] == np.asarray(one["target"])[None, :]
    else:
        same = np.eye(*mask.shape[:2], dtype=bool)
    return mask & ~same[..., None]


def _intervals(outcome: NDArray[np.generic], tokens: Array, metric: str, lasting: int) -> tuple[Array, Array, Mask]:
    """Return ends of the intervals, and which items were evaluated; each item has its own checkpoints."""
    asked = np.asarray(outcome, float) > NOT_ASKED + 0.5
    hit = succeeded(outcome, metric)
    items = outcome.shape[1]
    low, high = np.zeros(items), np.full(items, np.inf)
    if items:
        patterns, of = np.unique(asked, axis=1, return_inverse=True)
        for k in range(patterns.shape[1]):
            mine, when = np.ravel(of) == k, patterns[:, k]
            low[mine], high[mine] = acquired(hit[np.ix_(when, mine)], tokens[when], lasting)
    return low, high, np.asarray(asked.any(0))
