"""``sweeps export``: a trained run in ``transformers``, and what cannot be exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.models.huggingface.library import transformers
from calque.sweeps.checkpoints.trained_run import TrainedRun
from calque.sweeps.cli import app
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study file and its results, one run trained to the end."""
    folder = tmp_path_factory.mktemp("export")
    file = folder / "small.yaml"
    file.write_text(SMALL_STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        assert (
            run_trial(TrialRequest(config=read_study(file).run("first-s0"), results=folder / "results")).state == "done"
        )
    return file, folder / "results"


def sweeps_export(trained: tuple[Path, Path], *more: str | Path) -> None:
    study, results = trained
    arguments = ["export", study, "first-s0", "--results", results, *more]
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_a_run_is_exported_after_training(trained: tuple[Path, Path], tmp_path: Path) -> None:
    sweeps_export(trained, "-o", tmp_path / "last", "--json", tmp_path / "made.json")
    run = TrainedRun.open(trained[1] / "runs" / "first-s0")
    made = json.loads((tmp_path / "made.json").read_text())
    assert made["architecture"] == "Qwen3ForCausalLM"
    assert made["step"] == max(run.tokens)
    assert made["sha256"] == run.sha256[made["step"]]
    library = transformers()
    model = library.AutoModelForCausalLM.from_pretrained(tmp_path / "last").eval()
    decoder = run.load(made["step"])
    tokens = torch.randint(0, decoder.config.vocab_size, (2, 32), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model(tokens).logits, decoder(tokens), rtol=0, atol=1e-5)
    tokenizer = library.AutoTokenizer.from_pretrained(tmp_path / "last")
    assert len(tokenizer) == decoder.config.vocab_size
    assert made["sha256"] in (tmp_path / "last" / "README.md").read_text()


def test_a_step_can_be_chosen(trained: tuple[Path, Path], tmp_path: Path) -> None:
    run = TrainedRun.open(trained[1] / "runs" / "first-s0")
    first = min(run.tokens)
    sweeps_export(trained, "-o", tmp_path / "first", "--step", str(first), "--no-tokenizer", "--dtype", "bfloat16")
    assert not (tmp_path / "first" / "tokenizer.json").exists()
    model = transformers().AutoModelForCausalLM.from_pretrained(tmp_path / "first")
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.model.embed_tokens.weight, run.load(first).embedding.weight.to(torch.bfloat16))


def test_damaged_swapped_and_missing_weights_are_refused_by_name(trained: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(trained[1], tmp_path / "results")
    run = TrainedRun.open(tmp_path / "results" / "runs" / "first-s0")
    steps = sorted(run.tokens)
    path = run.weights(steps[-1])
    whole = path.read_bytes()
    for damage in (whole[:-10], whole[:-1] + bytes([whole[-1] ^ 1]), run.weights(steps[0]).read_bytes()):
        path.write_bytes(damage)
        expected = run.sha256[steps[-1]][:12]
        with pytest.raises(UserError, match=rf"{path.name} is not what the run wrote .*expected {expected}"):
            sweeps_export((trained[0], tmp_path / "results"), "-o", tmp_path / "out")
    path.unlink()
    with pytest.raises(UserError, match=rf"{path.name} is missing: the weights of step {steps[-1]} are not kept"):
        sweeps_export((trained[0], tmp_path / "results"), "-o", tmp_path / "out")
    with pytest.raises(UserError, match=r"has no checkpoint at step 77; expected one of its \d+ steps, such as"):
        sweeps_export((trained[0], tmp_path / "results"), "-o", tmp_path / "out", "--step", "77")
    assert not (tmp_path / "out").exists()


def test_a_run_without_checkpoints_or_tokenizer_is_refused(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"holds no checkpoint yet"):
        sweeps_export((trained[0], tmp_path), "-o", tmp_path / "out")
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"tokenizer of run 'first-s0' is not at hand.*--no-tokenizer"):
        sweeps_export(trained, "-o", tmp_path / "out")


def test_tokens_of_its_own_for_each_language_are_no_tokenizer(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL_STUDY.replace("size: tiny", "size: tiny\n  mix: disjoint"))
    assert (
        run_trial(TrialRequest(config=read_study(file).run("first-s0"), results=tmp_path / "results")).state == "done"
    )
    with pytest.raises(UserError, match=r"tokens of its own for each language \(mix 'disjoint'\).*--no-tokenizer"):
        sweeps_export((file, tmp_path / "results"), "-o", tmp_path / "out")
    sweeps_export((file, tmp_path / "results"), "-o", tmp_path / "out", "--no-tokenizer")
