"""A results folder that is removed, is another study's, or has a damaged mark; damaged runs among others."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data import cube
from calque.data.errors import UserError
from calque.data.files import FolderGoneError, in_use, write_atomically
from calque.data.locks import locked
from calque.sweeps.cli import app
from calque.sweeps.launch import worker
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.results.claim import check_owner, claim
from calque.sweeps.results.collect import collect
from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.running import run_one
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial import recorder
from tests.conftest import SMALL_STUDY

SHORT = SMALL_STUDY.replace("tokens: 40k", "tokens: 12k").replace("every: 8k", "every: 2k")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Both runs of a study, done."""
    folder = tmp_path_factory.mktemp("both")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    (folder / "small.yaml").write_text(SHORT)
    study = read_study(folder / "small.yaml")
    for run in study.runs:
        assert run_one(study, run, str(folder / "results"))[0].state == "done"
    return study, folder / "results"


@pytest.fixture
def results(both: tuple[Study, Path], tmp_path: Path) -> Path:
    shutil.copytree(both[1], tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize("how", ["trial", "launch"])
def test_a_root_that_is_removed_in_the_midst_is_not_made_again(
    both: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    study, place = both[0], tmp_path / "results"
    claim(place, study)
    put = recorder.RunFile.put

    def removing(self: recorder.RunFile, *given: object) -> None:
        put(self, *given)  # type: ignore[arg-type]
        if len(self.rows) == 3:
            shutil.rmtree(place)

    monkeypatch.setattr(recorder.RunFile, "put", removing)
    if how == "trial":
        with pytest.raises(FolderGoneError, match="results was removed while it was in use") as error:
            run_one(study, study.run("first-s0"), str(place))
        assert error.value.exit_code == 1 and len(str(error.value)) <= 300
    else:
        request = LaunchRequest(
            run=study.run("first-s0"), place=str(place), study_yaml=study.text, launch_id="one",
            resources=ResourceRequest(cpus=1),
        )  # fmt: skip
        worker.run_alone(request)
        worker.run_alone(request)  # the next run of the launch
    assert not place.exists()


def test_nothing_below_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    marker = tmp_path / "root" / "mark"
    write_atomically(marker, b"")
    with pytest.raises(FolderGoneError), in_use(marker):
        write_atomically(marker.parent / "a" / "b", b"fine")
        shutil.rmtree(marker.parent)
        for path in (marker.parent / "x", marker.parent / "a" / "b"):
            with pytest.raises(FolderGoneError):
                write_atomically(path, b"")
        with pytest.raises(FolderGoneError), locked(marker.parent / "a" / ".lock", wait=0):
            pass
        write_atomically(tmp_path / "elsewhere" / "c", b"fine")
    assert not marker.parent.exists()
    write_atomically(marker.parent / "x", b"nobody uses it any more")


def test_another_error_of_a_removed_folder_is_told_by_its_cause(tmp_path: Path) -> None:
    marker = tmp_path / "root" / "mark"
    write_atomically(marker, b"")
    with pytest.raises(FolderGoneError) as error, in_use(marker):
        shutil.rmtree(marker.parent)
        (marker.parent / "file").read_bytes()
    assert isinstance(error.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("content", [None, b"", b"{half", b"\xff\xfe", b"[]", b'{"study": "small"}'])
def test_whose_a_folder_is_is_told_by_its_runs(
    both: tuple[Study, Path], results: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    study, marker = both[0], results / "study.json"
    before = marker.read_bytes()
    marker.unlink() if content is None else marker.write_bytes(content)
    assert not check_owner(results, study)
    claim(results, study)
    assert marker.read_bytes() == before and "is made again" in caplog.text
    marker.unlink() if content is None else marker.write_bytes(content)
    path = study.path.with_name("other.yaml")
    path.write_text(SHORT.replace("tokens: 12k", "tokens: 14k"))
    with pytest.raises(UserError, match="results of another study \\(run 'first-s0' differs\\)"):
        claim(results, read_study(path))
    for file in results.glob("runs/*/progress.json"):
        file.write_bytes(b"{")
    claim(results, study)  # the cubes tell
    marker.unlink()
    for file in results.glob("runs/*/*.nc"):
        file.write_bytes(b"{")
    with pytest.raises(UserError, match="files that no study wrote"):
        claim(results, study)


def test_a_foreign_file_of_that_name_is_left_alone(both: tuple[Study, Path], tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text('{"title": "my thesis"}')
    (tmp_path / "chapter1.tex").write_text("x")
    with pytest.raises(UserError, match="files that no study wrote"):
        claim(tmp_path, both[0])
    assert json.loads((tmp_path / "study.json").read_text()) == {"title": "my thesis"}


@pytest.mark.parametrize("content", [b"", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + bytes(40), b"x" * 9999, "half"])
def test_a_damaged_run_is_named_and_the_others_go_on(
    both: tuple[Study, Path], results: Path, tmp_path: Path, content: bytes | str
) -> None:
    study, path = both[0], results / "runs" / "first-s0" / "run.nc"
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    found = collect(results, study)
    assert list(found.cube["run"].values) == ["first-s1"] and list(found.damaged) == ["first-s0"]
    where = [str(study.path), "--results", str(results)]
    answer = CliRunner().invoke(
        app, ["collect", *where, "-o", str(tmp_path / "c.nc"), "--json", str(tmp_path / "c.json")]
    )
    assert answer.exit_code == 1, answer.output
    assert list(json.loads((tmp_path / "c.json").read_text())["damaged"]) == ["first-s0"]
    assert list(cube.read(tmp_path / "c.nc")["run"].values) == ["first-s1"]
    answer = CliRunner().invoke(app, ["status", *where, "--json", "-"])
    assert answer.exit_code == 1, answer.output
    assert "first-s0" in answer.stderr and "Traceback" not in answer.output
    assert list(json.loads(answer.stdout)["damaged"]) == ["first-s0"]


def test_a_run_of_another_name_or_study_is_no_run_of_this(both: tuple[Study, Path], results: Path) -> None:
    shutil.copy(results / "runs" / "first-s1" / "run.nc", results / "runs" / "first-s0" / "run.nc")
    found = collect(results, both[0])
    assert list(found.cube["run"].values) == ["first-s1"]
    assert "is of run 'first-s1'" in found.damaged["first-s0"]
    (results / "runs" / "first-s1" / "run.nc").write_bytes(b"")
    with pytest.raises(UserError, match="no run can be read: .*first-s0.* sweeps run .* mends it") as error:
        collect(results, both[0])
    assert error.value.exit_code == 1


def test_status_says_that_there_is_nothing(both: tuple[Study, Path], tmp_path: Path) -> None:
    file = str(both[0].path)
    answer = CliRunner().invoke(app, ["status", file, "--results", str(tmp_path / "nowhere")])
    assert isinstance(answer.exception, UserError) and "there are no results of study 'small' in" in str(
        answer.exception
    )


def test_a_run_is_stopped_when_nobody_holds_it(both: tuple[Study, Path], results: Path) -> None:
    run = both[0].run("first-s0")
    done = read_progress(results, run)
    assert (done.status, done.rate) == ("done", None)
    training = type(done)(**{**vars(done), "state": "training", "tokens_per_second": 5.0})
    write_progress(results, run, training)
    found = read_progress(results, run)
    assert (found.status, found.rate, found.seconds_left) == ("stopped", None, None), "however lately it was heard of"
    assert "held" not in json.loads((results / "runs" / "first-s0" / "progress.json").read_text())
    with locked(results / "runs" / "first-s0" / ".lock"):
        found = read_progress(results, run)
        assert (found.status, found.rate) == ("training", 5.0)
    (results / "runs" / "first-s0" / ".lock").unlink()  # as at an address: told by the time alone
    assert read_progress(results, run).status == "training"
