"""The one door to netCDF's library, which is not thread-safe: every call of this process happens under one lock.

Two threads in the library end in a segmentation fault or in numbers of another file. What is read here is in memory
when the lock is released, and the file is closed: no later access, and no garbage collection, enters the library.
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import BackendArray, NetCDF4DataStore
from xarray.core import indexing

from calque.data.cube.header import check_header
from calque.data.cube.variables import ENCODED_COUNTS
from calque.data.errors import UserError

LOCK = threading.RLock()
"""Held for every call of the library; whoever opens a file by another way must hold it until the file is closed."""
os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
# a child that is forked in the midst of a call would find the library, and this lock, in that state for ever

CHUNK = 4 << 20
"""Bytes that are stored together at most, and up to which the library decides."""
Identity = tuple[int, int, int, int]
IN_FILE = "in_file"
"""In the encoding of a variable that was left in its file."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def load(path: Path, groups: Sequence[str | None]) -> list[xr.Dataset | None]:
    """Read groups of a netCDF file into memory, all from one opening: no writer can replace it in between.

    Parameters
    ----------
    path : Path
        The file.
    groups : sequence of str or None
        Names of groups; None is the root.

    Returns
    -------
    list of xarray.Dataset or None
        In the order of ``groups``; None for a group that the file lacks.

    Raises
    ------
    UserError
        When the file is larger than it can be, or than this machine's memory.
    Exception
        Of as many kinds as netCDF4 and xarray have, when the file cannot be read.
    """
    with LOCK, netCDF4.Dataset(path) as file:
        check_header(file, str(path))
        found: list[xr.Dataset | None] = []
        for name in groups:
            held = file if name is None else file.groups.get(name)
            store = None if held is None else NetCDF4DataStore(held)  # type: ignore[no-untyped-call]
            found.append(None if store is None else _opened(store).load())
        return found


def _opened(store: NetCDF4DataStore, **given: Any) -> xr.Dataset:
    """Return the variables of a file, without xarray's remarks on attributes that it does not apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        return xr.open_dataset(store, **given)


class StoredArray(BackendArray):
    """The values of a variable in a file, decoded as xarray decodes them.

    Parameters
    ----------
    path : Path
        The file.
    identity : tuple
        Says which file stood there, see :func:`identity_of`.
    group : str or None
        Group of the variable; None is the root.
    name : str
        The variable.
    like : xarray.Variable
        Gives shape and type.
    """

    def __init__(self, path: Path, identity: Identity, group: str | None, name: str, like: xr.Variable) -> None:
        self.path, self.identity, self.group, self.name = path, identity, group, name
        self.shape, self.dtype = like.shape, like.dtype

    def __getitem__(self, key: Any) -> Any:
        """Return values; xarray asks with an indexer of its own."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        with LOCK:
            try:
                there = identity_of(self.path)
            except OSError:
                there = None
            if there != self.identity:
                raise UserError(f"{self.path} was replaced or removed while it was looked at; open it again")
            try:
                with netCDF4.Dataset(self.path) as file:
                    held = file if self.group is None else file.groups[self.group]
                    others = [name for name in held.variables if name != self.name]
                    store = NetCDF4DataStore(held)  # type: ignore[no-untyped-call]
                    return np.asarray(_opened(store, drop_variables=others).variables[self.name][key].values)
            except Exception as error:  # as where a file is opened: in as many ways as the libraries have
                reason = " ".join(str(error).split())[:80]
                raise UserError(f"{self.path}: {self.name} cannot be read ({reason}); the file is damaged") from error


