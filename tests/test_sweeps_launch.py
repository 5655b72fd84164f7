"""The whole study under a local Ray: it ends, resumes after its driver is killed, and leaves no process behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from calque.data import cube
from tests.sweeps_processes import LONG_STUDY, alive, descendants, gone, slowed, sweeps
from tests.test_sweeps_trial import same

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    study = folder / "small.yaml"
    study.write_text(LONG_STUDY)
    process = sweeps("run", study, "--results", folder / "results")
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "2 of 2 runs done" in out
    assert "first-s0: done" in err
    return folder


def test_a_second_call_starts_nothing_and_says_so(undisturbed: Path) -> None:
    process = sweeps("run", undisturbed / "small.yaml", "--results", undisturbed / "results")
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "2 of 2 runs done" in out
    assert "preparing" not in err


def test_status_and_collect_answer_in_json(undisturbed: Path, tmp_path: Path) -> None:
    where = (undisturbed / "small.yaml", "--results", undisturbed / "results")
    out, err = sweeps("status", *where, "--json", "-").communicate(timeout=200)
    runs = json.loads(out)["runs"]
    assert [(run["run"], run["state"]) for run in runs] == [("first-s0", "done"), ("first-s1", "done")], err
    out, err = sweeps("collect", *where, "-o", tmp_path / "c.nc", "--json", "-").communicate(timeout=200)
    assert json.loads(out)["sizes"]["run"] == 2, err
    same(cube.read(tmp_path / "c.nc"), cube.read(undisturbed / "results" / "results.nc"))


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["killed", "ctrl-c"]
)
def test_stopped_in_the_middle_it_leaves_no_process_and_ends_the_same(
    undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    study, results = tmp_path / "small.yaml", tmp_path / "results"
    study.write_text(LONG_STUDY)
    process = sweeps("run", study, "--results", results)
    until = time.monotonic() + 600
    files = [results / "runs" / f"first-s{i}" / "run.nc" for i in (0, 1)]
    while not any(file.exists() for file in files) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    below = descendants(process.pid)
    assert below, "ray's processes are below the driver"
    with slowed(process.pid) if number == signal.SIGINT else contextlib.nullcontext():
        process.send_signal(number)
        out, err = process.communicate(timeout=400)
    if number == signal.SIGINT:
        assert process.returncode == 1, err
        assert "sweeps: interrupted" in err
        assert "of 2 runs done" in out
        assert f"resume with: sweeps run {study} --results {results}" in out
    assert gone(below, 300), f"still running: {alive(below)}"
    process = sweeps("run", study, "--results", results)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    same(cube.read(results / "results.nc"), cube.read(undisturbed / "results" / "results.nc"))
