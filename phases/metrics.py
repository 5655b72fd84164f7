"""From a cube to trajectories: the standard set of metrics, and any variable over (run, checkpoint, ...).

The standard metrics are means over fixed sets of items (source, target, concept) of one run:

=====================  =====================================================  ===========================
metric                 items                                                  success
=====================  =====================================================  ===========================
copying                identical words, and same-language prompts             ``translated``
nonce_copying          invented words after a same-language prompt            ``nonce_copied``
false_copying          off the diagonal, words that differ                    ``copied``
translation            off the diagonal, no token in common; where the cube   ``translated``
                       knows ``exposure``: strings never paired in training
translation_paired     the same, strings paired in training                   ``translated``
translation_logprob    the items of translation                               mean log p(target word)
copy_logprob           the items of false_copying                             mean log p(source word)
=====================  =====================================================  ===========================

``translated`` means that the answer is an accepted form of the target word, also where that equals the source word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from data.cube import OUTCOMES, OVERLAPS
from data.errors import UserError, nearest
from phases.clusters import design_effect
from phases.trajectory import Array, Trajectory

STANDARD = (
    "copying", "nonce_copying", "false_copying", "translation", "translation_paired", "translation_logprob",
    "copy_logprob",
)  # fmt: skip
SPLITS = ("run", "size", "mix", "source", "target", "pair")
LOGPROB_OF = {"translation": "translation_logprob", "false_copying": "copy_logprob"}
"""The continuous companion that a transition of a metric is checked against."""
COUNTS = {"nonce_copied": "nonce_total", "minimal_pair_correct": "minimal_pair_total"}
ITEM_DIMS = ("source", "target", "concept")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """A part of a run's items."""

    label: str
    source: int | None = None
    target: int | None = None


def trajectories(
    cube: xr.Dataset, metrics: Sequence[str] | None = None, by: Sequence[str] = ("run",)
) -> list[Trajectory]:
    """Return the trajectories of a validated cube: for every run, every group, every metric that it has.

    Raises
    ------
    UserError
        For an unknown metric or split, or when the cube holds no metric at all.
    """
    for split in by:
        if split not in SPLITS:
            raise UserError(f"--by {split}: expected some of {', '.join(SPLITS)}" + nearest(split, SPLITS))
    for name in ("size", "mix"):
        if name in by and name not in cube.variables:
            raise UserError(f"--by {name}: the cube has no run coordinate '{name}'; leave it out")
    names = chosen(cube, metrics)
    out = []
    for run in range(cube.sizes["run"]):
        one = cube.isel(run=run)
        for group in groups(one, by):
            out += list(_of_run(one, group, names))
    if metrics is not None:
        for name in names:
            if not any(t.metric == name and t.n for t in out):
                raise UserError(f"metric '{name}' has no checkpoint with a value in any run of the cube")
    return out


