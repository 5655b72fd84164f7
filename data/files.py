"""Atomic writes: a file is complete or absent, even when the process is killed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calque.data.errors import UserError

SUFFIX = ".tmp"
LONGEST = 150


class FolderGoneError(UserError):
    """A folder was removed while a process worked in it."""

    exit_code = 1


_in_use: list[Path] = []
"""Files that mark folders in use: see :func:`in_use`."""


@contextmanager
def in_use(marker: Path) -> Iterator[None]:
    """Within the context nothing of this process makes the folder of ``marker`` again once ``marker`` was removed.

    Parameters
    ----------
    marker : Path
        A file that stands in the folder as long as the folder is meant to be there.

    Raises
    ------
    FolderGoneError
        At the beginning, at the end, and from whatever writes below the folder meanwhile.
    """
    marker = marker.absolute()
    _in_use.append(marker)
    try:
        make_folder(marker.parent)
        yield
    except Exception as error:
        if not isinstance(error, FolderGoneError) and not marker.exists():  # whatever failed, this is why
            raise _gone(marker) from error
        raise
    finally:
        _in_use.remove(marker)
    if not marker.exists():
        raise _gone(marker)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    FolderGoneError
        When one of them was in use (:func:`in_use`) and has been removed.
    """
    absolute = folder.absolute()
    for marker in tuple(_in_use):
        if (absolute == marker.parent or marker.parent in absolute.parents) and not marker.exists():
            raise _gone(marker)
    folder.mkdir(parents=True, exist_ok=True)


def _gone(marker: Path) -> FolderGoneError:
    return FolderGoneError(
        f"{marker.parent} was removed while it was in use ({marker.name} is gone) and is not made again; "
        "restore it to go on, or run the same command to start anew"
    )


@contextmanager
def replacing(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """Yield a temporary name; what was written there is forced to disk and takes the place of ``path``.

    The folder is made. Where writing fails nothing is left; what killed writers of the same file left behind on this
    machine is removed. What stood at ``path`` stays as ``previous``, if that is given.
    """
    make_folder(path.parent)
    remove_abandoned(path)
    partial = temporary(path)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if previous is not None:
            keep_previous(path, previous)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def keep_previous(path: Path, previous: Path) -> None:
    """Let ``previous`` be the file that stands at ``path``, which stays there; nothing to do where there is none.

    A hard link where the file system has them, a copy elsewhere.
    """
    if not path.exists():
        return
    partial = temporary(previous)
    partial.unlink(missing_ok=True)
    try:
        try:
            os.link(path, partial)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE):
                raise
            shutil.copyfile(path, partial)
        os.replace(partial, previous)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically: the file is complete or absent."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def temporary(path: Path) -> Path:
    """Return this process's temporary name for ``path``, in the same folder."""
    return path.with_name(f"{_prefix(path)}{os.getpid()}{SUFFIX}")


def remove_abandoned(path: Path) -> None:
    """Remove temporary files for ``path`` whose writers, on this machine, no longer run."""
    for partial in path.parent.glob(f"{glob.escape(_prefix(path))}*{SUFFIX}"):
        pid = partial.name.removesuffix(SUFFIX).rpartition("-")[2]
        if pid.isdecimal() and not _runs(int(pid)):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to disk (fsync)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prefix(path: Path) -> str:
    name = path.name
    if len(name.encode()) > LONGEST:  # a name may have 255 bytes, and the temporary one has more to it
        name = f"{name[:20]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f".{name}.{socket.gethostname()}-"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # under another user
        pass
    return True
