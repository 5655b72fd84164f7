"""One run: killed at any moment it goes on where it stood, and its cube is the uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.data import cube
from calque.data.errors import UserError
from calque.models.training.monitoring import step_log
from calque.models.training.monitoring.step_log import read_steps
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import collect
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Every variable and coordinate is equal in every bit; attributes too, but for when and on what it was written."""
    assert set(one.variables) == set(other.variables)
    for name, variable in one.variables.items():
        if name == "environment_json":
            continue
        assert variable.dims == other[name].dims
        if variable.dtype.kind == "f":
            np.testing.assert_array_equal(variable.values.view(np.uint8), other[name].values.view(np.uint8), str(name))
        else:
            np.testing.assert_array_equal(variable.values, other[name].values, str(name))
    assert {k: str(v) for k, v in one.attrs.items() if k != "created"} == {
        k: str(v) for k, v in other.attrs.items() if k != "created"
    }


def start_trial(study: Path, results: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "calque.sweeps.cli", "trial", str(study), "first-s0", "--results", str(results)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from tests.conftest import SMALL_STUDY

    folder = tmp_path_factory.mktemp("finished")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    study = folder / "small.yaml"
    study.write_text(SMALL_STUDY)
    loaded = read_study(study)
    results = folder / "results"
    claim(results, loaded)
    standing = run_trial(TrialRequest(config=loaded.run("first-s0"), results=results, study_yaml=loaded.text))
    assert standing.state == "done", standing.message
    return study, results


def test_a_run_gives_a_whole_valid_cube(finished: tuple[Path, Path]) -> None:
    study, results = finished
    run = cube.read(results / "runs" / "first-s0" / "run.nc")
    config = read_study(study).run("first-s0")
    steps = np.array(config.checkpoint_steps(), float)
    np.testing.assert_array_equal(run["step"].values[0], steps)
    np.testing.assert_array_equal(run["tokens"].values[0], steps * 128)
    outcome = run["translation_outcome"].values
    assert outcome.shape == (1, len(steps), 3, 3, 8)
    assert set(np.unique(outcome)) <= {0, 1, 2, 3}
    assert run["loss"].values[0, -1].mean() < run["loss"].values[0, 0].mean() - 1
    assert len(set(run["checkpoint_sha256"].values[0])) == len(steps)
    weights = sorted((results / "runs" / "first-s0" / "weights").glob("*.safetensors"))
    assert len(weights) == len(steps)
    logged = read_steps(results / "runs" / "first-s0" / step_log.FILE)
    assert [each.step for each in logged] == list(range(1, int(steps[-1]) + 1))
    _, timing = cube.read_with(results / "runs" / "first-s0" / "run.nc", "timing")
    assert timing is not None and timing["training_loss"].attrs["units"] == "nat/token"
    last = [each.loss for each in logged if each.step > steps[-2]]
    assert timing["training_loss"].values[0, -1] == pytest.approx(np.mean(last), rel=1e-8)  # nine digits
    assert np.isnan(timing["gradient_norm"].values[0, 0]) and (timing["gradient_norm"].values[0, 1:] > 0).all()


def test_a_run_is_repeated_from_its_cube_alone(finished: tuple[Path, Path], tmp_path: Path) -> None:
    _, results = finished
    original = cube.read(results / "runs" / "first-s0" / "run.nc")
    config = RunConfig.from_dict(json.loads(original["config_json"].item()))
    run_trial(TrialRequest(config=config, results=tmp_path, study_yaml=original.attrs["study_yaml"]))
    same(cube.read(tmp_path / "runs" / "first-s0" / "run.nc"), original)


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_hard_at_any_moment_it_ends_the_same(finished: tuple[Path, Path], tmp_path: Path, seed: int) -> None:
    study, undisturbed = finished
    results = tmp_path / "results"
    rng = random.Random(seed)
    target = results / "runs" / "first-s0" / "run.nc"
    for kept in (1, rng.randint(3, 6)):
        process = start_trial(study, results)
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if target.exists() and cube.read(target).sizes["checkpoint"] >= kept:
                break
            time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert cube.read(target).sizes["checkpoint"] >= 1
    process = start_trial(study, results)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    same(cube.read(target), cube.read(undisturbed / "runs" / "first-s0" / "run.nc"))
    logged, expected = (read_steps(at / "runs" / "first-s0" / step_log.FILE) for at in (results, undisturbed))
    assert [(each.step, each.loss) for each in logged] == [(each.step, each.loss) for each in expected]


def test_a_damaged_last_state_falls_back_to_the_one_before(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, undisturbed = finished
    results = tmp_path / "results"
    shutil.copytree(undisturbed, results)
    run = results / "runs" / "first-s0"
    states = sorted((run / "states").glob("*.ckpt"))
    states[-1].write_bytes(states[-1].read_bytes()[:1000])
    loaded = read_study(study)
    assert (
        run_trial(TrialRequest(config=loaded.run("first-s0"), results=results, study_yaml=loaded.text)).state == "done"
    )
    same(cube.read(run / "run.nc"), cube.read(undisturbed / "runs" / "first-s0" / "run.nc"))


def test_an_error_in_a_run_is_recorded_not_raised(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calque.models.training import loop

    def broken(*args: object, **kwargs: object) -> None:
        raise FloatingPointError("the loss is nan at step 3")

    monkeypatch.setattr(loop, "train", broken)
    loaded = read_study(finished[0])
    standing = run_trial(TrialRequest(config=loaded.run("first-s0"), results=tmp_path, study_yaml=loaded.text))
    assert (standing.state, standing.message) == ("failed", "the loss is nan at step 3")
    assert "FloatingPointError" in (tmp_path / "runs" / "first-s0" / "error.txt").read_text()


def test_the_cube_names_the_commit_of_a_checkout(finished: tuple[Path, Path]) -> None:
    _, results = finished
    processes = json.loads(cube.read(results / "runs" / "first-s0" / "run.nc")["environment_json"].item())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    if commit.returncode:
        pytest.skip("the tests are outside a checkout")
    assert commit.stdout.startswith(processes[-1]["commit"].removesuffix("-dirty"))


def other_study(study: Path, change: tuple[str, str]) -> Study:
    path = study.with_name("other.yaml")
    path.write_text(study.read_text().replace(*change))
    return read_study(path)


def test_results_of_another_study_are_left_alone(finished: tuple[Path, Path]) -> None:
    study, results = finished
    before = (results / "study.json").read_bytes()
    for change in (("study: small", "study: large"), ("batch_size: 4", "batch_size: 5")):
        with pytest.raises(UserError, match="results of another study"):
            claim(results, other_study(study, change))
    assert (results / "study.json").read_bytes() == before
    claim(results, other_study(study, ("seeds: [0]", "seeds: [0, 2]")))  # an added run is no other study


def test_a_folder_with_other_files_is_left_alone(small_study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("x")
    with pytest.raises(UserError, match="files that no study wrote"):
        claim(folder, read_study(small_study))


def test_collect_takes_the_runs_that_are_there(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, results = finished
    loaded = read_study(study)
    joined = collect(results, loaded).cube
    assert list(joined["run"].values) == ["first-s0"]
    cube.write(joined, tmp_path / "results.nc")
    assert cube.read(tmp_path / "results.nc").attrs["study"] == "small"
    with pytest.raises(UserError, match="no checkpoint"):
        collect(tmp_path / "empty", loaded)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_ends_in_one_line_and_loses_nothing(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, undisturbed = finished
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110k", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        process = start_trial(study, small / "results")
        out, err = process.communicate(timeout=240)
        assert process.returncode == 1, err
        complaint = [line for line in err.splitlines() if line.startswith("sweeps: ")]
        assert len(complaint) == 1, err
        assert "full" in complaint[0] or "No space" in complaint[0]
        assert "Traceback" not in err
        target = small / "results" / "runs" / "first-s0" / "run.nc"
        rows = cube.read(target).sizes["checkpoint"] if target.exists() else 0
        subprocess.run(["mount", "-o", "remount,size=50m", small], check=True)
        process = start_trial(study, small / "results")
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert cube.read(target).sizes["checkpoint"] > rows
        same(cube.read(target), cube.read(undisturbed / "runs" / "first-s0" / "run.nc"))
    finally:
        subprocess.run(["umount", small], check=False)
