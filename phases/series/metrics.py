"""From a cube to trajectories: the standard set of metrics, and any variable over (run, checkpoint, ...).

The standard metrics, their items and what counts as success are those of ``calque.data.metrics``. ``translated`` means
that the answer is an accepted form of the target word, also where that equals the source word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
import xarray as xr

from calque.data.errors import UserError, nearest, shown
from calque.data.metrics import ITEM_DIMS, METRICS, STANDARD
from calque.phases.series.metric_series import MetricItems, standard, variable
from calque.phases.series.names import by_written_names, written_name
from calque.phases.series.parts import Group, checked, dims_of, groups
from calque.phases.series.trajectory import Trajectory


def trajectories(
    cube: xr.Dataset, metrics: Sequence[str] | None = None, by: Sequence[str] = ("run",)
) -> list[Trajectory]:
    """Return the trajectories of a validated cube: for every run, every group, every metric that it has.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str, optional
        Names of metrics or variables; the standard set when None.
    by : sequence of str
        How to split: run (always), pair, a property of runs such as size, or a dimension such as source. A metric that
        lacks a dimension is left out.

    Raises
    ------
    UserError
        For an unknown metric or split, or when the cube holds no metric at all.
    """
    properties, along = splitting(cube, by)
    names = chosen(cube, metrics)
    cube = by_written_names(cube)
    split = tuple(name for name in names if set(along) <= set(dims_of(cube, name)))
    out = []
    for run in range(cube.sizes["run"]):
        one = cube.isel(run=run)
        items = cache(partial(MetricItems.of, one))
        for group in groups(one, properties, along):
            out += list(_of_run(one, group, split, items))
    if metrics is not None:
        for name in names:
            if not any(t.metric == name and t.n for t in out):
                why = f"has no checkpoint with a value in any run of the cube{_unsplit(cube, along)}"
                raise UserError(f"`metric` has {shown(name)}, which {why}")
    if not out:
        raise UserError(f"the cube has no series to analyse{_unsplit(cube, along)}")
    return out


def splitting(cube: xr.Dataset, by: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the properties of runs and the dimensions that ``by`` names.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    by : sequence of str
        How to split.

    Raises
    ------
    UserError
        For a name that is no property of runs and no dimension of a metric.
    """
    cube = by_written_names(cube)
    return checked(cube, by, (*available(cube), *analysable(cube)))


def left_whole(cube: xr.Dataset, metrics: Sequence[str] | None, along: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that would be analysed but lack a dimension that runs are split by.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str, optional
        Names of metrics or variables; the standard set when None.
    along : sequence of str
        Dimensions that runs are split by.
    """
    names, cube = chosen(cube, metrics), by_written_names(cube)
    return tuple(name for name in names if not set(along) <= set(dims_of(cube, name)))


def _unsplit(cube: xr.Dataset, along: Sequence[str]) -> str:
    """Return the remedy where metrics lack the dimensions that runs are split by."""
    if not along:
        return ""
    having = [n for n in (*available(cube), *analysable(cube)) if set(along) <= set(dims_of(cube, n))]
    name = f" or name one that has it with `metric` ({_listed(having)})" if having else ""
    return f" that is split by {' and '.join(along)}; leave it out of `by`{name}"


def chosen(cube: xr.Dataset, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names to analyse, as they were written; by default the standard set, or every declared metric.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str, optional
        Names that the user gave.

    Raises
    ------
    UserError
        For a name that the cube does not have, or a cube without any metric.
    """
    metrics = None if metrics is None else [written_name(cube, name) for name in metrics]
    cube = by_written_names(cube)
    variables = analysable(cube)
    standard = available(cube)
    if metrics is None:
        if standard:
            return standard
        declared = tuple(v for v in variables if "metric_kind" in cube[v].attrs)
        if not declared:
            known = _listed(variables)
            raise UserError(
                f"the cube holds no item outcomes and no variable with metric_kind; name one with `metric` (variables "
                f"over run and checkpoint: {known})"
            )
        return declared
    for name in metrics:
        if name not in standard and name not in variables:
            all_known = tuple(dict.fromkeys((*standard, *variables)))
            why = (
                f"needs {' and '.join(METRICS[name].variables)}, which the cube lacks"
                if name in STANDARD
                else "is not in the cube"
            )
            parts = [part.strip() for part in name.split(",")]
            joined = len(parts) > 1 and set(parts) <= set(all_known)
            hint = f"; give `metric` once for each of {', '.join(parts)}" if joined else nearest(name, all_known)
            raise UserError(f"`metric` has {shown(name)}, which {why}; it has {_listed(all_known)}{hint}")
    return tuple(dict.fromkeys(metrics))


def _listed(names: Sequence[str]) -> str:
    """Return names for a message: the first eight, and how many more there are."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more or "none"


def analysable(cube: xr.Dataset) -> tuple[str, ...]:
    """Return the variables over (run, checkpoint, ...) that can be a metric.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or one run of it.
    """
    trials = {str(v.attrs["trials"]) for v in cube.data_vars.values() if isinstance(v.attrs.get("trials"), str)}
    skip = {"tokens", "step", "flops", "loss_tokens", "translation_outcome", "checkpoint_sha256", *trials}
    return tuple(
        str(n)
        for n, v in cube.data_vars.items()
        if {"run", "checkpoint"} <= set(map(str, v.dims)) and v.dtype.kind in "iuf" and n not in skip
    )


def available(cube: xr.Dataset) -> tuple[str, ...]:
    """Return the standard metrics that the cube has the variables for."""
    has_items = set(ITEM_DIMS) <= set(map(str, cube.dims))
    return tuple(
        name
        for name in STANDARD
        if set(METRICS[name].variables) <= set(map(str, cube.variables)) and (METRICS[name].items is None or has_items)
    )


def _of_run(
    one: xr.Dataset, group: Group, names: Sequence[str], items: Callable[[str], MetricItems]
) -> Iterator[Trajectory]:  # fmt: skip
    run = str(one["run"].item())
    tokens = np.asarray(one["tokens"], float)
    for name in names:
        if name in STANDARD and name in available(one):
            t = standard(one, run, tokens, group, name, items)
        else:
            t = variable(one, run, tokens, group, name)
        if t is not None:
            yield replace(t, part=group.names)
