"""Order of the words: every concept's share over training, and the acquisition times of its items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calque.data.errors import UserError
from calque.data.metrics import ITEM_COUNTS
from calque.phases.explore.study import Study
from calque.phases.series.axis import Array

ASKED = ITEM_COUNTS
"""Metrics whose items have acquisition times."""


def shares(study: Study, runs: Sequence[str], metric: str) -> tuple[Array, Array]:
    """Return each concept's share of successes over training, over the items of all runs.

    Parameters
    ----------
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        A metric of items.

    Returns
    -------
    tokens : array, shape (n,)
        Checkpoints of the longest run; other runs are taken at their last checkpoint up to each.
    shares : array, shape (n, concept)
        Between 0 and 1, or a mean log-probability; NaN where no item was evaluated.
    """
    each = [study.tokens(run) for run in runs]
    places = max(each, key=lambda tokens: float(np.nanmax(tokens)))
    places = places[np.isfinite(places)]
    total = np.zeros((len(places), study.cube.sizes["concept"]))
    n = np.zeros_like(total)
    for run, tokens in zip(runs, each, strict=True):
        one = study.items.by_concept(study.position(run), metric)
        at = np.searchsorted(tokens[np.isfinite(tokens)], places * (1 + 1e-9), side="right") - 1
        total += np.where(at[:, None] >= 0, one.total[at], 0)
        n += np.where(at[:, None] >= 0, one.n[at], 0)
    return places, np.where(n > 0, total / np.maximum(n, 1), np.nan)


def concept_table(study: Study, runs: Sequence[str], metric: str) -> pd.DataFrame:
    """Return a table with one row a concept, sorted by acquisition.

    ``half by``: tokens by which half of its items (pairs of languages in each run) were acquired, that is, answered
    correctly at three checkpoints in a row; ``half after``: tokens up to which fewer were. Infinite where half never
    were.

    Parameters
    ----------
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        One of ``ASKED``.

    Raises
    ------
    UserError
        When the runs have no such item.
    """
    at = [study.position(run) for run in runs]
    times = [study.items.times(i, metric) for i in at if study.items.mask(i, metric).any()]
    if not times:
        raise UserError(f"none of the chosen runs has an item of {study.shown(metric)}; choose other runs")
    frame = pd.DataFrame({
        name: np.concatenate([getattr(one, name) for one in times]) for name in ("concept", "low", "high")
    })  # fmt: skip
    frame["acquired"] = np.isfinite(frame["high"])
    grouped = frame.groupby("concept")
    out = grouped.agg(items=("high", "size"), acquired=("acquired", "mean")).reset_index()
    # "higher" keeps an infinite time infinite, where a mean of two middle ones would be no time of any item
    out["half by"] = grouped["high"].quantile(0.5, interpolation="higher").to_numpy()
    out["half after"] = grouped["low"].quantile(0.5, interpolation="higher").to_numpy()
    out["position"] = out["concept"]
    labels = study.items.labels("concept")
    out["concept"] = [labels[i] for i in out["position"]]
    cube = study.cube
    if "zipf_frequency" in cube and set(map(str, cube["zipf_frequency"].dims)) == {"language", "concept"}:
        values = np.asarray(cube["zipf_frequency"].transpose("language", "concept"), float)
        known = np.isfinite(values)
        mean = np.where(known.any(0), np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1), np.nan)
        out["word frequency (zipf)"] = mean[out["position"]]
    return out.sort_values(["half by", "acquired"], ascending=[True, False], kind="stable").reset_index(drop=True)
