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
        min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=restarts, monitor_interval=0.2,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="spawn", logs_specs=DefaultLogsSpecs(),
    )  # fmt: skip
    try:
        elastic_launch(config, work)(*arguments)
    except ChildFailedError as error:
        first, failure = error.get_first_failure()
        raise RuntimeError(
            f"process {first} of {count} ended with exit code {failure.exitcode}, {restarts} restarts included"
        ) from None
