"""Changes of a cube that lose nothing: runs renamed, coordinates added, flagged checkpoints left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube.variables import CHECKPOINT_FLAGS, missing_value
from calque.data.errors import UserError, escaped, nearest

NAME = re.compile(r"[^\W\d]\w{0,60}")
NOT_COORDINATES = ("run", "checkpoint", "language", "source", "target", "concept", "phenomenon", "tokens", "step")


def rename_runs(cube: xr.Dataset, names: Mapping[str, str]) -> xr.Dataset:
    """Return the cube with runs renamed.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or a group of one, with a coordinate ``run``.
    names : mapping of str to str
        New name by old one; the others stay.

    Raises
    ------
    UserError
        When an old name is no run, a new one is empty, or two runs would have one name.
    """
    runs = [str(run) for run in cube["run"].values]
    for old, new in names.items():
        if old not in runs:
            raise UserError(f"`rename` names run '{old}'; the cube has {', '.join(runs[:6])}" + nearest(old, runs))
        if not new.strip():
            raise UserError(f"`rename` gives run '{old}' an empty name; expected a name")
    renamed = [names.get(run, run) for run in runs]
    twice = next((run for run in renamed if renamed.count(run) > 1), None)
    if twice is not None:
        raise UserError(f"`rename` gives two runs the name '{twice}'; expected every name once")
    return cube.assign_coords(run=("run", renamed, cube["run"].attrs))


def with_run_coordinate(cube: xr.Dataset, name: str, values: Mapping[str, object]) -> xr.Dataset:
    """Return the cube with one value for each run under ``name``; numbers become numbers, all else text.

    Parameters
    ----------
    cube : xarray.Dataset
        With a coordinate ``run``.
    name : str
        Such as ``size``, ``mix``, ``seed``; a coordinate of that name is replaced.
    values : mapping of str to object
        By run; every run has one.

    Raises
    ------
    UserError
        When the name is taken by something else, or a run has no value.
    """
    taken = cube.variables.get(name)
    if name in NOT_COORDINATES or not NAME.fullmatch(name) or (taken is not None and taken.dims != ("run",)):
        word = escaped(name[:40])
        raise UserError(
            f"`coord` is '{word}', which no coordinate of runs can be called; expected letters, digits, _, such as seed"
        )
    runs = [str(run) for run in cube["run"].values]
    missing = [run for run in runs if run not in values]
    if missing:
        raise UserError(f"coordinate {name} has no value for run '{missing[0]}'; expected one for every run")
    return cube.assign_coords({name: ("run", as_numbers([values[run] for run in runs]))})


def as_numbers(values: Sequence[object]) -> NDArray[np.generic]:
    """Return values as whole numbers or floats where all of them are, and as text otherwise."""
    words = [str(value).strip() for value in values]
    for kind in (np.int64, np.float64):
        try:
            found = np.array([kind(word) for word in words])
        except (ValueError, OverflowError):
            continue
        if np.isfinite(found).all() and not any("_" in word for word in words):
            return found
    return np.array(words, object)


def flagged(cube: xr.Dataset, flags: Sequence[str]) -> NDArray[np.bool_]:
    """Return which checkpoints carry one of the flags.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube of r runs and n checkpoints; without ``checkpoint_flags`` nothing is flagged.
    flags : sequence of str
        Some of ``duplicate_weights``, ``outlier``, ``not_finite``.

    Returns
    -------
    array of bool, shape (r, n)

    Raises
    ------
    UserError
        For a flag that is none.
    """
    for flag in flags:
        if flag not in CHECKPOINT_FLAGS:
            known = ", ".join(CHECKPOINT_FLAGS)
            raise UserError(f"`drop` is '{flag}'; expected one of {known}" + nearest(flag, CHECKPOINT_FLAGS))
    shape = (cube.sizes["run"], cube.sizes["checkpoint"])
    if "checkpoint_flags" not in cube:
        return np.zeros(shape, bool)
    masks = np.nan_to_num(cube["checkpoint_flags"].transpose("run", "checkpoint").values).astype(int)
    wanted = sum(1 << CHECKPOINT_FLAGS.index(flag) for flag in set(flags))
    return (masks & wanted) > 0


def without_checkpoints(cube: xr.Dataset, left_out: NDArray[np.bool_]) -> xr.Dataset:
    """Return the cube without some checkpoints of each run; the later ones move up.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or a group of one.
    left_out : array of bool, shape (run, checkpoint)
        What is left out.
    """
    if not left_out.any() or "checkpoint" not in cube.dims:
        return cube
    along = [str(name) for name, c in cube.coords.items() if "checkpoint" in c.dims and name != "checkpoint"]
    data = cube.drop_vars("checkpoint", errors="ignore").reset_coords(along)
    order = np.argsort(left_out, axis=1, kind="stable")
    gone = np.take_along_axis(left_out, order, axis=1)
    keep = int((~left_out).sum(1).max())
    moving = [name for name, variable in data.data_vars.items() if "checkpoint" in variable.dims]
    runs = []
    for i in range(data.sizes["run"]):
        one = data[moving].isel(run=[i], checkpoint=order[i, :keep])
        present = xr.DataArray(~gone[i, :keep], dims="checkpoint")
        for name in moving if not bool(present.all()) else ():
            one[name] = one[name].where(present, missing_value(str(name), one[name].dtype.kind))
        runs.append(one)
    joined = xr.concat(runs, "run", data_vars="all", combine_attrs="override", join="override")
    out = data.drop_vars(moving).merge(joined, compat="override")[list(data.data_vars)].set_coords(along)
    if "checkpoint" in cube.coords:
        out = out.assign_coords(checkpoint=("checkpoint", np.arange(keep), cube["checkpoint"].attrs))
    return out.assign_attrs(cube.attrs)


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return a short name for every path: the part in which they differ, or the file's name without its ending.

    Parameters
    ----------
    paths : sequence of Path
        ``a/results.nc`` and ``b/results.nc`` are called ``a`` and ``b``.

    Raises
    ------
    UserError
        When one path is given twice.
    """
    parts = [[*path.resolve().parent.parts[1:], path.stem] for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            while len(names) > 1 and len({name.rpartition("/")[2] for name in names}) == 1 and "/" in names[0]:
                names = [name.rpartition("/")[0] for name in names]
            return names
    raise UserError(f"{paths[0]} is given twice; expected every cube once")
