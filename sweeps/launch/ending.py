"""How a launch ends early: asked to by a signal, or because its node died."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

WATCH_SECONDS, LEAVE_SECONDS = 3.0, 30.0


class Ending:
    """Why Tune was asked to end, and the way to ask it: SIGUSR1 lets it finish cleanly.

    Where Ray is gone, or goes too, nothing would ever finish: the process then leaves by itself.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.settled = threading.Event()

    def ask(self, reason: str) -> None:
        """Ask Tune to end, and see that this process does."""
        self.reason = reason
        threading.Thread(target=self._leave_in_time, name="leaving", daemon=True).start()
        os.kill(os.getpid(), signal.SIGUSR1)

    def _leave_in_time(self) -> None:
        if not self.settled.wait(LEAVE_SECONDS):
            _leave(self)


@contextlib.contextmanager
def asked_to_end() -> Iterator[Ending]:
    """Take Ctrl-C and SIGTERM (of ``ray job stop``) as a wish to end; the second one ends at once."""
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def note(number: int, frame: Any) -> None:
        if ending.reason:
            raise KeyboardInterrupt
        ending.ask("interrupted")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    early = signal.signal(signal.SIGUSR1, lambda number, frame: None)  # until Tune has its own
    try:
        yield ending
    except KeyboardInterrupt:
        ending.reason = "interrupted"
    finally:
        for number, handler in zip((*numbers, signal.SIGUSR1), (*before, early), strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def head_watched(ending: Ending) -> Iterator[None]:
    """End the launch when the node of this process is gone: Tune itself would wait for ever."""
    import ray

    mine, stop = ray.get_runtime_context().get_node_id(), threading.Event()

    def watch() -> None:
        while not stop.wait(WATCH_SECONDS):
            try:
                alive = any(n["Alive"] for n in ray.nodes() if n["NodeID"] == mine)  # type: ignore[no-untyped-call]
            except Exception:  # the head cannot even be asked
                alive = False
            if not alive and not stop.is_set():
                ending.ask("Ray's node on this machine died")
                return

    thread = threading.Thread(target=watch, name="head watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LEAVE_SECONDS)  # or it asks a cluster that is being shut down


def _leave(ending: Ending) -> None:
    """End this process and what it started, where Ray no longer answers and so nothing can end in order."""
    from ray._private.worker import _global_node as node

    print(f"sweeps: {ending.reason}; nothing is lost: run the same again", file=sys.stderr, flush=True)
    if node is not None:
        with contextlib.suppress(Exception):
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    os._exit(1)
