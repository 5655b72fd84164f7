"""The series of one metric of one run: over which items, and how they become counts or means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube import EXPOSURES, OUTCOMES, OVERLAPS
from calque.data.cube.variable_checks import as_number
from calque.data.cube.variables import ATTRIBUTES
from calque.data.errors import UserError, nearest
from calque.data.metrics import ITEM_DIMS, METRICS, TRIALS_OF
from calque.phases.series.clusters import design_effect
from calque.phases.series.parts import Group
from calque.phases.series.trajectory import Array, Trajectory

LONGEST_UNIT = 24


@dataclass(frozen=True, eq=False)
class MetricItems:
    """What a standard metric of one run is about: its items, and their outcomes or values at every checkpoint.

    Attributes
    ----------
    mask : array of bool, shape (source, target, concept)
        The items.
    values : array, shape (checkpoint, source, target, concept)
        Outcomes, or values of a metric that does not count them.
    """

    mask: NDArray[np.bool_]
    values: NDArray[np.generic]

    @classmethod
    def of(cls, one: xr.Dataset, name: str) -> MetricItems:
        """Return the items of a metric.

        Parameters
        ----------
        one : xarray.Dataset
            One run of a cube.
        name : str
            The metric.
        """
        counted = METRICS[name].is_count_of_items
        values = one["translation_outcome" if counted else name].transpose("checkpoint", *ITEM_DIMS)
        return cls(np.asarray(item_mask(one, name).transpose(*ITEM_DIMS)), np.asarray(values))

    def within(self, group: Group) -> MetricItems:
        """Return the items of a part of the run, with the same dimensions.

        Parameters
        ----------
        group : Group
            The part.
        """
        at = dict(group.at)
        part = tuple(slice(at[dim], at[dim] + 1) if dim in at else slice(None) for dim in ITEM_DIMS)
        return MetricItems(self.mask[part], self.values[:, *part])


def standard(
    one: xr.Dataset, run: str, tokens: Array, group: Group, name: str, items: Callable[[str], MetricItems]
) -> Trajectory | None:  # fmt: skip
    """Return the trajectory of a standard metric over a group's items; None where it has none.

    Parameters
    ----------
    one : xarray.Dataset
        One run of a cube.
    run : str
        Name of the run.
    tokens : array, shape (n,)
        Training tokens of the checkpoints.
    group : Group
        Part of its items.
    name : str
        The metric.
    items : callable
        Returns the items of a metric of the whole run.
    """
    if METRICS[name].items is None:
        return _stored_count(one, run, tokens, group, name)
    part = items(name).within(group)
    if not part.mask.any():
        return None
    values: NDArray[Any] = part.values[:, part.mask]
    if not METRICS[name].is_count_of_items:
        mean = _mean(np.asarray(values, float))
        return Trajectory.of_values(run, name, tokens, mean, group=group.label, falls=False, units=units_of(one, name))
    success = succeeded(values, name)
    asked = np.asarray(values >= 0)
    if values.dtype.kind == "f":
        asked &= np.isfinite(values)
    concept = np.broadcast_to(np.arange(part.mask.shape[2]), part.mask.shape)[part.mask]
    return Trajectory.of_counts(
        run, name, tokens, (success & asked).sum(1), asked.sum(1), group=group.label,
        design_effect=design_effect(success & asked, asked, concept),
    )  # fmt: skip


def item_mask(one: xr.Dataset, name: str) -> xr.DataArray:
    """Return which items (source, target, concept) a standard metric of one run is about.

    Parameters
    ----------
    one : xarray.Dataset
        One run of a cube.
    name : str
        A metric of items, see ``calque.data.metrics``.
    """
    rule = METRICS[name].items
    base = one["translation_outcome" if "translation_outcome" in one else name]
    shape = base.isel(checkpoint=0, drop=True).transpose(*ITEM_DIMS)
    coords = [dim in one.coords for dim in ("source", "target")]
    source = one["source"].values if all(coords) else np.arange(shape.sizes["source"])
    target = one["target"].values if all(coords) else np.arange(shape.sizes["target"])
    same = xr.DataArray(source[:, None] == target[None, :], dims=("source", "target"))
    if "overlap" in one:
        overlap = one["overlap"]
        identical, none = overlap == OVERLAPS.index("identical"), overlap == OVERLAPS.index("none")
        known = overlap >= 0
    else:
        identical, none = xr.zeros_like(shape, bool), xr.ones_like(shape, bool)
        known = none
    # a run of another corpus in the same cube has items of its own: only those it was asked decide
    asked = (base >= 0).any("checkpoint") if base.dtype.kind in "iu" else base.notnull().any("checkpoint")
    if rule == "same_word":
        mask = same | identical
    elif rule == "different_word":
        mask = ~same & ~identical & known
    else:
        mask = ~same & none
        paired = rule == "no_shared_token_paired"
        if "exposure" in one:
            entry = one["exposure"] == EXPOSURES.index("paired")
            never = (one["exposure"] >= 0) & ~entry  # lines that hold both words are no entry
            if paired or bool((never & mask & asked).any()):
                mask = mask & (entry if paired else never)
    return xr.broadcast(mask & asked, shape)[0].transpose(*ITEM_DIMS)


def succeeded(outcome: NDArray[np.generic], name: str) -> NDArray[np.bool_]:
    """Return which outcomes are successes of a metric that counts outcomes of items, in the shape of ``outcome``.

    Parameters
    ----------
    outcome : array
        Outcomes of items.
    name : str
        The metric.
    """
    success = METRICS[name].success
    assert success is not None, "only counts of items have outcomes"
    return np.asarray(outcome == OUTCOMES.index(success))


def _stored_count(one: xr.Dataset, run: str, tokens: Array, group: Group, name: str) -> Trajectory | None:
    stored = (one[v].isel(group.within(one[v].dims)) for v in METRICS[name].variables)
    k, n = (_over_checkpoint(v, np.nansum) for v in stored)
    if not np.any(n > 0):
        return None
    return Trajectory.of_counts(run, name, tokens, k, n, group=group.label)


def variable(one: xr.Dataset, run: str, tokens: Array, group: Group, name: str) -> Trajectory:
    """Return the trajectory of any variable; dimensions other than checkpoint are summed (counts) or averaged.

    Parameters
    ----------
    one : xarray.Dataset
        One run of a cube.
    run : str
        Name of the run.
    tokens : array, shape (n,)
        Training tokens of the checkpoints.
    group : Group
        Part of its items.
    name : str
        The variable.

    Raises
    ------
    UserError
        For whole numbers without a kind, and for a count without trials.
    """
    values = one[name]
    trials = values.attrs.get("trials", TRIALS_OF.get(name))
    kind = values.attrs.get("metric_kind", "count" if name in TRIALS_OF else None)
    if kind is None and values.dtype.kind in "iu":
        raise UserError(
            f"{name} holds whole numbers without metric_kind; expected metric_kind = count with 'trials', or proportion"
        )
    if kind == "count" and trials is None:
        raise UserError(f"{name} has metric_kind 'count' but no attribute 'trials' (a variable or a number)")
    values = values.isel(group.within(values.dims))
    if trials is None or kind not in ("count", "proportion"):
        y = _over_checkpoint(values, _nanmean)
        return Trajectory.of_values(
            run, name, tokens, y, group=group.label, proportion=kind == "proportion", units=units_of(one, name),
        )  # fmt: skip
    if isinstance(trials, str) and as_number(trials) is None:
        if trials not in one.variables:
            known = tuple(map(str, one.variables))
            raise UserError(f"{name} names its trials '{trials}', which is not in the cube" + nearest(trials, known))
        n = one[trials].isel(group.within(one[trials].dims))
    else:
        n = xr.DataArray(float(trials))
    n = n.astype(float).broadcast_like(values)
    k = values.astype(float) * (n if kind == "proportion" else 1.0)
    both = k.notnull() & n.notnull() & (n > 0)
    return Trajectory.of_counts(
        run, name, tokens, _over_checkpoint(k.where(both), np.nansum), _over_checkpoint(n.where(both), np.nansum),
        group=group.label,
    )  # fmt: skip


def units_of(cube: xr.Dataset, name: str) -> str:
    """Return the unit of a variable for people; empty where it has none, or one that is no short word.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or one run of it.
    name : str
        The variable.
    """
    given = str(cube[name].attrs.get("units") or ATTRIBUTES.get(name, {}).get("units", ""))
    return given if given != "1" and given.isprintable() and len(given) <= LONGEST_UNIT else ""


def _over_checkpoint(values: xr.DataArray, reduce: object) -> Array:
    flat = np.asarray(values.transpose("checkpoint", ...), float)
    flat = flat.reshape(flat.shape[0], -1)
    return np.asarray(reduce(flat, axis=1) if flat.shape[1] > 1 or reduce is np.nansum else flat[:, 0])  # type: ignore[operator]


def _nanmean(values: Array, axis: int = 1) -> Array:
    return _mean(values)


def _mean(values: Array) -> Array:
    """Return the mean over items (checkpoint, item) that have a value; NaN where none has."""
    known = np.isfinite(values)
    n = known.sum(1)
    total = np.where(known, values, 0.0).sum(1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)