def identity_of(path: Path) -> Identity:
    """Return what distinguishes the file at ``path`` from another that takes its place."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def load_lazily(path: Path, groups: Sequence[str | None], large: int) -> list[xr.Dataset | None]:
    """Read groups of a netCDF file as :func:`load` does, but for large variables.

    Parameters
    ----------
    path : Path
        The file.
    groups : sequence of str or None
        Names of groups; None is the root.
    large : int
        Numbers that take more bytes in memory stay in the file.

    Returns
    -------
    list of xarray.Dataset or None
        In the order of ``groups``; None for a group that the file lacks.

    Raises
    ------
    UserError
        When the file is larger than it can be.
    Exception
        Of as many kinds as netCDF4 and xarray have, when the file cannot be read.
    """
    with LOCK, netCDF4.Dataset(path) as file:
        identity = identity_of(path)
        check_header(file, str(path), whole=False)
        found: list[xr.Dataset | None] = []
        for group in groups:
            held = file if group is None else file.groups.get(group)
            if held is None:
                found.append(None)
                continue
            opened = _opened(NetCDF4DataStore(held), cache=False)  # type: ignore[no-untyped-call]
            stored = [n for n, v in opened.variables.items() if v.dtype.kind in "iufb" and v.nbytes > large]
            kept = opened.drop_vars(stored).load()
            for name in stored:
                like = opened.variables[name]
                array = indexing.LazilyIndexedArray(StoredArray(path, identity, group, str(name), like))
                kept[name] = xr.Variable(like.dims, array, like.attrs, {**like.encoding, IN_FILE: True})
            found.append(kept.set_coords([name for name in opened.coords if name in stored])[list(opened.variables)])
        return found


def group_names(path: Path) -> list[str]:
    """Return the names of the groups below the root of the file at ``path``."""
    with LOCK, netCDF4.Dataset(path) as file:
        return list(file.groups)


def save(path: Path, root: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> None:
    """Write datasets as the root and the groups of a new netCDF-4 file.

    Numbers have checksums (Fletcher-32): a value that was damaged later is an error when it is read, never another
    number.

    Parameters
    ----------
    path : Path
        A file that is there is replaced in place.
    root : xarray.Dataset
    groups : mapping of str to xarray.Dataset

    Raises
    ------
    OSError, RuntimeError
        When the file cannot be written; RuntimeError is also the library's word for a full disk.
    """
    with LOCK:
        root.to_netcdf(path, engine="netcdf4", encoding=_encoding(root))
        for name, group in groups.items():
            plain = group.drop_encoding()
            plain.to_netcdf(path, engine="netcdf4", mode="a", group=name, encoding=_encoding(plain))


def columns(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Read some variables of the root as they stand in the file, which takes a fraction of reading all of it.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Its variables.

    Returns
    -------
    list of numpy.ndarray
        In the order of ``names``.

    Raises
    ------
    Exception
        Of as many kinds as netCDF4 and xarray have, when the file cannot be read.
    """
    with LOCK, netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return [np.asarray(file.variables[name][:]) for name in names]


def is_whole(path: Path) -> bool:
    """Return whether a file is HDF5 and as long as its superblock says; nothing of its content is read.

    Parameters
    ----------
    path : Path

    Notes
    -----
    The superblock and its versions: HDF5 File Format Specification 3.0, section II.A.
    """
    with path.open("rb") as file:
        head = file.read(52)
        if not head.startswith(SIGNATURE) or len(head) < 52:
            return False
        version = head[8]
        at, width = {0: (40, head[13]), 1: (44, head[13])}.get(version, (28, head[9]))
        end = int.from_bytes(head[at : at + width], "little")
        return version > 3 or file.seek(0, os.SEEK_END) >= end


def _encoding(cube: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in cube.variables.items():
        key, chosen = str(name), {}
        if key in ENCODED_COUNTS:
            chosen = {"dtype": "int32", "_FillValue": np.int32(-1)}
        elif variable.dtype.kind == "f":
            chosen = {"_FillValue": variable.dtype.type(np.nan)}
        elif variable.dtype.kind in "iu":
            chosen = {"_FillValue": None}
        else:
            continue
        if variable.ndim and variable.size:
            chosen["fletcher32"] = True
        if variable.size > 512:
            chosen |= {"zlib": True, "complevel": 1, "shuffle": True}
        if variable.nbytes > CHUNK and "run" in variable.dims:
            chosen["chunksizes"] = _chunks(variable)
        encoding[key] = chosen
    return encoding


def _chunks(variable: xr.Variable) -> tuple[int, ...]:
    """Return what is stored together: one run, or some of its checkpoints, so that a run is read without the others."""
    sizes = {str(dim): 1 if dim == "run" else n for dim, n in variable.sizes.items()}
    while variable.dtype.itemsize * math.prod(sizes.values()) > CHUNK and sizes.get("checkpoint", 1) > 1:
        sizes["checkpoint"] = -(-sizes["checkpoint"] // 2)
    return tuple(sizes.values())
