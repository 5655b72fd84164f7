"""Something done again and again beside the work, from entering to leaving a context."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Recurring(ABC):
    """Acts in a thread of its own within the context, and a last time at its end.

    Parameters
    ----------
    name : str
        The thread's.
    seconds : float
        Between two times.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self.seconds, self._over = seconds, threading.Event()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Act a last time."""
        self._over.set()
        self._thread.join()

    @abstractmethod
    def act(self) -> None:
        """Do it once."""

    def _keep(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self.seconds)
            self.act()
