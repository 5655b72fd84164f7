"""Studies as processes of their own, and what lives below them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import SMALL_STUDY

LONG_STUDY = SMALL_STUDY.replace("tokens: 40k", "tokens: 300k").replace("train_tokens: 60k", "train_tokens: 340k")
"""Long enough to be in its midst when something dies."""
os.environ.setdefault("RAY_worker_niceness", "0")  # or trials starve where other tests keep the cores busy


def sweeps(*words: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command with these words, as the leader of a session of its own."""
    command = [sys.executable, "-m", "calque.sweeps.cli", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | environment,
    )  # fmt: skip


def descendants(pid: int) -> set[int]:
    """Process ids below ``pid``, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return {pid for pid in pids if runs(pid)}


def gone(pids: set[int], seconds: float) -> bool:
    return comes_true(lambda: not alive(pids), seconds)


def holders(path: Path, pids: set[int]) -> set[int]:
    """Those that have the file open."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if any(os.path.realpath(link) == str(path) for link in Path(f"/proc/{pid}/fd").iterdir()):
                found.add(pid)
    return found


def commands(pids: set[int]) -> dict[int, bytes]:
    """Command lines of those that still run."""
    found = {}
    for pid in pids:
        try:
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def comes_true(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait for something, and return whether it came."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


def send(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Give the trials below a process a tenth of their time.

    However fast the machine, they are then still in their midst when what was done to them, or to Ray, arrives.
    """
    over = threading.Event()
    trials: set[int] = set()

    def brake() -> None:
        while not over.is_set():
            below = commands(descendants(pid))
            trials.update(each for each, command in below.items() if command.startswith(b"ray::ResourceTrainable"))
            send(trials, signal.SIGSTOP)
            over.wait(0.9)
            send(trials, signal.SIGCONT)  # also to those whose parents are gone by now
            over.wait(0.1)

    thread = threading.Thread(target=brake, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def listening(pids: set[int]) -> set[str]:
    """Addresses and ports at which these processes wait for others, from /proc."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                found.add(f"{ipaddress.ip_address(raw)} {int(port, 16)}")
    return found
