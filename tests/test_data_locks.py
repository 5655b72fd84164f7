"""Locks between processes: waited for, refused, and gone with their holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.data.locks import locked

HOLDER = """
import os, sys, time
from pathlib import Path
from calque.data.locks import locked
with locked(Path(sys.argv[1])):
    child = os.fork() if sys.argv[2] == "fork" else None
    if child != 0:
        print("held", child, flush=True)
    time.sleep(600)
"""


def holder(path: Path, how: str = "alone") -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        words = told.readline().split()
    assert words[0] == "held"
    return process, words[1]


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_a_lock_is_refused_while_it_is_held_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    process, _ = holder(path)
    try:
        with pytest.raises(UserError, match="^run 'a' is already running; wait for it or stop it first$"):
            with locked(path, "run 'a'", wait=0):
                pass
        began, told = time.monotonic(), []
        with pytest.raises(UserError, match="is already running"):
            with locked(path, wait=1.0, on_wait=lambda: told.append(1)):
                pass
        assert 0.9 < time.monotonic() - began < 5 and told == [1]
        end(process)
        with locked(path, wait=0):
            pass
    finally:
        end(process)


def test_who_waits_has_the_lock_when_its_holder_is_killed(tmp_path: Path) -> None:
    process, _ = holder(tmp_path / "lock")
    told = threading.Event()
    threading.Thread(target=lambda: (told.wait(30), process.send_signal(signal.SIGKILL))).start()
    with locked(tmp_path / "lock", on_wait=told.set):
        assert process.wait(10) == -signal.SIGKILL
    assert told.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    process, child = holder(tmp_path / "lock", "fork")
    try:
        end(process)
        with locked(tmp_path / "lock", wait=60):  # as soon as the child has closed what it inherited
            pass
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_the_lock_of_a_removed_file_is_not_the_lock_of_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process, _ = holder(path)
    try:
        path.unlink()
        with locked(path, wait=0):
            assert path.exists()
    finally:
        end(process)
