"""How a launch ends early: by a signal, or because Ray's node on this machine died."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from calque.sweeps.launch.scratch import Scratch
from calque.sweeps.launch.start_watcher import ended_agent

POLL_SECONDS, EXIT_SECONDS = 3.0, 30.0


class Interruption:
    """Why a launch ends early, if it does, and the way to end it: SIGUSR1 lets Tune finish cleanly.

    Where Ray does not answer, Tune would never finish: the process then exits by itself after ``EXIT_SECONDS``.

    Attributes
    ----------
    reason : str or None
        None as long as nothing ends the launch.
    finished : threading.Event
        To be set when Tune has finished.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.finished = threading.Event()

    def request(self, reason: str) -> None:
        """Ask Tune to finish because of ``reason``, and see to it that this process ends."""
        self.reason = reason
        threading.Thread(target=self._exit_in_time, name="exit", daemon=True).start()
        os.kill(os.getpid(), signal.SIGUSR1)

    def _exit_in_time(self) -> None:
        if not self.finished.wait(EXIT_SECONDS):
            _exit(self)


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[Interruption]:
    """Let Ctrl-C and SIGTERM (of ``ray job stop``) end the launch cleanly; the second signal ends it at once."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def receive(number: int, frame: Any) -> None:
        if interruption.reason:
            raise KeyboardInterrupt
        interruption.request("interrupted")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, receive) for number in numbers]
    early = signal.signal(signal.SIGUSR1, lambda number, frame: None)  # until Tune has set its own handler
    try:
        yield interruption
    except KeyboardInterrupt:
        interruption.reason = "interrupted"
    finally:
        for number, handler in zip((*numbers, signal.SIGUSR1), (*before, early), strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupted_by_node_loss(interruption: Interruption, scratch: Scratch) -> Iterator[None]:
    """Request an interruption when Ray's node of this process is gone: Tune itself would wait for ever.

    Parameters
    ----------
    interruption : Interruption
        Is asked for, with the reason.
    scratch : Scratch
        Its logs may tell why, and stay when the node is gone.
    """
    import ray

    mine, stop = ray.get_runtime_context().get_node_id(), threading.Event()

    def watch() -> None:
        while not stop.wait(POLL_SECONDS):
            try:
                alive = any(n["Alive"] for n in ray.nodes() if n["NodeID"] == mine)  # type: ignore[no-untyped-call]
            except Exception:  # the head node does not answer
                alive = False
            if not alive and not stop.is_set():
                scratch.keep = True
                why = ended_agent(scratch.logs) or f"its logs, until the next launch: {scratch.logs}"
                interruption.request(f"Ray's node on this machine died ({why})")
                return

    thread = threading.Thread(target=watch, name="node watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(EXIT_SECONDS)  # or it would ask a cluster that is being shut down


def _exit(interruption: Interruption) -> None:
    """End this process and what it started: Ray no longer answers, so that nothing can end in order."""
    from ray._private.worker import _global_node as node

    print(f"sweeps: {interruption.reason}; nothing is lost: run the same again", file=sys.stderr, flush=True)
    if node is not None:
        with contextlib.suppress(Exception):
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    os._exit(1)
