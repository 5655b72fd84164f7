"""Work in other processes: results, and what a killed parent leaves behind."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest

from calque.phases.processes import spread

PARENT = """
import signal, time
from calque.phases.processes import spread
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(spread(time.sleep, [0.0, 0.0, 600.0, 600.0], 2))
"""


def test_work_goes_to_processes():
    assert sorted(spread(math.sqrt, [4.0, 9.0, 16.0], 2)) == [2.0, 3.0, 4.0]
    assert list(spread(math.sqrt, [4.0], 2)) == [2.0]


def children(pid):
    """Return the processes that ``pid`` started, and those they started."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found += [int(name), *children(int(name))]
    return found


def alive(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(tmp_path, blow):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": os.getcwd()}, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while len(workers := children(parent.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(workers) >= 3, "two workers and what keeps track of their resources"
        time.sleep(1.0)
        if blow == signal.SIGINT:
            os.killpg(parent.pid, blow)  # Ctrl-C reaches the whole group
        else:
            parent.send_signal(blow)
        said = parent.communicate(timeout=10)[1]
        assert said.count("Traceback") == (blow == signal.SIGINT), "the parent's own alone"
        deadline = time.monotonic() + 20
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, workers))
    finally:
        parent.kill()
