"""Cubes of single runs joined along ``run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube.variables import missing_value
from calque.data.errors import UserError


def concat(cubes: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join cubes of single runs (or of several) along ``run``; coordinates are united, absences are missing.

    Variables without ``run`` (``overlap``, ``exposure``) stay so while all runs that hold an item agree on it, and get
    the dimension ``run`` otherwise.

    Raises
    ------
    UserError
        When no cube is given or a run occurs twice.
    """
    if not cubes:
        raise UserError("there is no run to collect yet; start the study first")
    runs = [str(run) for cube in cubes for run in cube["run"].values]
    twice = sorted({run for run in runs if runs.count(run) > 1})
    if twice:
        raise UserError(f"run '{twice[0]}' occurs twice; expected every run once: rename or drop one")
    cubes = [cube.assign_coords(checkpoint=np.arange(cube.sizes["checkpoint"])) for cube in cubes]
    cubes = _with_all_run_coordinates(cubes)
    static = {str(n) for c in cubes for n, v in c.data_vars.items() if "run" not in v.dims}
    moving = [c.drop_vars([n for n in static if n in c.variables]) for c in cubes]
    names = {str(n) for c in cubes for n, v in c.variables.items() if n in c.data_vars or "checkpoint" in v.dims}
    joined = xr.concat(
        moving, "run", join="outer", data_vars="all", coords="different", compat="equals",
        fill_value={n: _fill(n, cubes) for n in names}, combine_attrs="drop_conflicts",
    )  # fmt: skip
    for name in sorted(static):
        joined[name] = _join_static(name, [c for c in cubes if name in c.variables], joined)
    return joined


def _with_all_run_coordinates(cubes: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return cubes that have every coordinate over ``run`` that one of them has; unknown ones are empty or NaN."""
    kinds = {str(n): c.dtype.kind for cube in cubes for n, c in cube.coords.items() if c.dims == ("run",)}
    del kinds["run"]
    out = []
    for cube in cubes:
        n = cube.sizes["run"]
        missing = {name: kind for name, kind in kinds.items() if name not in cube.variables}
        unknown = {
            name: np.full(n, np.nan) if kind in "iufb" else np.full(n, "", object) for name, kind in missing.items()
        }
        out.append(cube.assign_coords({name: ("run", values) for name, values in unknown.items()}))
    return out


def _fill(name: str, cubes: Sequence[xr.Dataset]) -> Any:
    return missing_value(name, next((c[name].dtype.kind for c in cubes if name in c.variables), "f"))


def _join_static(name: str, cubes: Sequence[xr.Dataset], joined: xr.Dataset) -> xr.DataArray:
    parts = [cube[name] for cube in cubes]
    fill = _fill(name, cubes)
    distinct = list({_key(part): part for part in reversed(parts)}.values())[::-1]  # a thousand runs mostly agree
    united = _united(distinct, fill, joined)
    if united is not None:
        return united.astype(parts[0].dtype).assign_attrs(parts[0].attrs)
    spread = [
        part.reindex(_indexers(part, joined), fill_value=fill).expand_dims(run=cube["run"].values)
        for part, cube in zip(parts, cubes, strict=True)
    ]
    return xr.concat(spread, "run").reindex(run=joined["run"], fill_value=fill)


def _united(parts: Sequence[xr.DataArray], fill: Any, joined: xr.Dataset) -> xr.DataArray | None:
    """Return the parts as one, each item as all parts that hold it have it; None where two disagree."""
    united: xr.DataArray | None = None
    for part in parts:
        part = part.reindex(_indexers(part, joined), fill_value=fill)
        if united is None:
            united = part.copy()
            continue
        known, here = _known(united, fill), _known(part, fill)
        if bool(((united != part) & known & here).any()):
            return None
        united = united.where(known, part)
    return united


def _indexers(part: xr.DataArray, joined: xr.Dataset) -> dict[Any, xr.DataArray]:
    return {dim: joined[dim] for dim in part.dims if dim in joined.indexes}


def _key(part: xr.DataArray) -> tuple[Any, ...]:
    """Return what two parts share that are equal in every value and label."""
    values = [(str(name), part.coords[name].values) for name in sorted(part.coords, key=str)]
    return part.dims, *((name, _bytes(found)) for name, found in [("", part.values), *values])


def _bytes(values: np.ndarray) -> bytes:
    text = values.dtype.str.encode()
    return text + (repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes())


def _known(part: xr.DataArray, fill: Any) -> xr.DataArray:
    return part.notnull() if part.dtype.kind == "f" else part != fill


def concat_groups(
    cubes: Sequence[xr.Dataset], groups: Sequence[Mapping[str, xr.Dataset]], joined: xr.Dataset
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Join the groups of cubes, such as ``timing``, along ``run``.

    Parameters
    ----------
    cubes : sequence of xarray.Dataset
        The root of every cube.
    groups : sequence of mapping of str to xarray.Dataset
        The groups of every cube, by name.
    joined : xarray.Dataset
        The cubes joined.

    Returns
    -------
    groups : dict of str to xarray.Dataset
        With the runs and checkpoints of ``joined``.
    left_out : list of str
        Names of groups whose runs or checkpoints are not those of their cubes.
    """
    united, left_out = {}, []
    for name in dict.fromkeys(name for one in groups for name in one):
        found = [(cube, one[name]) for cube, one in zip(cubes, groups, strict=True) if name in one]
        fits = all(part.sizes.get(dim, cube.sizes[dim]) == cube.sizes[dim]
                   for cube, part in found for dim in ("run", "checkpoint"))  # fmt: skip
        if not fits or (len(cubes) > 1 and not all("run" in part.dims for _, part in found)):
            left_out.append(name)
        elif len(cubes) == 1:
            part = found[0][1]
            united[name] = part.assign_coords(run=joined["run"].values) if "run" in part.dims else part
        else:
            parts = [as_long(part.assign_coords(run=cube["run"].values), joined) for cube, part in found]
            fill = {n: _fill(n, parts) for n in dict.fromkeys(str(n) for part in parts for n in part.data_vars)}
            whole = xr.concat(
                parts, "run", join="outer", data_vars="all", combine_attrs="drop_conflicts", fill_value=fill
            )
            united[name] = whole.reindex(run=joined["run"].values, fill_value=fill)
    return united, left_out


def as_long(group: xr.Dataset, cube: xr.Dataset) -> xr.Dataset:
    """Return a group with as many checkpoints as its cube."""
    if "checkpoint" not in group.dims:
        return group
    numbered = group.assign_coords(checkpoint=np.arange(group.sizes["checkpoint"]))
    fill = {str(name): missing_value(str(name), v.dtype.kind) for name, v in group.data_vars.items()}
    return numbered.reindex(checkpoint=np.arange(cube.sizes["checkpoint"]), fill_value=fill)
