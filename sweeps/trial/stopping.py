"""SIGTERM, as a preemptible machine sends it: training finishes the current step, keeps its state and ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TerminatedError(BaseException):
    """SIGTERM came before training began: nothing has to be finished first.

    Not an ``Exception``, so that no handler between the signal and the run takes it for an error of its own.
    """


class StopSignal:
    """Whether SIGTERM has come; call it to ask.

    Attributes
    ----------
    at_once : bool
        Whether SIGTERM raises :class:`TerminatedError` where the main thread stands, rather than be asked for.
    """

    def __init__(self, at_once: bool) -> None:
        self.at_once, self._received = at_once, threading.Event()

    def __call__(self) -> bool:
        """Return whether SIGTERM has come."""
        return self._received.is_set()

    def receive(self) -> None:
        """Note that SIGTERM has come."""
        self._received.set()
        if self.at_once:
            raise TerminatedError("stopped before training")


@contextmanager
def catch_sigterm(*, at_once: bool = False, ignore_repeats: bool = False) -> Iterator[StopSignal]:
    """Note SIGTERM within the context instead of dying of it; outside the main thread none is ever noted.

    Parameters
    ----------
    at_once : bool
        See :class:`StopSignal`; may be changed on it later.
    ignore_repeats : bool
        Whether further SIGTERMs are ignored; otherwise the second one has the effect it had before the context. A
        process of several may get one from the machine and one from the process that started it.

    Yields
    ------
    StopSignal
    """
    stop = StopSignal(at_once)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGTERM)

    def receive(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if ignore_repeats else before)
        stop.receive()

    signal.signal(signal.SIGTERM, receive)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
