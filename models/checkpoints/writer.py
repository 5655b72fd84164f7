"""Writing files while training runs: one thread, in order, with a bounded queue, and no error is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class BackgroundWriter:
    """Runs jobs one after another in a background thread.

    As a context it waits at its end until every job is done. The first job that fails cancels those after it; its error
    is raised by the next call of :meth:`submit`, or at the end.

    Parameters
    ----------
    waiting : int
        Jobs that may wait while one runs; with more :meth:`submit` blocks, so that memory stays bounded.
    """

    def __init__(self, waiting: int = 3) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(waiting + 1)
        self._failed: BaseException | None = None

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run ``job`` after those before it and return its future; what the job reads must not change meanwhile."""
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
        """Wait until every job is done; raise the error of the first that failed."""
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
