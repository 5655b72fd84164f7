"""Weights of finished runs that are damaged, swapped, cut short or gone: found by status and collect."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data import cube
from calque.sweeps.cli import app
from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.results.verifying import glance, verify
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study file and its results, one run trained to the end."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "small.yaml").write_text(SMALL_STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        assert (
            run_trial(
                TrialRequest(config=read_study(folder / "small.yaml").run("first-s0"), results=folder / "results")
            ).state
            == "done"
        )
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def weights(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "runs" / "first-s0" / "weights").glob("*.safetensors"))


def call(folder: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(
        app, [words[0], str(folder / "small.yaml"), "--results", str(folder / "results"), *words[1:]]
    )
    return done.exit_code, done.stdout, done.stderr


def spoil(folder: Path) -> tuple[Path, Path, Path, Path]:
    """Flip a bit of one file, cut one, remove one, and put one in the place of another."""
    flipped, cut, gone, swapped, donor, *_ = weights(folder)
    content = bytearray(flipped.read_bytes())
    content[-1] ^= 1
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:-100])
    gone.unlink()
    shutil.copy(donor, swapped)
    return flipped, cut, gone, swapped


def test_whole_weights_are_found_whole(trained: Path) -> None:
    code, out, _ = call(trained, "status", "--verify")
    steps = len(weights(trained))
    assert code == 0 and f"{steps} files of weights" in out and "all as written" in out
    answer = json.loads(call(trained, "status", "--verify", "--json", "-")[1])
    size = sum(path.stat().st_size for path in weights(trained))
    assert answer["weights"] == {"files": steps, "bytes": size, "faults": []}
    assert "weights" not in json.loads(call(trained, "status", "--json", "-")[1])


def test_damaged_swapped_cut_and_missing_weights_are_named(copied: Path) -> None:
    flipped, cut, gone, swapped = spoil(copied)
    code, out, _ = call(copied, "status", "--verify")
    assert code == 1
    lines = {
        line.split()[1].removeprefix("weights/"): line for line in out.splitlines() if line.startswith("first-s0: ")
    }
    assert set(lines) == {path.name for path in (flipped, cut, gone, swapped)}
    for path in (flipped, cut, swapped):
        assert "is damaged or was swapped (SHA-256" in lines[path.name]
    assert lines[gone.name].endswith("is missing")
    assert "sweeps trial --from results.nc" in out
    assert call(copied, "status")[0] == 0, "without --verify nothing is read"


def test_collect_sees_what_a_glance_shows_and_gathers_all_the_same(trained: Path, copied: Path, tmp_path: Path) -> None:
    _, cut, gone, _ = spoil(copied)
    code, out, err = call(copied, "collect", "-o", str(tmp_path / "c.nc"), "--json", "-")
    assert code == 0
    assert {fault["file"] for fault in json.loads(out)["faults"]} == {f"weights/{cut.name}", f"weights/{gone.name}"}
    assert err.count("sweeps: first-s0: weights/") == 2 and "the cube is whole" in err
    assert call(trained, "collect", "-o", str(tmp_path / "whole.nc"))[2] == ""
    assert cube.read(tmp_path / "c.nc").drop_attrs().equals(cube.read(tmp_path / "whole.nc").drop_attrs())


def test_only_what_should_be_there_is_missed(copied: Path) -> None:
    study, results = read_study(copied / "small.yaml"), copied / "results"
    run = study.run("first-s0")
    *dropped, _ = weights(copied)
    for path in dropped:
        path.unlink()
    assert len(glance(results, [run]).faults) == len(dropped)
    (copied / "last.yaml").write_text(
        SMALL_STUDY.replace("warmup_tokens: 2k", "warmup_tokens: 2k, keep_weights: 'last:1'")
    )
    sparing = read_study(copied / "last.yaml").run("first-s0")
    progress = read_progress(results, run)
    write_progress(results, sparing, type(progress)(**{**vars(progress), "run_id": sparing.run_id}))
    assert glance(results, [sparing]).faults == () and verify(results, [sparing]).files == 1
    write_progress(results, run, type(progress)(**{**vars(progress), "state": "training"}))
    assert glance(results, [run]).faults == (), "while it trains, files come and go"


def test_a_runs_damaged_cube_is_a_fault_of_its_own(copied: Path) -> None:
    (copied / "results" / "runs" / "first-s0" / "run.nc").write_bytes(b"no cube")
    code, out, _ = call(copied, "status", "--verify")
    assert code == 1 and "first-s0: run.nc cannot be read" in out


def test_verifying_needs_no_torch() -> None:
    code = "import sys, calque.sweeps.results.verifying; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
