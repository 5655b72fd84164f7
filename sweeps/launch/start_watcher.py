"""A program that watches another one start Ray: Ray's library may end it, or hold it for ever, without a word.

It is run as a file with the arguments ``PID SECONDS FOLDER LOGS``. A line on its input says that Ray started. If the
input ends first, it says so; if the time is over, it also ends what runs of Ray in FOLDER, and the process PID.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import time
from pathlib import Path

PATIENCE = 10.0
"""Seconds for the process to end by itself when its Ray is gone."""


def main(pid: int, seconds: float, folder: str, logs: str) -> None:
    """Wait for the line; tell what happened where none comes, and end what is left.

    Parameters
    ----------
    pid : int
        The process that starts Ray.
    seconds : float
        Longest time.
    folder : str
        Stands in the command line of everything that was started of Ray.
    logs : str
        Folder of Ray's logs.
    """
    ready = select.select([sys.stdin], [], [], seconds)[0]
    if ready and sys.stdin.readline():
        return
    why = ended_agent(Path(logs)) or "is the machine or its control group out of memory?"
    what = "ended while it started" if ready else f"did not start within {seconds:.0f} s"
    print(f"sweeps: Ray {what} ({why}); its logs are in {logs}: run the same again", file=sys.stderr, flush=True)
    if ready:
        return
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            mine = int(process.name) in (os.getpid(), pid)
            if not mine and folder in (process / "cmdline").read_text(errors="replace"):
                os.kill(int(process.name), signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def ended_agent(logs: Path) -> str | None:
    """Return in words which of Ray's agents ended and took its node along, as its logs tell; None where none did.

    Parameters
    ----------
    logs : Path
        Folder of Ray's logs.
    """
    try:
        found = re.search(r"agent_name = (\w+)", (logs / "raylet.err").read_text(errors="replace"))
    except OSError:
        return None
    return f"its {found[1]} ended, killed or out of memory" if found else None


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4])
