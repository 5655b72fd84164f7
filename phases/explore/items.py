"""Sums over items, computed on demand: by pair of languages, by concept, by group of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube import EXPOSURES, IN_FILE, OVERLAPS
from calque.data.metrics import ITEM_DIMS, ITEM_LOGPROBS, METRICS, STANDARD
from calque.phases.acquisition.times import ItemTimes, item_times
from calque.phases.explore.kept import Kept
from calque.phases.series.axis import Array
from calque.phases.series.metric_series import item_mask, succeeded
from calque.phases.series.metrics import available

Mask = NDArray[np.bool_]
THIRDS = ("rare", "middling", "frequent")
LASTING = 3
"""Correct answers in a row by which an item is acquired."""
MEBIBYTE = 1 << 20
FEWEST = 16
WORDS = ("overlap", "exposure")
"""Variables of the words and of what training paired that decide which items a metric is about."""
FEW_AT_ONCE, MOST_AT_ONCE = 24 * MEBIBYTE, 384 * MEBIBYTE
"""Runs are read in blocks of the first size; in larger ones, up to the second, where a file keeps them together."""


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

    The cube may be one that is read as it is looked at: its items are read in blocks of runs, as they are stored, and
    what is kept of them and of their sums has a bound.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self.cube = cube
        self.metrics = tuple(m for m in STANDARD if m in available(cube) and METRICS[m].items is not None)
        dims = {"run", "checkpoint", *ITEM_DIMS}
        names = ("translation_outcome", *ITEM_LOGPROBS)
        self.stored = tuple(n for n in names if n in cube and dims <= set(map(str, cube[n].dims)))
        self._blocks: Kept[NDArray[Any]] = Kept(128 * MEBIBYTE, lambda block: block.nbytes)
        self._sums: Kept[Totals] = Kept(128 * MEBIBYTE, lambda sums: sums.total.nbytes + sums.n.nbytes)
        self._masks: Kept[Mask] = Kept(64 * MEBIBYTE, lambda mask: mask.nbytes)
        self._patterns: Kept[Mask] = Kept(16 * MEBIBYTE, lambda mask: mask.nbytes)
        self._times: Kept[ItemTimes] = Kept(64 * MEBIBYTE, lambda times: 6 * times.high.nbytes)

    def values(self, name: str, run: int) -> NDArray[Any]:
        """Return a variable of items of one run, (checkpoint, source, target, concept).

        Parameters
        ----------
        name : str
            One of ``stored``.
        run : int
            Position of the run.
        """
        variable = self.cube[name]
        together = self._stored_together(variable)
        start = run - run % together

        def read() -> NDArray[Any]:
            part = variable.isel(run=slice(start, start + together))
            return np.asarray(part.transpose("run", "checkpoint", *ITEM_DIMS))

        return np.asarray(self._blocks.get((name, start), read)[run - start])

    @cached_property
    def together(self) -> int:
        """How many runs are best asked for together, variable by variable."""
        return max([FEWEST, *(self._stored_together(self.cube[name]) for name in self.stored)])

    def _stored_together(self, variable: xr.DataArray) -> int:
        """Return how many runs are read at once: what the file keeps in one chunk, and several small chunks."""
        chunks = variable.encoding.get("chunksizes")
        if not variable.encoding.get(IN_FILE) or chunks is None or len(chunks) != variable.ndim:
            return 1
        runs, size = int(chunks[variable.dims.index("run")]), variable.nbytes // max(1, variable.sizes["run"])
        if runs * size > MOST_AT_ONCE:
            return 1
        return runs * max(1, FEW_AT_ONCE // max(1, size * runs))

    def loaded(self, run: int, stored: Sequence[str] | None = None) -> xr.Dataset:
        """Return the cube of one run alone, with its items in memory.

        Parameters
        ----------
        run : int
            Position of the run.
        stored : sequence of str, optional
            Variables of items that are wanted; all when None.
        """
        names = self.stored if stored is None else stored
        one = self.cube.drop_vars([n for n in self.stored if n not in names]).isel(run=[run])
        dims = ("run", "checkpoint", *ITEM_DIMS)
        return one.assign({n: (dims, self.values(n, run)[None], one[n].attrs) for n in names})

    def mask(self, run: int, metric: str) -> Mask:
        """Return which items (source, target, concept) a metric of one run is about.

        Parameters
        ----------
        run : int
            Position of the run.
        metric : str
            A metric of items.
        """

        def of_block() -> Mask:
            # of all runs that are read with this one: the values of a metric would take the place of their outcomes
            decides = self._decides(metric)
            together = self._stored_together(self.cube[decides])
            start = run - run % together
            for other in range(start, min(start + together, self.cube.sizes["run"])):
                if other != run:
                    self._masks.get((other, metric), partial(self._mask, other, metric))
            return self._mask(run, metric)

        return self._masks.get((run, metric), of_block)

    def by_pair(self, run: int, metric: str) -> Totals:
        """Return sums over concepts, (checkpoint, source, target).

        Parameters
        ----------
        run : int
            Position of the run.
        metric : str
            A metric of items.
        """
        return self._sums.get(("pair", run, metric), lambda: self._by_pair(run, metric))

    def by_concept(
        self, run: int, metric: str, source: int | None = None, target: int | None = None,
        group: tuple[str, str] | None = None,
    ) -> Totals:  # fmt: skip
        """Return sums over pairs of languages, (checkpoint, concept): of all, of a source, of a target, of a group.

        Parameters
        ----------
        run : int
            Position of the run.
        metric : str
            A metric of items.
        source, target : int, optional
            Positions of languages.
        group : (grouping, label), optional
            Of :attr:`groupings`.
        """
        key = (run, metric, source, target, group)
        return self._sums.get(key, lambda: self._by_concept(run, metric, source, target, group))

    def times(self, run: int, metric: str) -> ItemTimes:
        """Return when the items of a metric of one run were lastingly acquired.

        Parameters
        ----------
        run : int
            Position of the run.
        metric : str
            A count of items.

        Raises
        ------
        UserError
            When the run has no such item.
        """
        return self._times.get(
            (run, metric), lambda: item_times(self.loaded(run, ["translation_outcome"]), metric, LASTING)
        )

    def labels(self, dim: str) -> list[str]:
        """Return the names along ``dim``, source, target or concept; numbers where the cube has none."""
        values = self.cube[dim].values if dim in self.cube.coords else range(self.cube.sizes[dim])
        return [str(v) for v in values]

    def _mask(self, run: int, metric: str) -> Mask:
        decides = self._decides(metric)
        base = self.values(decides, run)
        asked = (np.isfinite(base) if base.dtype.kind == "f" else base >= 0).any(0)
        # runs that were asked the same have the same items, unless their words differ
        whose = run if any("run" in self.cube[n].dims for n in WORDS if n in self.cube) else None
        return self._patterns.get((metric, asked.tobytes(), whose), lambda: self._mask_of(run, metric, decides))

    def _mask_of(self, run: int, metric: str, decides: str) -> Mask:
        names = [n for n in (decides, *WORDS, "source", "target") if n in self.cube.variables]
        return np.asarray(item_mask(self.loaded(run, [decides])[names].isel(run=0), metric))

    def _decides(self, metric: str) -> str:
        """Return the variable that decides which items a metric is about."""
        return "translation_outcome" if "translation_outcome" in self.stored else metric

    def _values(self, run: int, metric: str, part: tuple[slice, ...] = ()) -> tuple[NDArray[Any], Mask]:
        """Return success or log-probability of a part, and where it is known, (checkpoint, source, target, concept)."""
        if metric in ITEM_LOGPROBS:
            values = self.values(metric, run)[part]
            return values, np.isfinite(values)
        outcome = self.values("translation_outcome", run)[part]
        asked = outcome >= 0  # NaN, where a cube keeps flags as floats, is not
        return succeeded(outcome, metric), asked

    def _by_pair(self, run: int, metric: str) -> Totals:
        values, known = self._values(run, metric)
        keep = known & self.mask(run, metric)
        return Totals(_total(values, keep, -1), keep.sum(-1, dtype=float))

    def _by_concept(
        self, run: int, metric: str, source: int | None, target: int | None, group: tuple[str, str] | None
    ) -> Totals:
        part = (slice(None), _slice(source), _slice(target))
        values, known = self._values(run, metric, part)
        mask = self.mask(run, metric)[part[1:]]
        if group is not None:
            mask = mask & (self.groups(group[0])[part[1:]] == group[1])
        keep = known & mask
        return Totals(_total(values, keep, (1, 2)), keep.sum((1, 2), dtype=float))

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


def _total(values: NDArray[Any], keep: Mask, axes: int | tuple[int, int]) -> Array:
    """Return sums of what is kept; of counts without a copy of eight bytes an item."""
    if values.dtype == bool:
        return np.asarray((values & keep).sum(axes, dtype=float))
    return np.asarray(np.where(keep, values, 0).sum(axes, dtype=float))


def _slice(position: int | None) -> slice:
    return slice(None) if position is None else slice(position, position + 1)
