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

from calque.data.errors import UserError, shown

SUFFIX = ".tmp"
LONGEST = 150


NAME_BYTES, PATH_BYTES = 255, 4095
"""Bytes of a file's name, and of a whole path, that file systems allow."""


def named_file(path: str | os.PathLike[str], what: str = "") -> Path:
    """Return a path that a file can have; whether there is one, is not looked at.

    Parameters
    ----------
    path : path
        As a person gave it.
    what : str
        What errors call it, such as a parameter in backticks.

    Raises
    ------
    UserError
        When it is no text, is empty, too long, or has characters that no name has.
    """
    said = f"{what} is {shown(path)}" if what else f"the path is {shown(path)}"
    given = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(given, str):
        raise UserError(f"{said}; expected the path of a file as text")
    if not given or "\0" in given:
        raise UserError(f"{said}; expected the path of a file, which has letters and no NUL")
    try:
        whole = os.fsencode(given)
    except UnicodeEncodeError:
        raise UserError(f"{said}; expected a path of whole characters") from None
    longest = max(map(len, whole.split(os.sep.encode())))
    if longest > NAME_BYTES or len(whole) > PATH_BYTES:
        most = f"a name has {NAME_BYTES} bytes at most, a path {PATH_BYTES}"
        raise UserError(f"{said}, of {len(whole)} bytes; expected a shorter path: {most}")
    return Path(given)


class FolderGoneError(UserError):
    """A folder was removed while a process worked in it."""

    exit_code = 1


_in_use: list[tuple[Path, str]] = []
"""Files that mark folders in use, with what errors call these: see :func:`in_use`."""


@contextmanager
def in_use(marker: Path, called: str = "") -> Iterator[None]:
    """Within the context nothing of this process makes the folder of ``marker`` again once ``marker`` was removed.

    Parameters
    ----------
    marker : Path
        A file that stands in the folder as long as the folder is meant to be there.
    called : str
        What errors call the folder, by default its path.

    Raises
    ------
    FolderGoneError
        At the beginning, at the end, and from whatever writes below the folder meanwhile.
    """
    marker = marker.absolute()
    entry = (marker, called or str(marker.parent))
    _in_use.append(entry)
    try:
        make_folder(marker.parent)
        yield
    except Exception as error:
        if not isinstance(error, FolderGoneError) and not marker.exists():  # whatever failed, this is why
            raise folder_gone(entry[1]) from error
        raise
    finally:
        _in_use.remove(entry)
    if not marker.exists():
        raise folder_gone(entry[1])


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
    for marker, called in tuple(_in_use):
        if (absolute == marker.parent or marker.parent in absolute.parents) and not marker.exists():
            raise folder_gone(called)
    folder.mkdir(parents=True, exist_ok=True)


def folder_gone(called: str) -> FolderGoneError:
    """Return the error of a folder that was removed while it was in use; errors call it ``called``."""
    return FolderGoneError(
        f"{called} was removed while it was in use and is not made again; restore it to go on, or run the same command "
        "to start anew"
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
