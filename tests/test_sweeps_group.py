"""Runs of several devices: who stands where, a run on this machine, and one under Ray that loses a process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from calque.data import cube
from calque.data.errors import UserError
from calque.sweeps.launch.ranks import ProcessPlacement, environments
from calque.sweeps.results.progress import read_progress
from calque.sweeps.running import run_one
from calque.sweeps.study.study import Study, read_study
from tests.conftest import SMALL_STUDY
from tests.sweeps_processes import comes_true, commands, descendants, sweeps
from tests.test_sweeps_trial import same

MANY = (
    SMALL_STUDY.replace("tokens: 40k", "tokens: 60k").replace("train_tokens: 60k", "train_tokens: 80k")
    .replace("seeds: [0]", "seeds: [0], training: {devices: 2, strategy: fsdp2}").partition("  first-s1")[0]
)  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("group")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    path = folder / "small.yaml"
    path.write_text(MANY)
    study = read_study(path)
    standing, _ = run_one(study, study.run("first-s0"), str(folder / "results"))
    assert standing.state == "done", standing.message
    return study, folder / "results" / "runs" / "first-s0" / "run.nc"


def test_processes_are_ranked_node_by_node_and_see_their_nodes_gpus() -> None:
    seats = [
        ProcessPlacement(node="a", address="10.0.0.1", port=1, gpus=("0",)),
        ProcessPlacement(node="b", address="10.0.0.2", port=2, gpus=("3",)),
        ProcessPlacement(node="a", address="10.0.0.1", port=3, gpus=("5",)),
        ProcessPlacement(node="b", address="10.0.0.2", port=4, gpus=("1",)),
    ]
    found = environments(seats)
    assert [e["RANK"] for e in found] == ["0", "2", "1", "3"]
    assert [e["LOCAL_RANK"] for e in found] == ["0", "0", "1", "1"]
    assert [e["GROUP_RANK"] for e in found] == ["0", "1", "0", "1"]
    assert [e["CUDA_VISIBLE_DEVICES"] for e in found] == ["0,5", "3,1", "0,5", "3,1"]
    assert {(e["MASTER_ADDR"], e["MASTER_PORT"], e["WORLD_SIZE"], e["LOCAL_WORLD_SIZE"]) for e in found} == {
        ("10.0.0.1", "1", "4", "2")
    }


def test_two_processes_give_what_one_gives(undisturbed: tuple[Study, Path], tmp_path: Path) -> None:
    study, file = undisturbed
    path = tmp_path / "one.yaml"
    path.write_text(MANY.replace("devices: 2, strategy: fsdp2", "devices: 1"))
    alone = read_study(path)
    standing, _ = run_one(alone, alone.run("first-s0"), str(tmp_path / "results"))
    assert standing.state == "done", standing.message
    two, one = cube.read(file), cube.read(tmp_path / "results" / "runs" / "first-s0" / "run.nc")
    np.testing.assert_array_equal(two["step"], one["step"])
    np.testing.assert_allclose(two["loss"], one["loss"], atol=1e-4)
    assert list(two["step"].values[0]) == list(map(float, study.run("first-s0").checkpoint_steps()))


def test_processes_started_by_hand_do_not_all_copy_to_an_address(
    undisturbed: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "own")
    study = undisturbed[0]
    with pytest.raises(UserError, match="one process copies, and 2 processes were started; let `sweeps trial`"):
        run_one(study, study.run("first-s0"), f"file://{tmp_path}/bucket")
    assert not (tmp_path / "bucket").exists()


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
def test_a_killed_process_of_a_run_ends_all_of_it_and_all_begin_again(
    undisturbed: tuple[Study, Path], tmp_path: Path
) -> None:
    study, file = undisturbed
    results, run = tmp_path / "results", study.run("first-s0")
    process = sweeps("run", study.path, "--results", results, "--cpus", "3")
    file_there = lambda: (results / "runs" / run.name / "run.nc").exists()  # noqa: E731
    assert comes_true(lambda: file_there() and read_progress(results, run).state == "training", 900)
    members = [pid for pid, command in commands(descendants(process.pid)).items() if b"ray::RankActor" in command]
    assert len(members) == 2
    os.kill(members[-1], signal.SIGKILL)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "1 of 1 run done" in out
    begun = json.loads((results / "runs" / run.name / "attempts.json").read_text())
    assert begun["place"] != "the start" or begun["count"] == 2
    same(cube.read(results / "runs" / run.name / "run.nc"), cube.read(file))
