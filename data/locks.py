"""A lock between processes that is released when its holder ends, even when it is killed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from calque.data.errors import UserError
from calque.data.files import make_folder

POLL_SECONDS = 0.2


@contextmanager
def locked(
    path: Path, what: str = "the work", *, wait: float = math.inf, on_wait: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops when the process ends.

    The file may be removed by its holder; whoever waited then takes the lock of a new one.

    Parameters
    ----------
    path : Path
        The lock's file; its folder is made.
    what : str
        What the lock is held for, for the message.
    wait : float
        Seconds to wait for another holder.
    on_wait : callable
        Called once when another process holds the lock.

    Raises
    ------
    UserError
        When another process holds the lock for longer than ``wait`` seconds.
    """
    lock = FileLock(path, poll_interval=POLL_SECONDS, fallback_to_soft=False)  # a soft lock outlives a killed holder
    until, waited = time.monotonic() + wait, False
    while True:
        left = until - time.monotonic() if waited else 0.0
        make_folder(path.parent)
        try:
            lock.acquire(timeout=-1 if left == math.inf else max(0.0, left))
            break
        except FileNotFoundError:  # the folder was removed meanwhile
            continue
        except Timeout:
            if waited or wait <= 0:
                raise UserError(f"{what} is already running; wait for it or stop it first") from None
            on_wait()
            waited = True
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool | None:
    """Return whether a process holds the lock of a file; None where that cannot be told.

    Nothing is made or changed, and whoever asks for the lock meanwhile waits for a moment at the most.

    Parameters
    ----------
    path : Path
        The lock's file.
    """
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # never locked, or not to be read by us
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return None
    else:
        return False
    finally:
        os.close(handle)
