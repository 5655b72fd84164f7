"""``sweeps score`` against a hub on this machine: what is fetched, kept, removed and asked again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from typer.testing import CliRunner, Result

from calque.data import cube
from calque.data.corpora.hub import network
from calque.data.errors import UserError
from calque.sweeps.cli import app
from tests.hub_models import MODEL, ModelHub
from tests.huggingface_models import revision, save

QUICK = ("--languages", "en,de", "--shots", "0", "--concepts", "2", "--minimal-pairs", "2", "--heldout", "none")
STEPS = ("--pattern", "step{step}", "--tokens-per-step", "1M")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's hub cache and home are."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(network, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "home"))
    return tmp_path


def sweeps_score(hub: ModelHub, place: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Result:
    monkeypatch.setattr("calque.sweeps.score.hub.HfApi", partial(HfApi, endpoint=hub.address))
    return CliRunner().invoke(
        app, ["score", MODEL, "-o", str(place / "r.nc"), *QUICK, *STEPS, *more], catch_exceptions=False
    )


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("branches")
    found = {f"step{i}": save(root / f"step{i}", "llama", i) for i in (1, 2)}
    return {"main": found["step2"], **found}


def test_revisions_are_fetched_one_by_one_and_removed(
    branches: dict[str, Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelHub(branches) as hub:
        with pytest.raises(UserError, match=rf"{MODEL} has 3 revisions \(main, step1, step2.*--revisions all"):
            sweeps_score(hub, place, monkeypatch)
        hub.failures = [0, 503]
        done = sweeps_score(hub, place, monkeypatch, "--revisions", "all")
        assert done.exit_code == 0, done.stderr
        assert not hub.failures
        found = cube.read(place / "r.nc")
        assert found["revision"].values.tolist() == [["step1", "step2"]]
        assert found["commit"].values.tolist() == [[hub.commit_of["step1"], hub.commit_of["step2"]]]
        assert not list((place / "home" / "scored").glob("*")), "what was fetched is removed"
        assert not any("generation_config" in request for request in hub.requests), "only what is needed is fetched"
        hub.requests.clear()
        sweeps_score(hub, place, monkeypatch, "--revisions", "step*")
        assert not any("resolve" in request for request in hub.requests), "nothing is fetched again"
        hub.commit_of["step2"] = "f" * 40  # the branch moves
        sweeps_score(hub, place, monkeypatch, "--revisions", "step*")
        assert cube.read(place / "r.nc")["commit"].values[0, 1] == "f" * 40


def test_what_is_in_the_cache_is_used_and_stays(
    branches: dict[str, Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelHub(branches) as hub:
        snapshot = revision(place / "hub", MODEL, hub.commit_of["step1"], branches["step1"])
        done = sweeps_score(hub, place, monkeypatch, "--revisions", "step1")
        assert done.exit_code == 0, done.stderr
        assert not any("resolve" in request for request in hub.requests)
        assert (snapshot / "model.safetensors").exists()


def test_a_hub_that_cannot_be_reached_ends_in_one_line(
    branches: dict[str, Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelHub(branches) as hub:
        monkeypatch.setattr(HfApi, "list_repo_refs", _refused)
        with pytest.raises(
            UserError, match=rf"cannot reach {MODEL} on the hub after 5 attempts .*what is finished is kept"
        ):
            sweeps_score(hub, place, monkeypatch)
        monkeypatch.undo()
        monkeypatch.setattr("calque.sweeps.score.hub.HfApi", partial(HfApi, endpoint=hub.address))
        with pytest.raises(UserError, match="owner/none on the hub is not on the hub, or not for you"):
            CliRunner().invoke(app, ["score", "owner/none", "-o", str(place / "r.nc"), *STEPS], catch_exceptions=False)


def _refused(*given: object, **more: object) -> None:
    raise ConnectionError("refused")
