"""The step: accumulated, sparing, compiled or skipping, it is the same step."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training import compiling
from calque.models.training.compiling import checkpoint_activations, should_compile
from calque.models.training.loop import Progress, train
from tests import distributed_training as small

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def losses(folder: Path, settings: TrainingConfig) -> dict[int, float]:
    small.run(settings, folder)
    return {int(step): loss for step, loss in json.loads((folder / "losses.json").read_text()).items()}


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = losses(tmp_path / "whole", small.config())
    parts = losses(tmp_path / "parts", small.config(micro_batch_size=2))
    assert parts == pytest.approx(whole, abs=1e-6) and parts != whole


@pytest.mark.parametrize("how", ["selective", "full"])
def test_activation_checkpointing_changes_no_bit_and_keeps_less(how: str) -> None:
    tokens = torch.from_numpy(small.Cycle().batch(0))
    kept: dict[str, int] = {}
    gradients = {}
    for choice in ("none", how):
        decoder = Decoder(small.SHAPE, seed=0)
        objective = Objective(decoder)
        checkpoint_activations(objective, choice)
        kept[choice] = 0

        def count(tensor: torch.Tensor, choice: str = choice) -> torch.Tensor:
            kept[choice] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            goal, _ = objective(tokens)
        goal.backward()
        gradients[choice] = [parameter.grad for parameter in decoder.parameters()]
    for one, other in zip(gradients["none"], gradients[how], strict=True):
        assert one is not None and other is not None and torch.equal(one, other)
    assert kept[how] < 0.8 * kept["none"]


class Poisoned(small.Cycle):
    """Makes the loss of two steps infinite through the embedding of token 29."""

    def batch(self, step: int) -> NDArray[np.int64]:
        tokens = super().batch(step) % 29
        return np.full_like(tokens, 29) if step in (10, 30) else tokens


def poisoned(settings: TrainingConfig, folder: Path) -> tuple[Decoder, list[int]]:
    decoder = Decoder(small.SHAPE, seed=0)
    with torch.no_grad():
        decoder.embedding.weight[29] = float("inf")
    told: list[int] = []

    def note(progress: Progress) -> None:
        told.append(progress.step)

    steps = (0, 10, 20, 30, 40, 50)
    train(decoder, settings, Poisoned(), steps, folder, lambda *checkpoint: None, note, state_seconds=0)
    return decoder, told


def test_steps_that_are_not_finite_are_left_out_when_asked_and_counted(tmp_path: Path) -> None:
    decoder, told = poisoned(small.config(skip_nonfinite=2, weight_decay=0.0), tmp_path / "two")
    assert told[-1] == 50
    assert all(p.isfinite().all() for name, p in decoder.named_parameters() if name != "embedding.weight")
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 31 \(batch 30 of the data order\)"):
        poisoned(small.config(skip_nonfinite=1), tmp_path / "one")
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 31"):  # the count outlives a restart
        poisoned(small.config(skip_nonfinite=1), tmp_path / "one")
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 11 \(batch 10 "):
        poisoned(small.config(), tmp_path / "none")


def test_compiling_is_chosen_by_what_it_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Objective(Decoder(size("micro", 111), seed=0))
    quick = TrainingConfig(tokens=5_120_000)
    assert not should_compile(quick, objective, CPU)
    assert should_compile(replace(quick, tokens=500_000_000), objective, CPU)
    assert should_compile(quick, objective, GPU) and not should_compile(replace(quick, compile="never"), objective, GPU)
    assert should_compile(replace(quick, compile="always"), objective, CPU)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    assert not should_compile(replace(quick, tokens=500_000_000), objective, CPU)
    with pytest.raises(UserError, match="there is no C\\+\\+ compiler"):
        should_compile(replace(quick, compile="always"), objective, CPU)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # both within torch's compiler
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("whole", [8, 1])
def test_a_compiled_run_gives_the_same_losses_and_resumes_bit_for_bit(
    tmp_path: Path, whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled whole, and block by block."""
    monkeypatch.setattr(compiling, "WHOLE_LAYERS", whole)
    for name in ("eager", "compiled"):
        (tmp_path / name).mkdir()
    eager = losses(tmp_path / "eager", small.config(compile="never"))
    settings = small.config(compile="always")
    assert losses(tmp_path / "compiled", settings) == pytest.approx(eager, abs=1e-5)
    digests = json.loads((tmp_path / "compiled" / "digests.json").read_text())

    class Stop(Exception):
        pass

    def until_30(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        if step == 30:
            raise Stop

    steps = tuple(range(0, 51, 10))
    with pytest.raises(Stop):
        train(Decoder(small.SHAPE, 0), settings, small.Cycle(), steps, tmp_path / "cut", until_30, state_seconds=0)
    small.run(settings, tmp_path / "cut", every=10)
    assert json.loads((tmp_path / "cut" / "digests.json").read_text())["50"] == digests["50"]


@pytest.mark.parametrize("precision", ["bf16-mixed", "float8-mixed", "bf16-true"])
def test_bfloat16_scores_what_it_stores(tmp_path: Path, precision: str, caplog: pytest.LogCaptureFixture) -> None:
    kinds = []

    def score(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        kinds.append({parameter.dtype for parameter in decoder.parameters()})
        cos, _ = decoder.positions(0, 64)
        assert cos.dtype == torch.float32
        torch.testing.assert_close(cos[50, 1], torch.cos(torch.tensor(50 * 10_000**-0.5)))

    train(Decoder(small.SHAPE, 0), small.config(precision=precision), small.Cycle(), (0, 50), tmp_path, score)
    assert kinds == [{torch.bfloat16}] * 2
    assert ("updates below 1/256 of a weight are lost" in caplog.text) == (precision == "bf16-true")
