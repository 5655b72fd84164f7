"""The cluster that runs are launched on: a local one, or that of ``RAY_ADDRESS``."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Iterator

from calque.data.processes import cores
from calque.sweeps.plan.placement import Node

OBJECT_STORE_BYTES = 80 << 20


def cluster_nodes() -> list[Node]:
    """Return the nodes of the cluster that ``RAY_ADDRESS`` names."""
    with cluster(None):
        return nodes()


def nodes() -> list[Node]:
    """Return the nodes of the connected cluster."""
    import ray

    held = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [Node(cpus=each.get("CPU", 0), gpus=each.get("GPU", 0)) for each in held]


@contextlib.contextmanager
def cluster(cpus: int | None) -> Iterator[None]:
    """Connect to the cluster of ``RAY_ADDRESS``, or start one on this machine with ``cpus`` cores (by default all)."""
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("RAY_ADDRESS") and "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        # an own token for this cluster: Ray would keep one in the home folder, and `ray job` then fails where the
        # environment names none (Ray's pull request 64755)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    started = not ray.is_initialized()
    if started:
        with quiet():
            if os.environ.get("RAY_ADDRESS"):
                ray.init(log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address="local", num_cpus=cpus or cores(), include_dashboard=False, log_to_driver=False,
                    logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES,
                )  # fmt: skip
    try:
        yield
    finally:
        if started:
            ray.shutdown()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the output of Ray and Tune off the terminal, with the tracebacks of trials that are started again."""
    for name, level in (("ray", logging.ERROR), ("ray.tune", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        yield
    sys.stdout.flush()
