"""The cube that a caller means: a dataset, the path of a file, or a result that holds one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import xarray as xr

from calque.data.cube.checks import validate
from calque.data.cube.file import read, read_groups
from calque.data.cube.file import write as write_dataset
from calque.data.cube.joining import concat as join
from calque.data.errors import UserError


@runtime_checkable
class HoldsCube(Protocol):
    """A result with a cube in it, such as that of an import or a simulation."""

    @property
    def cube(self) -> xr.Dataset:
        """The cube."""


@runtime_checkable
class HoldsGroups(Protocol):
    """A result whose cube has groups, such as ``timing``."""

    @property
    def groups(self) -> Mapping[str, xr.Dataset]:
        """The groups by name."""


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


def write(cube: CubeLike, path: str | os.PathLike[str]) -> None:
    """Write a cube as one netCDF-4 file, whole or not at all.

    Parameters
    ----------
    cube : xarray.Dataset, path, or result with a cube
        It is checked first. The groups of a file, such as ``timing``, and of a result are written too; a dataset has
        none.
    path : path
        Where the file shall stand; a file that is there is replaced.

    Raises
    ------
    UserError
        When it is no cube, or the file cannot be written.
    """
    write_dataset(as_cube(cube)[0], path, groups_of(cube))


def groups_of(source: CubeLike) -> dict[str, xr.Dataset]:
    """Return the groups, such as ``timing``, of a cube's file or of a result; a dataset has none.

    Parameters
    ----------
    source : xarray.Dataset, path, or result with a cube
        As :func:`as_cube` takes it.
    """
    if isinstance(source, str | os.PathLike):
        return read_groups(source)
    if isinstance(source, HoldsGroups):
        return dict(source.groups)
    return {}


def concat(cubes: Sequence[CubeLike]) -> xr.Dataset:
    """Join cubes along ``run``; what one of them lacks is missing there.

    Groups such as ``timing`` are no part of a dataset; ``calque.edit`` joins them too.

    Parameters
    ----------
    cubes : sequence of xarray.Dataset, path, or result with a cube
        Every run occurs once.

    Returns
    -------
    xarray.Dataset
        With the runs in the order given.

    Raises
    ------
    UserError
        When there is none, one cannot be read, or a run occurs twice.
    """
    if isinstance(cubes, str | os.PathLike | xr.Dataset | HoldsCube):
        raise UserError("`cubes` is one cube; expected several in a list, such as [first, second]")
    if not cubes:
        raise UserError("`cubes` is empty; expected cubes to join, such as [first, second]")
    return join([as_cube(cube)[0] for cube in cubes])
