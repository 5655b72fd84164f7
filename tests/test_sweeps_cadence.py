"""Costly probes at every k-th checkpoint: missing elsewhere, never zero, and what follows copes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data import cube
from calque.data.errors import UserError
from calque.phases.series.metrics import trajectories
from calque.sweeps.cli import app
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.scoring import scored_at
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY

CADENCE = "minimal_pairs: 5, minimal_pairs_every: 3, logprobs_every: 2"
RUN = Path("runs") / "first-s0" / "run.nc"


def write_study(folder: Path, evaluation: str, checkpoints: str = "") -> Path:
    path = folder / "small.yaml"
    text = SMALL_STUDY.replace("minimal_pairs: 5", evaluation)
    path.write_text(text.replace("first: 1k}", f"first: 1k{checkpoints}}}"))
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Return a study with cadence, its results, and those of the same run that is asked everything."""
    import os

    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    folders = []
    for name, evaluation in (("cadence", CADENCE), ("whole", "minimal_pairs: 5")):
        folder = tmp_path_factory.mktemp(name)
        study = read_study(write_study(folder, evaluation))
        claim(folder / "results", study)
        standing = run_trial(
            TrialRequest(config=study.run("first-s0"), results=folder / "results", study_yaml=study.text)
        )
        assert standing.state == "done", standing.message
        folders.append(folder)
    return folders[0] / "small.yaml", folders[0] / "results", folders[1] / "results"


def test_what_is_not_asked_is_missing_and_the_rest_is_the_same(both: tuple[Path, Path, Path]) -> None:
    _, results, asked_all = both
    some, everything = cube.read(results / RUN), cube.read(asked_all / RUN)
    count = some.sizes["checkpoint"]
    pairs = [k % 3 == 0 or k == count - 1 for k in range(count)]
    logprobs = [k % 2 == 0 or k == count - 1 for k in range(count)]
    assert count == 8 and sum(pairs) == 4 and sum(logprobs) == 5
    for name, asked in (
        ("minimal_pair_correct", pairs), ("minimal_pair_total", pairs), ("translation_logprob", logprobs),
        ("copy_logprob", logprobs),
    ):  # fmt: skip
        for k in range(count):
            found = some[name].values[0, k]
            if asked[k]:
                np.testing.assert_array_equal(found, everything[name].values[0, k], name)
            else:
                assert np.isnan(found).all(), (name, k)
    for name in ("translation_outcome", "nonce_copied", "loss", "checkpoint_sha256", "tokens"):
        np.testing.assert_array_equal(some[name].values, everything[name].values, name)


def test_detection_uses_the_checkpoints_that_were_asked(both: tuple[Path, Path, Path], tmp_path: Path) -> None:
    study, results, _ = both
    write_cube(read_study(study), results, tmp_path / "results.nc")
    names = ("translation", "translation_logprob", "minimal_pair_correct")
    found = {t.metric: t.n for t in trajectories(cube.read(tmp_path / "results.nc"), names)}
    assert found == {"translation": 8, "translation_logprob": 5, "minimal_pair_correct": 4}


def test_status_and_resuming_cope(both: tuple[Path, Path, Path]) -> None:
    study, results, _ = both
    before = (results / RUN).read_bytes()
    loaded = read_study(study)
    assert (
        run_trial(TrialRequest(config=loaded.run("first-s0"), results=results, study_yaml=loaded.text)).state == "done"
    )
    assert (results / RUN).read_bytes() == before, "what is missing on purpose is not asked again"
    done = CliRunner().invoke(app, ["status", str(study), "--results", str(results), "--json", "-"])
    assert done.exit_code == 0, done.output
    standing = next(run for run in json.loads(done.stdout)["runs"] if run["run"] == "first-s0")
    assert (standing["checkpoints"], standing["state"]) == (8, "done")


def test_further_checkpoints_are_asked_the_cheap_questions(tmp_path: Path) -> None:
    path = write_study(tmp_path, CADENCE, ", adaptive: {budget: 6, metric: copying}")
    study = read_study(path)
    run_trial(TrialRequest(config=study.run("first-s0"), results=tmp_path, study_yaml=study.text))
    one = cube.read(tmp_path / RUN).isel(run=0)
    further = one.isel(checkpoint=one["checkpoint_kind"].values == 1)
    assert further.sizes["checkpoint"]
    assert np.isnan(further["minimal_pair_total"]).all() and np.isnan(further["translation_logprob"]).all()
    assert (further["translation_outcome"] >= 0).all()


@pytest.mark.parametrize("key", ["minimal_pairs_every", "logprobs_every"])
def test_a_cadence_of_nothing_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match=rf"small\.yaml:10: .*{key} is 0; expected 1 or more"):
        read_study(write_study(tmp_path, f"minimal_pairs: 5, {key}: 0"))


def test_the_large_study_asks_its_probes_with_a_cadence() -> None:
    full = read_study(Path(__file__).parent.parent / "sweeps" / "full.yaml")
    run = full.run("1.7b-s0")
    asked = [scored_at(run, step) for step in run.checkpoint_steps()]
    assert sum(pairs for pairs, _ in asked) == 61 and all(logprobs for _, logprobs in asked)
    assert asked[0] == asked[-1] == (True, True)
