"""SIGTERM, as a spot machine sends it before it goes: a wish to stop, granted after the step that is being taken."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TerminatedError(BaseException):
    """SIGTERM came while there was nothing to be brought to an end first.

    No ``Exception``: nothing between the signal and the run takes it for an error of its own.
    """


class Wish:
    """Whether SIGTERM came.

    Attributes
    ----------
    at_once : bool
        Whether to raise ``TerminatedError`` when it comes, rather than wait to be asked.
    """

    def __init__(self, at_once: bool) -> None:
        self.at_once, self._came = at_once, threading.Event()

    def __call__(self) -> bool:
        """Return whether it came."""
        return self._came.is_set()

    def note(self) -> None:
        """Take it."""
        self._came.set()
        if self.at_once:
            raise TerminatedError("stopped before training")


@contextmanager
def stop_wished(*, at_once: bool = False, patient: bool = False) -> Iterator[Wish]:
    """Take SIGTERM as a wish within the context; in a thread other than the main one it never comes.

    Parameters
    ----------
    at_once : bool
        As of the wish, which may be changed.
    patient : bool
        Whether a second SIGTERM changes nothing; else it does what it did before. One of several processes is told by
        the machine and by the process that started it.
    """
    wish = Wish(at_once)
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = signal.getsignal(signal.SIGTERM)

    def note(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if patient else before)
        wish.note()

    signal.signal(signal.SIGTERM, note)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGTERM, before)
