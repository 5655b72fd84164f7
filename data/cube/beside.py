"""Cubes beside each other: joined along their runs, which keep in the coordinate ``cube`` where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from calque.data.cube.editing import distinct_names, rename_runs
from calque.data.cube.file import read_with_groups
from calque.data.cube.joining import concat, concat_groups

CUBE = "cube"
"""The coordinate of runs that says which cube they are of."""


def read_beside(paths: Sequence[Path], groups: Sequence[str]) -> tuple[xr.Dataset, Mapping[str, xr.Dataset]]:
    """Read cubes into one, in their order, with those groups that all of them share.

    A run whose name an earlier cube has is shown under that of its cube and its own.

    Parameters
    ----------
    paths : sequence of Path
        netCDF cubes.
    groups : sequence of str
        Groups to keep.

    Raises
    ------
    UserError
        When a cube cannot be read, or two are the same file.
    """
    labels = distinct_names(list(paths))
    parts, of_parts, taken, origins = [], [], set[str](), list[str]()
    for path, label in zip(paths, labels, strict=True):
        cube, more = read_with_groups(path, groups)
        runs = [str(run) for run in cube["run"].values]
        names = {run: f"{label}/{run}" for run in runs if run in taken}
        taken |= {names.get(run, run) for run in runs}
        origins += [label] * len(runs)
        parts.append(rename_runs(cube, names))
        of_parts.append({name: rename_runs(group, names) for name, group in more.items()})
    joined = concat(parts)
    united, _ = concat_groups(parts, of_parts, joined)
    return joined.assign_coords({CUBE: ("run", np.asarray(origins, object))}), united
