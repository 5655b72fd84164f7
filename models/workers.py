"""Several processes on this machine for one run, watched: when one dies, the others end and all start again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

RESTARTS = 3
LOG = logging.getLogger("calque")


def launch(work: Callable[..., Any], count: int, *arguments: Any, restarts: int = RESTARTS) -> None:
    """Run ``work(*arguments)`` in ``count`` processes that find each other through the environment.

    Parameters
    ----------
    work : callable
        Found by name in its module; it and its arguments are sent to fresh processes.
    count : int
    restarts : int
        How often all are started again after one died or failed.

    Raises
    ------
    RuntimeError
        When one failed after the last restart.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # training sets its own
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, monitor_interval=0.2, run_id="calque",
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="spawn", logs_specs=DefaultLogsSpecs(),
    )  # fmt: skip
    for left in reversed(range(restarts + 1)):
        try:
            elastic_launch(config, work)(*arguments)
            return
        except ChildFailedError as error:
            process, failure = error.get_first_failure()
            message = f"process {process} of {count} ended with exit code {failure.exitcode}"
            if not left:
                raise RuntimeError(f"{message}, {restarts} restarts included") from None
            LOG.warning("%s; all start again from the newest state", message)
