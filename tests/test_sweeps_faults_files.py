"""Damaged files: a run that stood half-way, or was done, ends with the undisturbed cube, bit for bit, and says why."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from calque.data import cube
from calque.data.locks import is_held
from calque.models.training import loop
from calque.sweeps.results.claim import claim
from calque.sweeps.results.damage import unfinished
from calque.sweeps.results.progress import read_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import run_one
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial import recorder
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.test_sweeps_trial import same

SHORT = SMALL_STUDY.replace("tokens: 40k", "tokens: 12k").replace("every: 8k", "every: 2k")
NAME = "first-s0"


class PulledPlugError(BaseException):
    """The machine is off: nothing is recorded any more."""


@dataclass(frozen=True)
class Roots:
    study: Study
    half: Path
    """Stopped after five checkpoints, with two states."""
    done: Path
    older: bytes
    """The run.nc of three checkpoints."""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Roots:
    folder = tmp_path_factory.mktemp("faults")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    (folder / "small.yaml").write_text(SHORT)
    study, older = read_study(folder / "small.yaml"), []
    train, put = loop.train, recorder.RunFile.put

    def saving(*given: object, **named: object) -> None:
        train(*given, **{**named, "state_seconds": 0.0})  # type: ignore[arg-type]

    def counting(self: recorder.RunFile, *given: object) -> None:
        put(self, *given)  # type: ignore[arg-type]
        if len(self.rows) == 3:
            older.append(self.path.read_bytes())
        if len(self.rows) == 6:
            raise PulledPlugError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train", saving)
        for name in ("half", "done"):
            claim(folder / name, study)
            with patch.context() as plug:
                if name == "half":
                    plug.setattr(recorder.RunFile, "put", counting)
                request = TrialRequest(config=study.run(NAME), results=folder / name, study_yaml=study.text)
                try:
                    assert run_trial(request).state == "done"
                except PulledPlugError:
                    assert name == "half"
    assert len(list((folder / "half" / "runs" / NAME / "states").glob("*.ckpt"))) == 2
    return Roots(study, folder / "half", folder / "done", older[0])


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    content, rng = bytearray(path.read_bytes()), random.Random(1)
    for place in range(len(content) // 3, len(content), max(1, len(content) // 60)):
        content[place] ^= rng.randint(1, 255)
    path.write_bytes(content)


def not_utf8(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00{" + path.read_bytes()[4:])


def of_another_kind(path: Path) -> None:
    path.write_text('{"study": 7, "runs": [], "count": "x", "run": null}')


DAMAGES = (truncated, empty, garbled, not_utf8, of_another_kind, Path.unlink)
FILES = ("run.nc", "progress.json", "provenance.json", "curves.json", "attempts.json", "../../study.json")


def ends_whole(roots: Roots, results: Path) -> str:
    """Go on with the run; it ends as if nothing had been, and leaves nothing behind. Return its note."""
    folder = results / "runs" / NAME
    standing, _ = run_one(roots.study, roots.study.run(NAME), str(results))
    assert standing.state == "done", standing.message
    same(cube.read(folder / "run.nc"), cube.read(roots.done / "runs" / NAME / "run.nc"))
    assert is_held(folder / ".lock") is False
    assert [path for path in results.rglob("*") if path.name.endswith((".tmp", ".partial"))] == []
    assert standing.checkpoints == standing.total_checkpoints
    return standing.note


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_does_not_stop_a_run(
    roots: Roots, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    results = tmp_path / "results"
    shutil.copytree(roots.half, results)
    path = results / "runs" / NAME / name
    if not path.exists():
        path.write_text("{}")
    damage(path)
    note = ends_whole(roots, results)
    if name == "run.nc" and damage is not Path.unlink:
        assert "run.nc is damaged and was moved aside; 5 checkpoints of run.previous.nc kept" in note


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_rows_that_are_truly_gone_are_trained_again(
    roots: Roots, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    results = tmp_path / "results"
    shutil.copytree(roots.half, results)
    for name in ("run.nc", "run.previous.nc"):
        damage(results / "runs" / NAME / name)
    assert "training is repeated from before step 0" in ends_whole(roots, results)


@pytest.mark.parametrize("root", ["half", "done"])
def test_an_older_file_of_rows_leaves_no_hole(roots: Roots, tmp_path: Path, root: str) -> None:
    results = tmp_path / "results"
    shutil.copytree(getattr(roots, root), results)
    (results / "runs" / NAME / "run.nc").write_bytes(roots.older)
    note = ends_whole(roots, results)
    assert "run.nc is older than the states; training is repeated from before step" in note


@pytest.mark.parametrize("damage", [*DAMAGES, "older"], ids=lambda damage: getattr(damage, "__name__", str(damage)))
def test_a_run_that_was_done_and_lost_rows_is_opened_again(
    roots: Roots, tmp_path: Path, damage: Callable[[Path], None] | str
) -> None:
    results = tmp_path / "results"
    shutil.copytree(roots.done, results)
    path, run = results / "runs" / NAME / "run.nc", roots.study.run(NAME)
    assert unfinished(ResultsRoot(str(results)), [run]) == []
    if callable(damage):
        damage(path)
    else:
        path.write_bytes(roots.older)
    assert unfinished(ResultsRoot(str(results)), [run]) == [run]
    standing = read_progress(results, run)
    assert standing.state == "waiting" and "it is opened again" in standing.note
    ends_whole(roots, results)
    assert unfinished(ResultsRoot(str(results)), [run]) == []


@pytest.mark.parametrize("damage", [truncated, empty, garbled, not_utf8, Path.unlink], ids=lambda d: d.__name__)
@pytest.mark.parametrize("suffix", ["ckpt", "ckpt.sha256"])
def test_a_damaged_state_is_not_gone_on_from(
    roots: Roots, tmp_path: Path, damage: Callable[[Path], None], suffix: str
) -> None:
    results = tmp_path / "results"
    shutil.copytree(roots.half, results)
    damage(max((results / "runs" / NAME / "states").glob(f"*.{suffix}")))
    ends_whole(roots, results)
