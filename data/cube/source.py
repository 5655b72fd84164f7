"""The cube that a caller means: a dataset, the path of a file, or a result that holds one."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import xarray as xr

from calque.data.cube.checks import validate
from calque.data.cube.file import read
from calque.data.errors import UserError


@runtime_checkable
class HoldsCube(Protocol):
    """A result with a cube in it, such as that of an import or a simulation."""

    cube: xr.Dataset


CubeLike = xr.Dataset | str | os.PathLike[str] | HoldsCube


def as_cube(source: CubeLike) -> tuple[xr.Dataset, str]:
    """Return a validated cube and the name it has in reports.

    Parameters
    ----------
    source : xarray.Dataset, path, or result with a cube
        A dataset is not copied to disk; of a path the file is read into memory.

    Returns
    -------
    cube : xarray.Dataset
        With dimensions run and checkpoint.
    name : str
        The path, or ``cube``.

    Raises
    ------
    UserError
        When it is something else, cannot be read, or is no cube.
    """
    if isinstance(source, xr.Dataset):
        return validate(source, "the dataset"), "cube"
    if isinstance(source, str | os.PathLike):
        return read(source), str(source)
    if isinstance(source, HoldsCube) and isinstance(source.cube, xr.Dataset):
        return validate(source.cube, "the result's cube"), "cube"
    raise UserError(f"`cube` is of type {type(source).__name__}; expected an xarray.Dataset or the path of a cube")
