"""Atomic writes: a file is complete or absent, even when the process is killed."""

from __future__ import annotations

import glob
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".tmp"
LONGEST = 150


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name; what was written there is forced to disk and takes the place of ``path``.

    The folder is made. Where writing fails nothing is left; what killed writers of the same file left behind on this
    machine is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    partial = temporary(path)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
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
