"""The processes of one run on this machine: when one dies, the others end and all start again."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from calque.data.quantities import plural
from calque.models.training.loop import StoppedError

RESTARTS = 3
GRACE_SECONDS = 120
"""Time that processes have to save their state after SIGTERM; then they are killed."""
LOG = logging.getLogger("calque")


def launch(work: Callable[..., Any], count: int, *arguments: Any, restarts: int = RESTARTS) -> None:
    """Run ``work(*arguments)`` in ``count`` processes that find each other through the environment.

    Parameters
    ----------
    work : callable
        A function at the top of a module; it and ``arguments`` are pickled and sent to fresh processes.
    count : int
        World size.
    arguments
        Of ``work``.
    restarts : int
        Most times that all start again after one died or failed.

    Raises
    ------
    RuntimeError
        When one failed after the last restart.
    StoppedError
        After SIGTERM, which was sent to all of them; they have ended.
    KeyboardInterrupt
        After SIGINT, likewise.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # training sets its own
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed.elastic")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # each has a level of its own
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, monitor_interval=0.2, run_id="calque",
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="spawn", logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=GRACE_SECONDS,
    )  # fmt: skip
    with _signal_handlers_restored():
        _launch(config, work, arguments, count, restarts)


def _launch(
    config: LaunchConfig, work: Callable[..., Any], arguments: tuple[Any, ...], count: int, restarts: int
) -> None:
    for left in reversed(range(restarts + 1)):
        try:
            elastic_launch(config, work)(*arguments)
            return
        except SignalException as stopped:
            if stopped.sigval == signal.SIGTERM:
                raise StoppedError(f"stopped with its {plural(count, 'process', 'processes')}") from None
            raise KeyboardInterrupt from None
        except ChildFailedError as error:
            process, failure = error.get_first_failure()
            message = f"process {process} of {count} ended with exit code {failure.exitcode}"
            if not left:
                raise RuntimeError(f"{message}, {restarts} restarts included") from None
            LOG.warning("%s; all start again from the newest state", message)


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Restore the signal handlers afterwards; the launcher installs its own and leaves them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
