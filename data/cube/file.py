"""Reading and writing a cube: one netCDF-4 file, written whole or not at all.

Dimensions are ``run``, ``checkpoint`` and, by variable, ``language``, ``source``, ``target``, ``concept``,
``phenomenon``. Item-level outcomes are stored and rates derived from them, so that concepts can be resampled as
the clusters they are. Each run has one writer, which rewrites its own file whole (``calque.data.cube.run_file``); a
study's cube is an eager concatenation of those files.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from calque.data.cube import netcdf
from calque.data.cube.checks import validate
from calque.data.cube.variable_checks import short
from calque.data.cube.variables import ATTRIBUTES, SCHEMA
from calque.data.cube.writable import check_writable
from calque.data.errors import STORAGE, UserError, file_error
from calque.data.files import named_file, replacing
from calque.data.version import code_version

LOGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt")
"""Endings of logs, which no cube has."""
ALMOST_FULL = 1 << 20
"""Bytes: with fewer left a disk counts as full."""


def describe(cube: xr.Dataset) -> xr.Dataset:
    """Return ``cube`` with the schema's attributes on the variables it holds, and the root attributes set.

    Attributes that are already there are kept.
    """
    cube = cube.copy()
    for name, attributes in ATTRIBUTES.items():
        if name in cube.variables:
            cube[name].attrs = {**attributes, **cube[name].attrs}
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    root = {
        "Conventions": "CF-1.11",
        "calque_schema": SCHEMA,
        "created": stamp,
        "code_version": code_version(),
    }
    cube.attrs = {**root, **cube.attrs}
    return cube


def write(
    cube: xr.Dataset,
    path: str | os.PathLike[str],
    groups: Mapping[str, xr.Dataset] | None = None,
    previous: Path | None = None,
) -> None:
    """Write a cube whole and atomically: to a temporary name beside ``path``, fsync, ``os.replace``.

    Parameters
    ----------
    cube : xarray.Dataset
        The root group; missing attributes are added (see :func:`describe`).
    path : path
        Where the file shall stand; whatever stood there is replaced only when the new file is complete.
    groups : mapping of str to xarray.Dataset, optional
        Further groups such as ``timing``.
    previous : Path, optional
        Where the file that stood at ``path`` stays, in the same folder.

    Raises
    ------
    UserError
        When the file cannot be written, or netCDF cannot hold a name, an attribute or a type; nothing has changed
        then. A full or failing disk is a
        :class:`calque.data.errors.DiskError`.
    """
    path = named_file(path)
    check_writable(cube, groups or {})
    cube = describe(cube).drop_encoding()  # a file's string lengths, for instance, would cut longer strings
    try:
        with replacing(path, previous) as temporary:
            netcdf.save(temporary, cube, groups or {})
    except OSError as error:
        raise file_error(error, "write", path) from error
    except RuntimeError as error:  # netCDF4 reports a full disk as RuntimeError("NetCDF: HDF error")
        parent = next((folder for folder in path.parents if folder.exists()), Path("."))
        full = shutil.disk_usage(parent).free < ALMOST_FULL
        found = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else OSError(errno.EIO, str(error))
        raise file_error(found, "write", path) from error
    except (ValueError, TypeError, AttributeError) as error:  # values in an array of objects, halves of characters
        raise UserError(
            f"{path} cannot be written as netCDF ({short(error, 120)}); nothing has changed: expected numbers and text"
        ) from error


def read(path: str | os.PathLike[str], group: str | None = None) -> xr.Dataset:
    """Read a cube into memory and validate it.

    Parameters
    ----------
    path : path
        A netCDF file that holds at least ``tokens``.
    group : str, optional
        Read this group (``timing``, ``components``, ``ablations``) instead of the root; it is not validated.

    Raises
    ------
    UserError
        When the file is missing, truncated, no netCDF file, or breaks a rule of :func:`validate`.
    """
    path = named_file(path)
    (found,) = _load(path, [group])
    if group is None:
        assert found is not None, "every file has a root"
        return validate(found, str(path))
    if found is None:
        raise UserError(f"{path} holds no readable group '{group}'")
    return found


def read_with(
    path: str | os.PathLike[str], group: str, large: int | None = None
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Read a cube and one of its groups from one opening of the file, so that they belong together.

    Parameters
    ----------
    path : path
        A netCDF file that holds at least ``tokens``.
    group : str
        Such as ``timing``.
    large : int, optional
        Variables of more bytes stay in the file; of them only what is asked for is read, each time it is.
        ``encoding["chunksizes"]`` says what is stored together. What is asked for after the file was replaced is
        refused with a UserError.

    Returns
    -------
    cube : xarray.Dataset
        Validated.
    group : xarray.Dataset or None
        None when the file has no such group.

    Raises
    ------
    UserError
        As :func:`read`.
    """
    path = named_file(path)
    root, found = _load(path, [None, group], large)
    assert root is not None, "every file has a root"
    return validate(root, str(path)), found


