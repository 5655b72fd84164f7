"""Files written beside training: by one thread, in order, with few in waiting and no error lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class BackgroundWriter:
    """Runs jobs one after another in a thread of its own.

    As a context it waits at its end until everything is written; the first job that fails stops all behind it, and its
    error is raised by the next call of :meth:`submit` or at the end.

    Parameters
    ----------
    waiting : int
        Jobs that may wait beside the one at work; beyond, :meth:`submit` waits, so that memory stays bounded.
    """

    def __init__(self, waiting: int = 3) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(waiting + 1)
        self._failed: BaseException | None = None

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Have ``job`` done after those before it; whatever it reads must not change meanwhile."""
        self._room.acquire()
        if self._failed is not None:
            self._room.release()
            raise self._failed

        def run() -> T:
            try:
                if self._failed is not None:
                    raise self._failed
                return job()
            except BaseException as error:
                self._failed = error
                raise
            finally:
                self._room.release()

        return self._pool.submit(run)

    def close(self) -> None:
        """Wait until everything is written; raise what went wrong."""
        self._pool.shutdown()
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> BackgroundWriter:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what waits; an error of training goes before one of writing."""
        if error is None:
            self.close()
        else:
            self._pool.shutdown()
