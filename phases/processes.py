"""Work distributed over processes; results are yielded as they finish."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from typing import TypeVar, cast

from threadpoolctl import threadpool_limits

from calque.data.processes import end_with_parent

Progress = Callable[[int, int, str], None]
"""Called with the number of finished tasks, their total, and the name of the current one."""
Task = TypeVar("Task")
Result = TypeVar("Result")

Function = TypeVar("Function", bound=Callable[..., object])


def one_thread(function: Function) -> Function:
    """Decorate a function so that linear algebra in it keeps to one thread.

    Matrices this small only lose by sharing cores, and the last digits of a sum depend on the number of threads: with
    one, they depend neither on the machine nor on the process.
    """
    return cast("Function", threadpool_limits.wrap(limits=1)(function))


@one_thread
def call(work: Callable[[Task], Result], task: Task) -> Result:
    """Return ``work(task)``; a function of the module, so that it can be sent to a process."""
    return work(task)


def spread(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Yield the results of a function on every task, in the order they finish.

    Tasks that have not begun are dropped when the caller stops iterating. Processes are spawned, not forked: the
    progress bar has a thread.

    Parameters
    ----------
    work : callable
        Called with a task; a function of a module, so that it can be sent to a process.
    tasks : sequence
        Arguments.
    jobs : int
        Processes; 1 runs all in this process.

    Yields
    ------
    object
        What ``work`` returned.
    """
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(partial(call, work), tasks)
        return
    others = active_children()
    executor = ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn"), initializer=end_with_parent)
    try:
        with _interrupts_held():
            futures = [executor.submit(call, work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except KeyboardInterrupt:
        for process in active_children():
            if process not in others:
                process.terminate()  # else it would finish its task first
        raise
    finally:
        executor.shutdown(cancel_futures=True)  # once: a second call, as of a with block, would take this back


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; processes started meanwhile never see it: the one that started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
