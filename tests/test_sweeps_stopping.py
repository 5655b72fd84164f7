"""SIGTERM, as a spot machine sends it: a full state at once, and the same end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from calque.data import cube
from calque.sweeps.results.progress import read_progress
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.stopping import catch_sigterm
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.sweeps_processes import comes_true, sweeps
from tests.test_sweeps_trial import same

SPARSE = (
    SMALL_STUDY.replace("tokens: 40k", "tokens: 120k").replace("train_tokens: 60k", "train_tokens: 140k")
    .replace("{every: 8k, log_spaced: 3, first: 1k}", "{every: 120k}").replace(", checkpoints: {every: 10k}", "")
)  # fmt: skip
"""Checkpoints at the beginning and the end alone: a state in between is there because it was asked for."""


def test_sigterm_keeps_a_state_between_checkpoints_and_the_end_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SPARSE)
    study = read_study(path)
    run = study.run("first-s0")
    assert run_trial(TrialRequest(config=run, results=tmp_path / "undisturbed", study_yaml=study.text)).state == "done"

    results = tmp_path / "results"
    process = sweeps("trial", path, run.name, "--results", results)
    assert comes_true(lambda: read_progress(results, run).tokens > 1000 or process.poll() is not None, 300)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "stopped at step" in err and "by SIGTERM; run the same again to go on" in err
    assert "Traceback" not in err
    states = [int(state.stem.removeprefix("step-")) for state in (results / "runs" / run.name).glob("states/*.ckpt")]
    assert len(states) == 1 and 0 < states[0] < run.training.steps
    assert read_progress(results, run).state == "waiting"

    process = sweeps("trial", path, run.name, "--results", results)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    file = Path("runs") / run.name / "run.nc"
    same(cube.read(results / file), cube.read(tmp_path / "undisturbed" / file))


def test_the_second_sigterm_is_not_ours() -> None:
    code = """
import os, signal
from calque.sweeps.trial.stopping import catch_sigterm
with catch_sigterm() as stop:
    assert not stop()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop()
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == "" and done.stderr == ""


@pytest.mark.parametrize("raising", [False, True])
def test_what_was_before_is_put_back(raising: bool) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with catch_sigterm():
            assert signal.getsignal(signal.SIGTERM) is not before
            if raising:
                raise KeyError
    except KeyError:
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    heard = []

    def elsewhere() -> None:
        with catch_sigterm() as stop:
            heard.append(stop())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [False]
