"""Scores of a model's heads and layers as metrics: each head's, the means of heads of one type, and those by depth.

A metric ``components/NAME`` is a score of the cube's group ``components``; ``by=layer,head`` splits one of heads,
``by=depth`` one of layers (lens, alignment, linear probes).
``components/NAME_heads`` is its mean over the heads of that type (:mod:`~calque.phases.series.head_types`), and
``components/NAME_other_heads`` that over all others, its control.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.phases.series.head_types import GROUP, LEAST, HeadType, described, of_type
from calque.phases.series.names import WRITTEN

TIME_ORDER = "that heads take off before a score does not show that they cause it"


def names_components(names: Iterable[str]) -> bool:
    """Return whether one of the ``names`` of metrics is of this group."""
    return any(f"{GROUP}/" in name or name.startswith(f"{GROUP}.") for name in names)


def with_components(
    cube: xr.Dataset, groups: Mapping[str, xr.Dataset], names: Collection[str]
) -> tuple[xr.Dataset, tuple[HeadType, ...]]:
    """Return the cube with the scores of heads as metrics, and what its head types are.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    groups : mapping of str to xarray.Dataset
        Groups of its file.
    names : collection of str
        Names that the user gave.

    Raises
    ------
    UserError
        When there is no such group, it has other runs or checkpoints than the cube, or no head is of a type that is
        named.
    """
    if GROUP not in groups:
        raise UserError(
            "`metric` names 'components', a group that the cube lacks; write it with sweeps probe, and give the path "
            "of the file: a dataset has no groups"
        )
    group = groups[GROUP]
    runs = [str(run) for run in group["run"].values] if "run" in group.variables else []
    if runs != [str(run) for run in cube["run"].values] or group.sizes.get("checkpoint") != cube.sizes["checkpoint"]:
        raise UserError("the group 'components' has other runs or checkpoints than its cube; probe the cube again")
    new: dict[str, xr.DataArray] = {}
    types: list[HeadType] = []
    for name in scores_of_heads(group):
        new |= _metrics(group, name)
        of_name = [described(group, name, i) for i in range(len(runs))]
        types += of_name
        if f"{GROUP}/{name}_heads" in names and not any(one.heads for one in of_name):
            raise UserError(
                f"`metric` has '{GROUP}/{name}_heads', and no head is of this type: none is above its control by "
                f"{LEAST:g} at the last checkpoint; look at single heads: '{GROUP}/{name}' with `by` layer,head"
            )
    new |= {name: group[name] for name in scores_of_depth(group)}
    variables = {
        f"{GROUP}.{name}": (v.dims, v.values, {**v.attrs, WRITTEN: f"{GROUP}/{name}"}) for name, v in new.items()
    }
    labels = {dim: group[dim].values for dim in ("layer", "head", "depth") if dim in group.coords}
    return cube.assign(variables).assign_coords(labels), tuple(types)


def scores_of_heads(group: xr.Dataset) -> list[str]:
    """Return the scores of heads in a ``group``: those with the p-values and the controls that types are made of."""
    needs = ("p_adjusted", "deciding", "control")
    return [str(n) for n in group.data_vars if all(f"{n}_{need}" in group.data_vars for need in needs)]


def scores_of_depth(group: xr.Dataset) -> list[str]:
    """Return the scores of layers in a ``group``: those over depth with a control."""
    return [str(n) for n, v in group.data_vars.items() if "depth" in v.dims and f"{n}_control" in group.data_vars]


def _metrics(group: xr.Dataset, name: str) -> dict[str, xr.DataArray]:
    """Return a score of heads, its mean over those of its type, and that over all others."""
    score, found = group[name], {name: group[name]}
    chosen = xr.DataArray(
        np.stack([of_type(group, name, i) for i in range(group.sizes["run"])]), dims=("run", "layer", "head")
    )
    for kind, of, kept in (("heads", "of", chosen), ("other_heads", "not of", ~chosen)):
        about = f"{score.attrs.get('long_name', name)}: mean over heads {of} the type {name}"
        mean = score.where(kept).mean(("layer", "head"))
        found[f"{name}_{kind}"] = mean.assign_attrs({**score.attrs, "long_name": about})
    return found


def notes_of(types: Sequence[HeadType], metrics: Collection[str]) -> tuple[str, ...]:
    """Return the notes on the types that are analysed, and on what time order shows.

    Parameters
    ----------
    types : sequence of HeadType
    metrics : collection of str
        Names of the metrics that were analysed.
    """
    lines = [one.sentence() for one in types if f"{GROUP}/{one.probe}_heads" in metrics]
    return (*lines, TIME_ORDER) if lines else ()
