"""``sweeps score --probes``: scoring and probing in one pass over the revisions, each loaded once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import calque
from calque.data.cube import read, read_groups
from calque.data.errors import UserError
from calque.models.scoring.words import WordScorer
from calque.sweeps.cli import app
from calque.sweeps.probe import probing
from calque.sweeps.score.scored_model import HuggingFaceModel
from tests.huggingface_models import revision, save

STEPS = ("--pattern", "step{step}", "--tokens-per-step", "2k", "--languages", "en,de")
ASKED = ("--shots", "1", "--concepts", "2", "--minimal-pairs", "2", "--heldout", "none")
PROBES = ("--probes", "prefix_matching,lens")


def sweeps(command: str, model: Path, cube: Path, *more: object) -> Result:
    words = [command, model, "-o", cube, *STEPS, *(ASKED if command == "score" else ()), *more]
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three revisions in the hub's cache, with commits; the last has the weights of the second."""
    root = tmp_path_factory.mktemp("hub")
    for i, (step, seed) in enumerate(((1000, 1), (2000, 2), (3000, 2))):
        revision(root, "owner/suite", f"{i}" * 40, save(root / str(step), "llama", seed), f"step{step}")
    return root / "models--owner--suite"


@pytest.fixture(scope="module")
def at_once(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = tmp_path_factory.mktemp("once") / "c.nc"
    with pytest.MonkeyPatch.context() as patch:
        loaded: list[str] = []
        whole = HuggingFaceModel.load

        def load(self: HuggingFaceModel, revision: str, folder: Path) -> object:
            loaded.append(revision)
            return whole(self, revision, folder)

        patch.setattr(HuggingFaceModel, "load", load)
        done = sweeps("score", suite, cube, *PROBES)
    assert done.exit_code == 0, done.output
    assert loaded == ["step1000", "step2000"]
    assert "prefix_matching: " in done.stdout and f"{cube}: 3 checkpoints; next: phases detect" in done.stdout
    return cube


def test_numbers_are_those_of_the_two_commands_one_after_the_other(at_once: Path, suite: Path, tmp_path: Path) -> None:
    cube = tmp_path / "c.nc"
    assert sweeps("score", suite, cube).exit_code == 0
    assert sweeps("probe", suite, cube, *PROBES).exit_code == 0
    xr.testing.assert_equal(read(cube), read(at_once))
    one, other = (read_groups(path)["components"] for path in (cube, at_once))
    xr.testing.assert_identical(one, other)
    assert np.isfinite(other["prefix_matching"]).all() and np.isfinite(other["lens_target"]).all()
    assert set(read_groups(at_once)["timing"]) == {"loading_seconds", "scoring_seconds", "probing_seconds"}


def test_what_is_there_is_done_by_neither_command_again(at_once: Path, suite: Path) -> None:
    before = {"": read(at_once), **read_groups(at_once)}
    again = sweeps("score", suite, at_once, *PROBES)
    assert again.exit_code == 0 and again.stderr.count("scored before") == 3
    assert sweeps("probe", suite, at_once, *PROBES).stderr.count("probed before") == 3
    assert sweeps("score", suite, at_once).stderr.count("scored before") == 3
    for name, group in {"": read(at_once), **read_groups(at_once)}.items():
        xr.testing.assert_identical(group, before[name])


def test_after_an_interruption_it_goes_on_where_it_stood(
    at_once: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*given: object, **how: object) -> None:
        raise Killed

    cube, asked = tmp_path / "c.nc", list[int]()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(probing, "probe_model", killed)
        sweeps("score", suite, cube, *PROBES)
    assert read(cube)["revision"].values.tolist() == [["step1000"]] and "components" not in read_groups(cube)
    whole = WordScorer.__call__
    monkeypatch.setattr(WordScorer, "__call__", lambda *given, **how: asked.append(1) or whole(*given, **how))
    assert sweeps("score", suite, cube, *PROBES).exit_code == 0
    assert len(asked) == 1  # step2000: the first is scored, the last has its weights
    xr.testing.assert_identical(read_groups(cube)["components"], read_groups(at_once)["components"])
    xr.testing.assert_equal(read(cube), read(at_once))


def test_what_compares_checkpoints_is_done_in_the_same_pass(suite: Path, tmp_path: Path) -> None:
    cube = tmp_path / "c.nc"
    done = sweeps("score", suite, cube, "--revisions", "step1000,step2000", "--probes", "scaling,allocation")
    assert done.exit_code == 0, done.output
    group = read_groups(cube)["ablations"].isel(run=0)
    assert np.isfinite(group["scaling"].isel(checkpoint=1)).any() and np.isfinite(group["allocation"][1]).all()
    assert not np.isfinite(group["allocation"][0]).any()


def test_what_cannot_be_probed_keeps_its_scores_and_is_told(suite: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    save(folder / "step1000", "llama", 1)
    save(folder / "step2000", "llama", 1, num_hidden_layers=3)
    done = sweeps("score", folder, tmp_path / "c.nc", "--probes", "ov_copying", "--json", "-")
    assert done.exit_code == 1 and "'step2000' was not probed: 'step2000' has 3 layers of 4 heads" in done.stderr
    said = json.loads(done.stdout)
    assert [row["revision"] for row in said["checkpoints"]] == ["step1000", "step2000"] and not said["failed"]
    assert [row["revision"] for row in said["probed"]["failed"]] == ["step2000"]
    assert (read(tmp_path / "c.nc")["translation_outcome"][:, :, ..., :2] >= 0).all()
    with pytest.raises(UserError, match="`dry_run` plans the scoring alone"):
        calque.score(folder, output=tmp_path / "d.nc", probes="heads", dry_run=True)
    with pytest.raises(UserError, match="`probes` has 'lenz'"):
        calque.score(folder, output=tmp_path / "d.nc", probes="lenz")
