"""The cluster that runs are launched on: a local one, or that of ``RAY_ADDRESS``."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from calque.data.processes import cores
from calque.sweeps.launch import start_watcher
from calque.sweeps.launch.address import check_answers, cluster_address
from calque.sweeps.launch.errors import LaunchError
from calque.sweeps.launch.scratch import Scratch
from calque.sweeps.launch.start_watcher import ended_agent
from calque.sweeps.plan.placement import Node

START_SECONDS = 180.0
"""A local Ray that has not started after this time never will."""
OBJECT_STORE_BYTES = 80 << 20
LOOPBACK = "127.0.0.1"
ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0, Ray takes the loopback address for this machine's, on Linux too, and binds every port to it."""


def cluster_nodes(address: str) -> list[Node]:
    """Return the nodes of the cluster at ``address``."""
    with joined(address):
        return nodes()


def nodes() -> list[Node]:
    """Return the nodes of the connected cluster."""
    import ray

    held = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [Node(cpus=each.get("CPU", 0), gpus=each.get("GPU", 0)) for each in held]


@contextlib.contextmanager
def cluster(cpus: int | None, scratch: Scratch) -> Iterator[None]:
    """Connect to the cluster of ``RAY_ADDRESS``, or start one on this machine.

    Parameters
    ----------
    cpus : int, optional
        Cores of a cluster on this machine; all when None.
    scratch : Scratch
        Holds the session of a cluster on this machine.

    Raises
    ------
    UserError
        When no cluster answers at ``RAY_ADDRESS``.
    LaunchError
        When Ray does not start.
    """
    address = cluster_address()
    with joined(address) if address else _started(cpus, scratch):
        yield


@contextlib.contextmanager
def joined(address: str) -> Iterator[None]:
    """Connect to the cluster at ``address``; a process that is connected already stays so.

    Raises
    ------
    UserError
        When none answers there.
    LaunchError
        When it answers, and yet cannot be used.
    """
    _settings()
    import ray

    if ray.is_initialized():
        yield
        return
    check_answers(address)
    try:
        with quiet():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # whatever Ray raises, a person reads one sentence
        raise LaunchError(
            f"the Ray cluster at {address} cannot be used ({_reason(error)}); is this machine one of its nodes, with "
            "the same versions of Python and Ray?"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _started(cpus: int | None, scratch: Scratch) -> Iterator[None]:
    _settings()
    if "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        # an own token for this cluster: Ray would keep one in the home folder, and `ray job` then fails where the
        # environment names none (Ray's pull request 64755)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with _loopback():
        import ray

        if ray.is_initialized():
            yield
            return
        try:
            with quiet(), _told_if_ended(scratch):
                ray.init(
                    address="local", num_cpus=cpus or cores(), include_dashboard=False, log_to_driver=False,
                    logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES, _node_ip_address=LOOPBACK,
                    _temp_dir=str(scratch.ray),
                )  # fmt: skip
        except Exception as error:  # whatever Ray raises, a person reads one sentence
            scratch.keep = True
            with contextlib.suppress(Exception):
                ray.shutdown()
            raise LaunchError(
                f"Ray did not start on this machine ({ended_agent(scratch.logs) or _reason(error)}); its logs are in "
                f"{scratch.logs}: remove the cause and run the same again"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def started_nodes(scratch: Scratch) -> list[Node]:
    """Return the nodes of the connected cluster.

    Parameters
    ----------
    scratch : Scratch
        Holds the session of a cluster on this machine.

    Raises
    ------
    LaunchError
        When it has none any more.
    """
    found = nodes()
    if not found:
        scratch.keep = True
        why = ended_agent(scratch.logs) or "killed or out of memory"
        raise LaunchError(f"Ray's node on this machine died ({why}); run the same again")
    return found


def _settings() -> None:
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Let Ray bind what it starts to the loopback address alone: no other machine has business with a local cluster."""
    before = os.environ.get(ONE_MACHINE)
    os.environ[ONE_MACHINE] = "0"
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = False  # read from the environment when Ray was imported, perhaps before
    try:
        yield
    finally:
        if before is None:
            del os.environ[ONE_MACHINE]
        else:
            os.environ[ONE_MACHINE] = before
        # what Ray was imported with may be the 0 from here
        asked = not ray_constants.IS_WINDOWS_OR_OSX if before is None else before.lower() in ("1", "true")
        ray_constants.ENABLE_RAY_CLUSTER = asked


@contextlib.contextmanager
def _told_if_ended(scratch: Scratch) -> Iterator[None]:
    """Say why this process ends if it ends in here, and end it where Ray never starts.

    Ray's library ends a process at once when the node that it joins dies, and holds all of its threads while it waits
    for one: both are seen from another process alone.
    """
    own = [str(os.getpid()), str(START_SECONDS), str(scratch.ray), str(scratch.logs)]
    waits = [sys.executable, "-S", str(Path(start_watcher.__file__)), *own]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        try:
            yield
        finally:
            assert watcher.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # somebody ended it
                watcher.stdin.write(b"yes\n")
                watcher.stdin.flush()


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:120]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the output of Ray and Tune off the terminal, with the tracebacks of trials that are started again."""
    for name, level in (("ray", logging.ERROR), ("ray.tune", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        yield
    sys.stdout.flush()
