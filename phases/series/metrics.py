"""From a cube to trajectories: the standard set of metrics, and any variable over (run, checkpoint, ...).

The standard metrics, their items and what counts as success are those of ``calque.data.metrics``. ``translated`` means
that the answer is an accepted form of the target word, also where that equals the source word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from calque.data.errors import UserError, nearest
from calque.data.metrics import ITEM_DIMS, METRICS, STANDARD
from calque.phases.series.metric_series import Group, standard, variable
from calque.phases.series.names import by_written_names, written_name
from calque.phases.series.trajectory import Trajectory

SPLITS = ("run", "size", "mix", "source", "target", "pair")


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
        How to split: run (always), size, mix, source, target, pair.

    Raises
    ------
    UserError
        For an unknown metric or split, or when the cube holds no metric at all.
    """
    for split in by:
        if split not in SPLITS:
            raise UserError(f"`by` has '{split}'; expected some of {', '.join(SPLITS)}" + nearest(split, SPLITS))
    for name in ("size", "mix"):
        if name in by and name not in cube.variables:
            raise UserError(f"`by` has '{name}'; the cube has no run coordinate '{name}'; leave it out")
    names = chosen(cube, metrics)
    cube = by_written_names(cube)
    out = []
    for run in range(cube.sizes["run"]):
        one = cube.isel(run=run)
        for group in groups(one, by):
            out += list(_of_run(one, group, names))
    if metrics is not None:
        for name in names:
            if not any(t.metric == name and t.n for t in out):
                raise UserError(f"metric '{name}' has no checkpoint with a value in any run of the cube{_unsplit(by)}")
    if not out:
        raise UserError(f"the cube has no series to analyse{_unsplit(by)}")
    return out


def _unsplit(by: Sequence[str]) -> str:
    """Return the remedy where metrics may lack the dimensions that ``by`` asks for."""
    apart = [split for split in by if split in ("source", "target", "pair")]
    return f" that is split by {' and '.join(apart)}; leave it out of `by`" if apart else ""


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
            raise UserError(f"metric '{name}' {why}; it has {_listed(all_known)}" + nearest(name, all_known))
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
    skip = {"tokens", "step", "flops", "translation_outcome", "checkpoint_sha256"}
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


def groups(one: xr.Dataset, by: Sequence[str]) -> list[Group]:
    """Return the parts of one run that ``by`` asks for."""
    prefix = [f"{name}={one[name].item()}" for name in ("size", "mix") if name in by]
    sources: list[int | None] = [None]
    targets: list[int | None] = [None]
    if {"source", "pair"} & set(by):
        sources = list(range(one.sizes.get("source", 0)))
    if {"target", "pair"} & set(by):
        targets = list(range(one.sizes.get("target", 0)))
    out = []
    for s in sources:
        for t in targets:
            label = list(prefix)
            if s is not None:
                label.append(f"source={_label(one, 'source', s)}")
            if t is not None:
                label.append(f"target={_label(one, 'target', t)}")
            out.append(Group(" ".join(label), s, t))
    return out


def _label(one: xr.Dataset, dim: str, i: int) -> str:
    return str(one[dim].values[i]) if dim in one.coords else str(i)


def _of_run(one: xr.Dataset, group: Group, names: Sequence[str]) -> Iterator[Trajectory]:
    run = str(one["run"].item())
    tokens = np.asarray(one["tokens"], float)
    split = group.source is not None or group.target is not None
    for name in names:
        if name in STANDARD and name in available(one):
            t = standard(one, run, tokens, group, name)
        elif split and not {"source", "target"} & set(map(str, one[name].dims)):
            continue
        else:
            t = variable(one, run, tokens, group, name)
        if t is not None:
            yield t
