"""Provenance: what a cube says of each run's making, and a run repeated from its cube alone."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from calque.data import cube
from calque.data.errors import UserError
from calque.sweeps.cli import app
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.repeat import study_of_cube
from calque.sweeps.study.study import read_study
from calque.sweeps.trial import provenance
from tests.test_sweeps_trial import same


def test_a_run_is_repeated_from_the_cube_of_its_study(small_study: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    for name in ("first-s0", "first-s1"):
        done = CliRunner().invoke(app, ["trial", str(small_study), name, "--results", str(first)])
        assert done.exit_code == 0, done.output
    study = read_study(small_study)
    write_cube(study, first, tmp_path / "results.nc")
    small_study.unlink()
    run_id = study.run("first-s1").run_id
    words = ["trial", "--from", str(tmp_path / "results.nc"), "--run", run_id, "--results", str(tmp_path / "second")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    again = cube.read(tmp_path / "second" / "runs" / "first-s1" / "run.nc")
    same(again, cube.read(first / "runs" / "first-s1" / "run.nc"))

    said = json.loads(again["environment_json"].item())
    assert len(said) == 1
    assert said[0]["packages"]["torch"] == torch.__version__
    assert said[0]["python"] == platform.python_version()
    assert said[0]["cores"] >= 1 and said[0]["processor"]
    for name in ("shards_sha256", "tokenizer_sha256", "config_json", "init_seed", "data_seed"):
        assert str(again[name].item()), name
    joined = cube.read(tmp_path / "results.nc")
    assert len(json.loads(str(joined["environment_json"].values[1]))) == 1


def test_every_machine_that_worked_on_a_run_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = provenance.environment()
    for processor in ("one", "one", "other"):
        monkeypatch.setattr(provenance, "environment", lambda processor=processor: here | {"processor": processor})
        said = json.loads(provenance.note(tmp_path))
    assert [each["processor"] for each in said] == ["one", "other"]


def test_what_cannot_be_repeated_is_said_in_one_line(tmp_path: Path) -> None:
    import numpy as np
    import xarray as xr

    plain = xr.Dataset({"tokens": (("run", "checkpoint"), np.array([[1.0, 2.0]]))}, coords={"run": ["mine"]})
    cube.write(plain, tmp_path / "plain.nc")
    with pytest.raises(UserError, match="no config_json"):
        study_of_cube(tmp_path / "plain.nc", "mine")
    cube.write(plain.assign_coords(config_json=("run", ["{}"])), tmp_path / "odd.nc")
    with pytest.raises(UserError, match="configuration of run 'mine' cannot be read"):
        study_of_cube(tmp_path / "odd.nc", "mine")
    for values, said in (
        ({"name": "mine", "sise": 1}, "unknown key 'sise'"),
        ({"name": "mine"}, "training is missing"),
        ([1], "expected"),
    ):
        cube.write(plain.assign_coords(config_json=("run", [json.dumps(values)])), tmp_path / "odd.nc")
        with pytest.raises(UserError, match=said) as caught:
            study_of_cube(tmp_path / "odd.nc", "mine")
        assert "validation error" not in str(caught.value) and "alue error" not in str(caught.value)
    with pytest.raises(UserError, match="has no run 'mien'; expected one of mine; did you mean 'mine'"):
        study_of_cube(tmp_path / "odd.nc", "mien")
    for words in (["trial"], ["trial", "--from", "x.nc"], ["trial", "a.yaml", "--run", "b"]):
        assert "expected sweeps trial" in str(CliRunner().invoke(app, words).exception)
