"""Sums over items, computed on demand: by pair of languages, by concept, by group of items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube import EXPOSURES, OVERLAPS
from calque.data.metrics import ITEM_DIMS, ITEM_LOGPROBS, METRICS, STANDARD
from calque.phases.series.axis import Array
from calque.phases.series.metric_series import item_mask, succeeded
from calque.phases.series.metrics import available

Mask = NDArray[np.bool_]
THIRDS = ("rare", "middling", "frequent")


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over items: successes and items evaluated, or log-probabilities in nats and how many have one."""

    total: Array
    n: Array

    @property
    def mean(self) -> Array:
        """The share or mean; NaN where no item was evaluated."""
        return np.where(self.n > 0, self.total / np.maximum(self.n, 1), np.nan)


class Items:
    """The item metrics of a validated cube; their items and successes are those of :mod:`calque.phases.series.metrics`.

    Nothing is copied: sums are computed from the cube's own arrays on demand, and the most recent ones are cached.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self.cube = cube
        self.metrics = tuple(m for m in STANDARD if m in available(cube) and METRICS[m].items is not None)
        self.mask = lru_cache(maxsize=4096)(self._mask)
        self.by_pair = lru_cache(maxsize=512)(self._by_pair)
        self.by_concept = lru_cache(maxsize=512)(self._by_concept)

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The item variables as (run, checkpoint, source, target, concept)."""
        names = ("translation_outcome", *ITEM_LOGPROBS)
        return {n: np.asarray(self.cube[n].transpose("run", "checkpoint", *ITEM_DIMS)) for n in names if n in self.cube}

    def labels(self, dim: str) -> list[str]:
        """Return the names along ``dim``, source, target or concept; numbers where the cube has none."""
        values = self.cube[dim].values if dim in self.cube.coords else range(self.cube.sizes[dim])
        return [str(v) for v in values]

    def _mask(self, run: int, metric: str) -> Mask:
        names = [n for n in ("translation_outcome", *ITEM_LOGPROBS, "overlap", "exposure", "source", "target")
                 if n in self.cube.variables]  # fmt: skip
        return np.asarray(item_mask(self.cube[names].isel(run=run), metric))

    def _values(self, run: int, metric: str) -> tuple[NDArray[Any], Mask]:
        """Return success or log-probability, and where it is known, (checkpoint, source, target, concept)."""
        if metric in ITEM_LOGPROBS:
            values = self.arrays[metric][run]
            return values, np.isfinite(values)
        outcome = self.arrays["translation_outcome"][run]
        asked = outcome >= 0  # NaN, where a cube keeps flags as floats, is not
        return succeeded(outcome, metric), asked

    def _by_pair(self, run: int, metric: str) -> Totals:
        """Return sums over concepts, (checkpoint, source, target)."""
        values, known = self._values(run, metric)
        keep = known & self.mask(run, metric)
        return Totals(np.where(keep, values, 0).sum(-1, dtype=float), keep.sum(-1, dtype=float))

    def _by_concept(
        self, run: int, metric: str, source: int | None = None, target: int | None = None,
        group: tuple[str, str] | None = None,
    ) -> Totals:  # fmt: skip
        """Return sums over pairs of languages, (checkpoint, concept): of all, of a source, of a target, of a group."""
        part = (slice(None), _slice(source), _slice(target))
        values, known = self._values(run, metric)
        mask = self.mask(run, metric)
        if group is not None:
            mask = mask & (self.groups(group[0]) == group[1])
        keep = known[part] & mask[part[1:]]
        total = np.where(keep, values[part], 0).sum((1, 2), dtype=float)
        return Totals(total, keep.sum((1, 2), dtype=float))

    @cached_property
    def groupings(self) -> dict[str, NDArray[np.str_]]:
        """Labels of items (source, target, concept) by every property of items or concepts that the cube holds."""
        shape = tuple(self.cube.sizes[d] for d in ITEM_DIMS)
        found: dict[str, NDArray[np.str_]] = {}
        for name, words in (("overlap", OVERLAPS), ("exposure", EXPOSURES)):
            if name in self.cube and set(map(str, self.cube[name].dims)) == set(ITEM_DIMS):
                flags = np.asarray(self.cube[name].transpose(*ITEM_DIMS), float)
                spelt = np.array(["", *words])[np.clip(np.nan_to_num(flags, nan=-1.0), -1, None).astype(int) + 1]
                found[name.replace("_", " ")] = np.char.replace(spelt, "_", " ")
        frequency = self._target_frequency()
        if frequency is not None:
            found["word frequency"] = np.broadcast_to(frequency[None], shape)
        for key, values in self.cube.variables.items():
            if values.dims == ("concept",) and key != "concept" and 1 < len(np.unique(values.values.astype(str))) <= 12:
                found[str(key).replace("_", " ")] = np.broadcast_to(values.values.astype(str), shape)
        return {name: labels for name, labels in found.items() if len(np.unique(labels[labels != ""])) > 1}

    def groups(self, grouping: str) -> NDArray[np.str_]:
        """Return the labels (source, target, concept) of the items by ``grouping``, empty where an item has none."""
        return self.groupings[grouping]

    def _target_frequency(self) -> NDArray[np.str_] | None:
        """Return the third of each target word among its language's words by frequency, (target, concept)."""
        name = "zipf_frequency"
        if name not in self.cube or set(map(str, self.cube[name].dims)) != {"language", "concept"}:
            return None
        table = self.cube[name].transpose("language", "concept")
        rows = {str(code): np.asarray(row, float) for code, row in zip(table["language"].values, table, strict=True)}
        out = np.full((self.cube.sizes["target"], self.cube.sizes["concept"]), "", dtype="<U8")
        for i, code in enumerate(self.labels("target")):
            row = rows.get(code, np.array([np.nan]))
            known = np.isfinite(row)
            if known.sum() >= 3:
                cuts = np.quantile(row[known], [1 / 3, 2 / 3])
                out[i, known] = np.array(THIRDS)[np.searchsorted(cuts, row[known], side="right")]
        return out


def _slice(position: int | None) -> slice:
    return slice(None) if position is None else slice(position, position + 1)