def chosen(cube: xr.Dataset, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names to analyse; by default the standard set, or every declared metric of a cube without items."""
    variables = analysable(cube)
    standard = available(cube)
    if metrics is None:
        if standard:
            return standard
        declared = tuple(v for v in variables if "metric_kind" in cube[v].attrs)
        if not declared:
            known = ", ".join(variables) or "none"
            raise UserError(
                f"the cube holds no item outcomes and no variable with metric_kind; name one with --metric (variables "
                f"over run and checkpoint: {known})"
            )
        return declared
    for name in metrics:
        if name not in standard and name not in variables:
            all_known = tuple(dict.fromkeys((*standard, *variables)))
            why = f"needs {_needs(name)}, which the cube lacks" if name in STANDARD else "is not in the cube"
            raise UserError(
                f"metric '{name}' {why}; it has {', '.join(all_known) or 'none'}" + nearest(name, all_known)
            )
    return tuple(dict.fromkeys(metrics))


def _needs(name: str) -> str:
    return {
        "nonce_copying": "nonce_copied and nonce_total",
        "translation_paired": "translation_outcome and exposure",
        "translation_logprob": "translation_logprob(run, checkpoint, source, target, concept)",
        "copy_logprob": "copy_logprob(run, checkpoint, source, target, concept)",
    }.get(name, "translation_outcome")


def analysable(cube: xr.Dataset) -> tuple[str, ...]:
    """Return the variables over (run, checkpoint, ...) that can be a metric."""
    skip = {"tokens", "step", "flops", "translation_outcome", "checkpoint_sha256"}
    return tuple(
        str(n)
        for n, v in cube.data_vars.items()
        if {"run", "checkpoint"} <= set(map(str, v.dims)) and v.dtype.kind in "iuf" and n not in skip
    )


def available(cube: xr.Dataset) -> tuple[str, ...]:
    """Return the standard metrics that the cube has the variables for."""
    items = "translation_outcome" in cube.variables and set(ITEM_DIMS) <= set(map(str, cube.dims))
    has = {
        "copying": items,
        "false_copying": items,
        "translation": items,
        "translation_paired": items and "exposure" in cube.variables,
        "nonce_copying": "nonce_copied" in cube.variables and "nonce_total" in cube.variables,
        "translation_logprob": "translation_logprob" in cube.variables,
        "copy_logprob": "copy_logprob" in cube.variables,
    }
    return tuple(name for name in STANDARD if has[name])


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
            t = _standard(one, run, tokens, group, name)
        elif split and not {"source", "target"} & set(map(str, one[name].dims)):
            continue
        else:
            t = variable(one, run, tokens, group, name)
        if t is not None:
            yield t


def _standard(one: xr.Dataset, run: str, tokens: Array, group: Group, name: str) -> Trajectory | None:
    if name == "nonce_copying":
        return None if group.target is not None or group.source is not None else _nonce(one, run, tokens, group)
    mask = item_mask(one, name)
    for dim, i in (("source", group.source), ("target", group.target)):
        if i is not None:
            part = xr.zeros_like(mask)
            part[{dim: i}] = mask.isel({dim: i})
            mask = part
    if not bool(mask.any()):
        return None
    chosen_items = np.asarray(mask.transpose(*ITEM_DIMS))
    concept = np.broadcast_to(np.arange(chosen_items.shape[2]), chosen_items.shape)[chosen_items]
    if name in ("translation_logprob", "copy_logprob"):
        values = np.asarray(one[name].transpose("checkpoint", *ITEM_DIMS), float)[:, chosen_items]
        return Trajectory.of_values(run, name, tokens, _mean(values), group=group.label, falls=False)
    outcome = np.asarray(one["translation_outcome"].transpose("checkpoint", *ITEM_DIMS))[:, chosen_items]
    success = outcome == OUTCOMES.index("copied" if name == "false_copying" else "translated")
    asked = outcome >= 0
    if outcome.dtype.kind == "f":
        asked &= np.isfinite(outcome)
    return Trajectory.of_counts(
        run, name, tokens, (success & asked).sum(1), asked.sum(1), group=group.label,
        design_effect=design_effect(success & asked, asked, concept),
    )  # fmt: skip


def item_mask(one: xr.Dataset, name: str) -> xr.DataArray:
    """Return which items (source, target, concept) a standard metric of one run is about."""
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
    if name == "copying":
        mask = same | identical
    elif name in ("false_copying", "copy_logprob"):
        mask = ~same & ~identical & known
    else:
        mask = ~same & none
        if "exposure" in one and (name == "translation_paired" or bool(((one["exposure"] == 0) & mask & asked).any())):
            mask = mask & (one["exposure"] == (1 if name == "translation_paired" else 0))
    return xr.broadcast(mask & asked, shape)[0].transpose(*ITEM_DIMS)


def _nonce(one: xr.Dataset, run: str, tokens: Array, group: Group) -> Trajectory | None:
    k, n = (_over_checkpoint(one[v], np.nansum) for v in ("nonce_copied", "nonce_total"))
    if not np.any(n > 0):
        return None
    return Trajectory.of_counts(run, "nonce_copying", tokens, k, n, group=group.label)


def variable(one: xr.Dataset, run: str, tokens: Array, group: Group, name: str) -> Trajectory:
    """Return the trajectory of any variable; dimensions other than checkpoint are summed (counts) or averaged."""
    values = one[name]
    trials = values.attrs.get("trials", COUNTS.get(name))
    kind = values.attrs.get("metric_kind", "count" if name in COUNTS else None)
    if kind is None and values.dtype.kind in "iu":
        raise UserError(
            f"{name} holds whole numbers without metric_kind; expected metric_kind = count with 'trials', or proportion"
        )
    if kind == "count" and trials is None:
        raise UserError(f"{name} has metric_kind 'count' but no attribute 'trials' (a variable or a number)")
    where = {d: i for d, i in (("source", group.source), ("target", group.target)) if i is not None}
    where = {d: i for d, i in where.items() if d in values.dims}
    values = values.isel(where)
    if trials is None or kind not in ("count", "proportion"):
        y = _over_checkpoint(values, _nanmean)
        return Trajectory.of_values(
            run, name, tokens, y, group=group.label, proportion=kind == "proportion",
        )  # fmt: skip
    if isinstance(trials, str) and not _number(trials):
        if trials not in one.variables:
            known = tuple(map(str, one.variables))
            raise UserError(f"{name} names its trials '{trials}', which is not in the cube" + nearest(trials, known))
        n = one[trials].isel({d: i for d, i in where.items() if d in one[trials].dims})
    else:
        n = xr.DataArray(float(trials))
    n = n.astype(float).broadcast_like(values)
    k = values.astype(float) * (n if kind == "proportion" else 1.0)
    both = k.notnull() & n.notnull() & (n > 0)
    return Trajectory.of_counts(
        run, name, tokens, _over_checkpoint(k.where(both), np.nansum), _over_checkpoint(n.where(both), np.nansum),
        group=group.label,
    )  # fmt: skip


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
