"""Machines die: after a node, a disk, or Ray itself, the finished cube is the undisturbed one, bit for bit."""

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
from calque.sweeps.results.progress import read_progress
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.sweeps_processes import LONG_STUDY, alive, comes_true, commands, descendants, gone, holders, slowed, sweeps
from tests.test_sweeps_trial import same

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]
WILD = "  wild: {training: {learning_rate: 1e30, gradient_clip: 0}}\n"
"""A run whose loss is not finite, every time."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cube of both runs, one after the other in this process, without Ray."""
    folder = tmp_path_factory.mktemp("undisturbed")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    path = folder / "small.yaml"
    path.write_text(LONG_STUDY)
    study = read_study(path)
    claim(folder / "results", study)
    for run in study.runs:
        assert run_trial(TrialRequest(config=run, results=folder / "results", study_yaml=study.text)).state == "done"
    write_cube(study, folder / "results", folder / "results.nc")
    return folder / "results.nc"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(LONG_STUDY)
    return path


def comes_to_work(study: Path, results: Path, name: str) -> bool:
    """Wait until a run has a checkpoint and trains, and return whether it came to that."""
    run = read_study(study).run(name)
    at_work = lambda: read_progress(results, run).state == "training"  # noqa: E731
    return comes_true(lambda: (results / "runs" / name / "run.nc").exists() and at_work(), 900)


def test_a_node_that_dies_is_outlived_on_another(study: Path, undisturbed: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        doomed = cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
        process = sweeps("run", study, "--results", tmp_path / "results", RAY_ADDRESS=cluster.address)
        assert comes_to_work(study, tmp_path / "results", "first-s0")
        with slowed(os.getpid()):
            cluster.remove_node(doomed, allow_graceful=False)
        cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        assert "2 of 2 runs done" in out
        attempts = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/attempts.json")]
        assert any(each["place"] != "the start" for each in attempts), "one was begun again in its midst"
    finally:
        cluster.shutdown()
    same(cube.read(tmp_path / "results" / "results.nc"), cube.read(undisturbed))


@pytest.mark.slow
def test_killed_and_terminated_trials_are_started_again(study: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = sweeps("run", study, "--results", tmp_path / "results")
    for name, number in (("first-s0", signal.SIGKILL), ("first-s1", signal.SIGTERM)):
        assert comes_to_work(study, tmp_path / "results", name)
        working = holders(tmp_path / "results" / "runs" / name / ".lock", descendants(process.pid))
        assert len(working) == 1
        os.kill(working.pop(), number)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    terminated = json.loads((tmp_path / "results" / "runs" / "first-s1" / "attempts.json").read_text())
    assert terminated["place"].startswith("step-"), "SIGTERM leaves a full state, long before one is due"
    same(cube.read(tmp_path / "results" / "results.nc"), cube.read(undisturbed))


def test_the_end_of_ray_itself_ends_the_launch_and_leaves_nothing(
    study: Path, undisturbed: Path, tmp_path: Path
) -> None:
    process = sweeps("run", study, "--results", tmp_path / "results")
    assert comes_to_work(study, tmp_path / "results", "first-s0")
    below = descendants(process.pid)
    raylet = [pid for pid, command in commands(below).items() if command.split(b"\0")[0].endswith(b"/raylet")]
    assert len(raylet) == 1
    with slowed(process.pid):
        os.kill(raylet[0], signal.SIGKILL)
        out, err = process.communicate(timeout=600)
    assert process.returncode == 1, out + err
    assert "sweeps: Ray's node on this machine died" in err
    assert "Traceback" not in err, err
    assert gone(below, 300), f"still running: {commands(alive(below))}"
    process = sweeps("run", study, "--results", tmp_path / "results")
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    same(cube.read(tmp_path / "results" / "results.nc"), cube.read(undisturbed))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", folder], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)


def fill(disk: Path) -> Path:
    path = disk / "fill"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path


def rows(results: Path) -> list[int]:
    files = [results / "runs" / f"first-s{i}" / "run.nc" for i in (0, 1)]
    return [cube.read(file).sizes["checkpoint"] if file.exists() else 0 for file in files]


def test_a_full_disk_is_waited_for_and_a_wild_run_ends_alone(disk: Path, study: Path, undisturbed: Path) -> None:
    study.write_text(LONG_STUDY + WILD)
    results = disk / "results"
    process = sweeps("run", study, "--results", results)
    assert comes_to_work(study, results, "first-s0")
    filled = fill(disk)
    time.sleep(2)
    before = rows(results)
    time.sleep(4)
    assert rows(results) == before
    assert sum(before) < cube.read(undisturbed)["tokens"].notnull().sum()
    filled.unlink()
    out, err = process.communicate(timeout=900)
    assert process.returncode == 1, err
    assert "2 of 3 runs done" in out
    assert "wild: failed: the" in out and "is nan at step" in out
    joined = cube.read(results / "results.nc")
    for name in ("first-s0", "first-s1"):
        one = cube.read(results / "runs" / name / "run.nc")
        one.attrs["study_yaml"] = LONG_STUDY  # its own has the wild run, too
        same(one, cube.read(undisturbed.parent / "results" / "runs" / name / "run.nc"))
        assert name in [str(run) for run in joined["run"].values]
