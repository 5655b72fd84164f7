"""Disks fail: a results root that is read-only for a while, a last state that is damaged; the end is the same."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calque.data import cube
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.sweeps_processes import LONG_STUDY, alive, comes_true, commands, descendants, gone, holders, slowed, sweeps
from tests.test_sweeps_faults import comes_to_work, rows
from tests.test_sweeps_trial import same

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cube of the study without Ray and without faults."""
    folder = tmp_path_factory.mktemp("whole")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    (folder / "small.yaml").write_text(LONG_STUDY)
    study = read_study(folder / "small.yaml")
    claim(folder / "results", study)
    for run in study.runs:
        run_trial(TrialRequest(config=run, results=folder / "results", study_yaml=study.text))
    write_cube(study, folder / "results", folder / "whole.nc")
    return folder / "whole.nc"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(LONG_STUDY)
    return tmp_path / "small.yaml"


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount a folder over itself so that nothing in it can be opened for writing; what is open stays so."""
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", folder, folder], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (folder / "probe").touch()
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_root_that_is_read_only_for_a_while_is_waited_for(file: Path, whole: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = sweeps("run", file, "--results", results)
    assert comes_to_work(file, results, "first-s0")
    with slowed(process.pid):
        before = rows(results)
        assert sum(before) < int(cube.read(whole)["tokens"].notnull().sum()), "it is in its midst"
        with contextlib.ExitStack() as until_mended:
            until_mended.enter_context(read_only(results))
            before = rows(results)
            time.sleep(8)
            assert rows(results) == before and process.poll() is None
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "2 of 2 runs done" in out
    attempts = [json.loads(path.read_text()) for path in results.glob("runs/*/attempts.json")]
    assert [(each["place"], each["count"]) for each in attempts] == [("the start", 1)] * 2, "waiting is no dying"
    same(cube.read(results / "results.nc"), cube.read(whole))


@pytest.mark.slow
def test_a_damaged_last_state_is_not_gone_on_from(file: Path, whole: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = results / "runs" / "first-s0"
    process = sweeps("run", file, "--results", results)
    assert comes_to_work(file, results, "first-s0")
    below = descendants(process.pid)
    with slowed(process.pid):
        for pid in holders(folder / ".lock", below):
            os.kill(pid, signal.SIGTERM)  # keeps a full state
        assert comes_true(lambda: any(folder.glob("states/step-*.ckpt")) and any(folder.glob("states/*.sha256")), 300)
        below |= descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert gone(below, 300), f"still running: {commands(alive(below))}"
    state = max(folder.glob("states/step-*.ckpt"))
    content = bytearray(state.read_bytes())
    content[len(content) // 2 + 1] ^= 0x40  # in a tensor: a model that went on from it would end elsewhere
    state.write_bytes(content)
    process = sweeps("run", file, "--results", results)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "2 of 2 runs done" in out
    same(cube.read(results / "results.nc"), cube.read(whole))