def read_with_groups(path: str | os.PathLike[str], groups: Sequence[str]) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return a cube and those of some groups that it has, from one opening of the file, so that they belong together.

    Parameters
    ----------
    path : path
        A netCDF file that holds at least ``tokens``.
    groups : sequence of str
        Their names.

    Raises
    ------
    UserError
        As :func:`read`.
    """
    path = named_file(path)
    root, *found = _load(path, [None, *groups])
    assert root is not None, "every file has a root"
    there = {name: group for name, group in zip(groups, found, strict=True) if group is not None}
    return validate(root, str(path)), there


def has_group(path: str | os.PathLike[str], group: str) -> bool:
    """Return whether the netCDF file at ``path`` holds ``group``."""
    path = named_file(path)
    with _errors_named(path):
        return group in netcdf.group_names(path)


def read_groups(path: str | os.PathLike[str]) -> dict[str, xr.Dataset]:
    """Return every group of the cube at ``path`` but the root, by name."""
    path = named_file(path)
    with _errors_named(path):
        names = netcdf.group_names(path)
        found = netcdf.load(path, names)
    return {name: group for name, group in zip(names, found, strict=True) if group is not None}


def read_columns(path: str | os.PathLike[str], names: Sequence[str]) -> list[np.ndarray]:
    """Read some variables of a cube, unchecked: for many files of which little is wanted.

    Parameters
    ----------
    path : path
        A netCDF file.
    names : sequence of str
        Variables of its root.

    Raises
    ------
    UserError
        When the file is missing, damaged, or has no such variable.
    """
    path = named_file(path)
    with _errors_named(path):
        return netcdf.columns(path, names)


def is_whole(path: str | os.PathLike[str]) -> bool:
    """Return whether the file at ``path`` is of netCDF-4 and not cut short, without opening it as a cube."""
    path = named_file(path)
    try:
        return netcdf.is_whole(path)
    except OSError as error:
        raise file_error(error, "read", path) from error


def _load(path: Path, groups: list[str | None], large: int | None = None) -> list[xr.Dataset | None]:
    with _errors_named(path):
        return netcdf.load(path, groups) if large is None else netcdf.load_lazily(path, groups, large)


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise UserError(f"{path} is {what}; expected a netCDF cube such as results.nc")
    if path.suffix.lower() in LOGS:
        how = "phases import LOG --metric NAME -o CUBE"
        raise UserError(f"{path} is a log; expected a netCDF cube: make one with {how}")
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a foreign file fails in as many ways as netCDF4 and xarray have
        if isinstance(error, OSError) and error.errno in STORAGE:
            raise file_error(error, "read", path) from error
        raise UserError(
            f"{path} cannot be read as netCDF ({short(error)}); the file is truncated or of another kind: "
            "write it again, or collect the study's runs again"
        ) from error
