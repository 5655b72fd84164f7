"""``sweeps score`` over a run of ours: the same numbers as while it trained, or other questions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calque.data import cube
from calque.data.errors import UserError
from calque.sweeps.cli import app
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY

SAMPLE = """\
study: sampled
base: sample-cpu
defaults:
  size: tiny
  sample: {languages: [en, fi], tokenizer: 'bpe:300'}
  training: {tokens: 20k, context: 32, batch_size: 4, warmup_tokens: 2k}
  checkpoints: {every: 10k, log_spaced: 1, first: 10k}
  evaluation: {heldout_tokens: 256, concepts: 3, minimal_pairs: 4}
runs:
  first: {}
"""


def sweeps_score(run: Path, output: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["score", str(run), "-o", str(output), *more], catch_exceptions=False)


def test_a_run_scored_again_gives_its_own_numbers(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL_STUDY)
    assert (
        run_trial(
            TrialRequest(config=read_study(tmp_path / "small.yaml").run("first-s0"), results=tmp_path / "results")
        ).state
        == "done"
    )
    run = tmp_path / "results" / "runs" / "first-s0"
    own = cube.read(run / "run.nc")
    lost = sorted((run / "weights").glob("*.safetensors"))[0]
    lost.unlink()
    done = sweeps_score(run, tmp_path / "again.nc")
    assert done.exit_code == 0, done.stderr
    found = cube.read(tmp_path / "again.nc")
    np.testing.assert_array_equal(found["tokens"][0], own["tokens"][0, 1:])
    np.testing.assert_array_equal(found["step"][0], own["step"][0, 1:])
    assert found["checkpoint_sha256"].values.tolist() == own["checkpoint_sha256"][:, 1:].values.tolist()
    for name in (
        "translation_outcome",
        "translation_logprob",
        "copy_logprob",
        "loss",
        "minimal_pair_correct",
        "overlap",
    ):
        ours = own[name] if "checkpoint" not in own[name].dims else own[name][:, 1:]
        np.testing.assert_allclose(found[name], ours, rtol=1e-5)
    assert found["config_json"].item() == own["config_json"].item()
    with pytest.raises(UserError, match=r"simulated world, which has its own words; leave out --shots"):
        sweeps_score(run, tmp_path / "other.nc", "--shots", "1")
    with pytest.raises(UserError, match=r"is a run of Calque, which records its own; leave out --pattern"):
        sweeps_score(run, tmp_path / "other.nc", "--pattern", "step-{step}", "--tokens-per-step", "5")
    with pytest.raises(UserError, match=r"results holds no model .*it holds a study: name one of its runs"):
        sweeps_score(tmp_path / "results", tmp_path / "other.nc", "--pattern", "{tokens}")


def test_a_run_on_real_text_can_be_asked_in_another_wording(tmp_path: Path) -> None:
    (tmp_path / "sampled.yaml").write_text(SAMPLE)
    standing = run_trial(
        TrialRequest(config=read_study(tmp_path / "sampled.yaml").run("first"), results=tmp_path / "results")
    )
    assert standing.state == "done", standing.message
    run = tmp_path / "results" / "runs" / "first"
    done = sweeps_score(run, tmp_path / "r.nc", "--template", "sentence", "--shots", "1", "--concepts", "2")
    assert done.exit_code == 0, done.stderr
    found, own = cube.read(tmp_path / "r.nc"), cube.read(run / "run.nc")
    assert found["template"].item() == "sentence"
    assert (found["translation_outcome"][..., 2:] == -1).all()
    asked = found["translation_logprob"].values[..., :2]
    assert np.isfinite(asked).all()
    assert not np.array_equal(asked, own["translation_logprob"].values[..., :2])
    np.testing.assert_allclose(found["loss"], own["loss"], rtol=1e-5)
