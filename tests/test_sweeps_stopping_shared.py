"""SIGTERM to a run of two devices, before and while they train; and to one of one device before it trains."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from calque.sweeps.results.progress import RunProgress, read_progress
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study
from tests.sweeps_processes import alive, comes_true, descendants, gone, sweeps
from tests.test_sweeps_stopping import SPARSE

SHARED = (
    SPARSE.replace("120k", "300k")
    .replace("train_tokens: 140k", "train_tokens: 340k")
    .replace("seeds: [0]", "seeds: [0], training: {devices: 2, strategy: fsdp2}")
)


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    (tmp_path / "shared.yaml").write_text(SHARED)
    return read_study(tmp_path / "shared.yaml").run("first-s0")


def started(tmp_path: Path, run: RunConfig, ready: Callable[[RunProgress], bool]) -> subprocess.Popen[str]:
    process = sweeps("trial", tmp_path / "shared.yaml", run.name, "--results", tmp_path / "results")
    came = comes_true(lambda: ready(read_progress(tmp_path / "results", run)) or process.poll() is not None, 300)
    assert came and process.poll() is None, process.communicate()
    return process


def waits(process: subprocess.Popen[str], tmp_path: Path, run: RunConfig, said: str) -> None:
    below = descendants(process.pid)
    _, err = process.communicate(timeout=300)
    standing = read_progress(tmp_path / "results", run)
    assert (process.returncode, standing.state) == (1, "waiting"), err + standing.message
    assert said in standing.message and f"{standing.message}; run the same again to go on" in err
    # on a busy machine a process of multiprocessing may still have been without its work to read, and says so itself
    assert err.count("Traceback") == err.count("in spawn_main") and "death signal" not in err, err
    assert gone(below, 60), alive(below)


def newest_state(tmp_path: Path, run: RunConfig) -> int:
    states = (tmp_path / "results" / "runs" / run.name / "states").glob("step-*.ckpt")
    return max(int(path.stem.removeprefix("step-")) for path in states)


def test_several_that_do_not_train_yet_wait_when_terminated(tmp_path: Path, run: RunConfig) -> None:
    process = started(tmp_path, run, lambda standing: standing.state == "preparing")
    # both and the tracker of resources: a process that starts while its parent is stopped has no work to read
    assert comes_true(lambda: len(descendants(process.pid)) >= 3, 300)
    process.send_signal(signal.SIGTERM)
    waits(process, tmp_path, run, "by SIGTERM")


def test_several_that_train_keep_a_state_though_all_are_told_twice(tmp_path: Path, run: RunConfig) -> None:
    process = started(tmp_path, run, lambda standing: standing.tokens > 1000)
    os.killpg(process.pid, signal.SIGTERM)  # the machine tells all; the launcher tells those it started once more
    waits(process, tmp_path, run, "stopped at step")
    step = newest_state(tmp_path, run)
    assert 0 < step < run.training.steps
    process = started(tmp_path, run, lambda standing: standing.tokens > step * run.training.tokens_per_step)
    process.send_signal(signal.SIGTERM)
    waits(process, tmp_path, run, "stopped at step")
    assert newest_state(tmp_path, run) > step, "it went on from where it was stopped"


def test_one_that_does_not_train_yet_waits_when_terminated(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(SPARSE)
    run = read_study(tmp_path / "shared.yaml").run("first-s0")
    process = started(tmp_path, run, lambda standing: standing.state == "preparing")
    process.send_signal(signal.SIGTERM)
    waits(process, tmp_path, run, "by SIGTERM")
