"""Files that are whole or absent, whatever is killed when: atomic writing, and a lock that dies with its holder."""

from __future__ import annotations

import glob
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".tmp"


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
    """Force a folder's names to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops when the process dies, however it dies.

    The file may be removed by its holder; whoever waited then takes the lock of a new one.

    Parameters
    ----------
    path : Path
        The lock's file; its folder is made.
    on_wait : callable
        Called once when another process holds the lock.
    """
    import fcntl  # here, since readers of cubes may have a system without it

    told = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a")
        except FileNotFoundError:  # the folder was removed meanwhile
            continue
        with file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told:
                        on_wait()
                        told = True
                    time.sleep(0.2)
            if _is_at(file.fileno(), path):
                yield
                return


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _prefix(path: Path) -> str:
    return f".{path.name}.{socket.gethostname()}-"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # under another user
        pass
    return True
