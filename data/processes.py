"""What a process that was started for a part of the work owes the one that started it."""

from __future__ import annotations

import os
from multiprocessing import connection, parent_process
from threading import Thread


def end_with_parent() -> None:
    """End this process when the one that started it is gone: killed, it cannot say so."""
    parent = parent_process()
    assert parent is not None, "only a process that was started has a parent"
    Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
