"""What a cube says of its maker, and that nothing secret is ever written."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from calque.data import cube
from calque.data.cube.anonymous import LEFT_OUT, anonymous
from calque.sweeps.cli import app
from calque.sweeps.running import run_one
from calque.sweeps.study.study import read_study

KEPT = (
    "nat/token", "bits/byte", "EleutherAI/pythia-70m", "log p(target word), summed over accepted forms", "1e-3/step",
    "uniform", "data/mine", "step 3 / 4", "CF-1.11", "and/or", "12:30:05+00:00", "a: b, c: [1, 2]",
)  # fmt: skip
PLACES = (
    "/home/ada/corpus", "~/corpus", "s3://bucket/full", "https://user:pw@host.example/x", "C:\\Users\\ada",
    "/mnt/a b/c", "ada@cluster.example", "ada@host:/data/x", "/x", "file:///tmp/x", "gs://b",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "frame", ["{}", "folder: {}", '{{"text": {{"folder": "{}", "size": 5}}}}', "a: [1, {}, 2]  # x"]
)
def test_places_are_left_out_wherever_they_stand(place: str, frame: str) -> None:
    is_json = frame.startswith("{{")
    text = frame.format(json.dumps(place)[1:-1] if is_json else place)
    made = xr.Dataset(
        {"tokens": (("run", "checkpoint"), [[1.0, 2.0]], {"long_name": text})},
        coords={"run": ["one"], "config_json": ("run", [text]), "environment_json": ("run", ["[]"])},
        attrs={"study_yaml": text},
    )
    before = made.copy(deep=True)
    found = anonymous(made)
    assert made.identical(before)
    assert "environment_json" not in found.variables
    for cleaned in (found.attrs["study_yaml"], str(found["config_json"].values[0]), found["tokens"].attrs["long_name"]):
        assert LEFT_OUT in cleaned and place not in cleaned
        assert not any(word in cleaned for word in ("ada", "bucket", "host", "mnt", "corpus", "tmp")), cleaned
        if is_json:
            assert json.loads(cleaned)["text"]["size"] == 5
    np.testing.assert_array_equal(found["tokens"].values, made["tokens"].values)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_place_stays(text: str) -> None:
    assert anonymous(xr.Dataset(attrs={"a": text, "b": json.dumps({"c": text})})).attrs == {
        "a": text, "b": json.dumps({"c": text})
    }  # fmt: skip


def test_nothing_secret_is_written_and_an_anonymous_cube_names_nobody(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        name: f"canary-{i}-of-the-test"
        for i, name in enumerate(("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "GITHUB_TOKEN", "MY_PASSWORD"))
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    small_study.write_text(
        f"# of {Path.home()} and ssh://ada@host.example/x\nresults: {tmp_path}/r\n{small_study.read_text()}"
    )
    study = read_study(small_study)
    assert run_one(study, study.run("first-s0"), None)[0].state == "done"
    written = [path for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert len(written) > 20
    for path in written:
        content = path.read_bytes()
        assert not [value for value in secrets.values() if value.encode() in content], path
    for name, anonymously in (("open.nc", False), ("closed.nc", True)):
        words = ["collect", str(small_study), "-o", str(tmp_path / name), *(["--anonymous"] if anonymously else [])]
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code == 0, answer.output
    told, silent = cube.read(tmp_path / "open.nc"), cube.read(tmp_path / "closed.nc")
    assert str(tmp_path) in told.attrs["study_yaml"]
    texts = json.dumps([silent.attrs, {n: v.values.tolist() for n, v in silent.coords.items()}], default=str)
    for word in (str(tmp_path), str(Path.home()), "host.example", socket.gethostname(), "environment"):
        assert len(word) < 3 or word not in texts, word
    assert getpass.getuser() == "root" or getpass.getuser() not in texts
    left = [name for name in told.variables if name not in silent.variables]
    assert left == ["environment_json"]
    for name in told.data_vars:
        assert told[name].variable.equals(silent[name].variable)
