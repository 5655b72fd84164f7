"""SIGTERM, as a spot machine sends it before it goes: a wish to stop, granted after the step that is being taken."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_wished() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether SIGTERM came; in a thread other than the main one it never does.

    A second SIGTERM does what it did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    wished = threading.Event()
    before = signal.getsignal(signal.SIGTERM)

    def note(number: int, frame: Any) -> None:
        wished.set()
        signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, note)
    try:
        yield wished.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
