"""Results that all sessions share, kept up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Results by what they are of; the least recently used ones are dropped when all take more than ``most`` bytes.

    Parameters
    ----------
    most : int
        Bytes. A single result may be larger: it is then kept alone.
    size : callable
        Returns the bytes of a result.
    """

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        self.most, self.size, self.bytes = most, size, 0
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return a result.

        Parameters
        ----------
        key : hashable
            What it is of.
        make : callable
            Returns it, where it is not kept.
        """
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = make()  # two threads may make the same; none waits for another's work
        with self._lock:
            if key not in self._found:
                self._found[key] = made
                self.bytes += self.size(made)
            while self.bytes > self.most and len(self._found) > 1:
                _, old = self._found.popitem(last=False)
                self.bytes -= self.size(old)
            return made
