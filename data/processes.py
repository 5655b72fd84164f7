"""Processes: how many the machine can run at once, and ending with the process that started one."""

from __future__ import annotations

import os
from multiprocessing import connection, parent_process
from threading import Thread


def cores() -> int:
    """Return how many cores this process may use: those of its affinity where the system has one, else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """End this process when its parent is gone: a parent that is killed cannot send a signal."""
    parent = parent_process()
    assert parent is not None, "only a process that was started has a parent"
    Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
