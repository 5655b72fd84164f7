"""The loss ``hapax``: the mask beside a brute-force one, and one step whatever shares it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from calque.models.checkpoints.state import newest_states
from calque.models.config.memory import WHOLE_LOGITS
from calque.models.decoder import loss
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.targets import IGNORED, hapax_targets, repeated_bigrams
from calque.models.scoring.texts import HeldOut, heldout_loss
from calque.models.training import compiling
from calque.models.training.loop import train
from calque.models.training.loss_tokens import LossTokens
from calque.models.training.monitoring.loss_monitor import LossMonitor
from calque.models.training.strategy import fabric_for
from calque.models.training.train_step import TrainStep
from calque.models.training.workers import launch
from tests import distributed_training as small


def brute_force(tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
    rows = [[(a, b) in list(zip(row[:t], row[1 : t + 1], strict=True)) for t, (a, b) in
             enumerate(zip(row[:-1], row[1:], strict=True))] for row in tokens.tolist()]  # fmt: skip
    return np.array(rows, bool)


@settings(max_examples=60)
@given(arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(2, 40)), elements=st.integers(0, 6)))
def test_the_mask_is_the_brute_force_one(tokens: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(repeated_bigrams(torch.from_numpy(tokens)).numpy(), brute_force(tokens))


@pytest.mark.parametrize("far", [0, 2**31 - 7])
def test_the_mask_of_large_token_ids_has_no_collision(far: int) -> None:
    tokens = np.random.default_rng(0).integers(0, 6, (3, 30)) + far
    np.testing.assert_array_equal(repeated_bigrams(torch.from_numpy(tokens)).numpy(), brute_force(tokens))


def text(stream: str) -> NDArray[np.int64]:
    """Rows of 65 tokens: of a stream of the simulated world, or of German text as bytes."""
    if stream == "sample":
        german = "\n".join(SampleCorpus(SampleConfig()).documents("de", "heldout"))
        ids = np.frombuffer(german.encode(), np.uint8).astype(np.int64)
    else:
        ids = next(World(WorldConfig()).token_batches(stream, "heldout", 6500))
    return ids[: len(ids) // 65 * 65].reshape(-1, 65)[:100]


@pytest.mark.parametrize("stream", ["w2", "glossary", "sample"])
def test_the_mask_of_real_batches_is_the_brute_force_one(stream: str) -> None:
    tokens = text(stream)
    mask = repeated_bigrams(torch.from_numpy(tokens)).numpy()
    np.testing.assert_array_equal(mask, brute_force(tokens))
    assert 0.05 < mask.mean() < 0.9, "both kinds are there"
    share = HeldOut(windows=tokens, bytes_per_token=1.0).repeated_bigram_share()
    assert share == pytest.approx(mask.mean(), abs=1e-12)


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
@pytest.mark.parametrize("rows", [10**6, 7])
def test_ignored_targets_add_nothing_to_loss_and_gradients(
    z_loss: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and in chunks, the sums are those over the other positions alone, in float64."""
    monkeypatch.setitem(WHOLE_LOGITS, "cpu", 4 * 97 * rows)
    generator = torch.Generator().manual_seed(0)
    residuals, head = (torch.randn(n, 16, generator=generator).requires_grad_() for n in (50, 97))
    targets = torch.randint(0, 97, (50,), generator=generator)
    bears = torch.rand(50, generator=generator) < 0.6
    goal, crossed = loss.objective(residuals, head, targets.masked_fill(~bears, IGNORED), z_loss)
    goal.backward()
    x, weight = (part.detach().double().requires_grad_() for part in (residuals, head))
    logits = x[bears] @ weight.T
    wanted = F.cross_entropy(logits, targets[bears], reduction="sum") / 50
    squared = logits.logsumexp(-1).square().sum() / 50
    (wanted + z_loss * squared).backward()
    assert crossed.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert goal.item() == pytest.approx((wanted + z_loss * squared).item(), rel=1e-5)
    for one, other in ((residuals.grad, x.grad), (head.grad, weight.grad)):
        assert one is not None and other is not None
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-7)
    assert residuals.grad is not None and (residuals.grad[~bears] == 0).all(), "exactly nothing"


def losses(folder: Path) -> dict[int, float]:
    return {int(step): value for step, value in json.loads((folder / "losses.json").read_text()).items()}


HAPAX = small.config(loss="hapax")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    small.run_uneven(HAPAX, folder)
    return folder


def test_the_first_loss_is_the_mean_over_the_tokens_that_carry_it(alone: Path) -> None:
    batch = torch.from_numpy(small.Uneven().batch(0))
    targets = hapax_targets(batch)
    shares = (targets != IGNORED).double().mean(1)
    assert shares.max() > 1.5 * shares.min(), "rows differ, or a wrong mean would pass"
    logits = Decoder(small.SHAPE, seed=0)(batch[:, :-1]).flatten(0, 1)
    assert losses(alone)[1] == pytest.approx(F.cross_entropy(logits, targets.flatten()).item(), rel=1e-5)
    assert losses(alone)[50] < losses(alone)[1] - 0.1, "it must have learned something"


def test_micro_batches_take_the_same_steps(alone: Path, tmp_path: Path) -> None:
    small.run_uneven(replace(HAPAX, micro_batch_size=2), tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(alone), abs=2e-5)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*(deprecated|should not be instantiated):DeprecationWarning")  # in the compiler
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_it_takes_the_same_steps(
    backend: str, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling.torch, "compile", partial(torch.compile, backend=backend))
    small.run_uneven(replace(HAPAX, compile="always"), tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(alone), abs=2e-5)


@pytest.mark.parametrize("strategy", ["fsdp2", pytest.param("ddp", marks=pytest.mark.slow)])
def test_two_processes_with_micro_batches_take_the_same_steps(strategy: str, alone: Path, tmp_path: Path) -> None:
    launch(small.run_uneven, 2, replace(HAPAX, devices=2, strategy=strategy, micro_batch_size=2), tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(alone), abs=2e-5)
    counts = [json.loads((folder / "loss_tokens.json").read_text()) for folder in (alone, tmp_path)]
    assert counts[0] == counts[1]


def test_tokens_with_loss_are_counted_over_a_restart(tmp_path: Path) -> None:
    """The count of a resumed run is that of the batches, counted by hand."""
    by_hand = sum(int((~brute_force(small.Uneven().batch(step))).sum()) for step in range(50))

    class Stop(Exception):
        pass

    def go(until: int | None) -> LossTokens:
        counted = LossTokens(HAPAX)

        def stop(step: int, *rest: object) -> None:
            if step == until:
                raise Stop

        steps = (0, 20, 40, 50)
        train(
            Decoder(small.SHAPE, seed=0), HAPAX, small.Uneven(), steps, tmp_path, stop, state_seconds=0,
            accelerator="cpu", loss_tokens=counted,
        )  # fmt: skip
        return counted

    with pytest.raises(Stop):
        go(40)
    assert newest_states(tmp_path / "states")[0].name == "step-00000020.ckpt"
    assert go(None).so_far(50) == by_hand < 50 * HAPAX.tokens_per_step
    assert LossTokens(small.config()).so_far(50) == 50 * HAPAX.tokens_per_step, "every token, without the option"


def test_without_repeated_bigrams_it_is_the_step_of_all_tokens() -> None:
    """Sequences that count up below the vocabulary repeat none."""
    batch, found = torch.from_numpy(small.Cycle().batch(0)), []
    for settings_ in (small.config(), HAPAX):
        monitor = LossMonitor()
        TrainStep(fabric_for(settings_, "cpu"), Decoder(small.SHAPE, seed=0), settings_)(0, batch, monitor)
        found.append(monitor.read())
    assert found[0] == found[1]


def test_heldout_loss_has_its_two_parts() -> None:
    decoder = Decoder(small.SHAPE, seed=0)
    windows = small.Uneven().batch(3)
    row = heldout_loss(decoder, {"en": HeldOut(windows=windows, bytes_per_token=1.0)}, ("en", "de"))
    with torch.inference_mode():
        batch = torch.from_numpy(windows)
        each = F.cross_entropy(decoder(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten(), reduction="none").numpy()
    mask = brute_force(windows).ravel()
    for name, some in (("loss_new_bigram", ~mask), ("loss_repeated_bigram", mask), ("loss", mask >= 0)):
        assert row[name][0] == pytest.approx(each[some].mean(), rel=1e-5)
        assert np.isnan(row[name][1])


def test_a_part_without_tokens_is_missing() -> None:
    text_ = {"en": HeldOut(windows=small.Cycle().batch(0), bytes_per_token=1.0)}
    row = heldout_loss(Decoder(small.SHAPE, seed=0), text_, ("en",))
    assert np.isnan(row["loss_repeated_bigram"][0]) and row["loss_new_bigram"][0] == row["loss"][0]


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match="training.loss is 'hapaks'; expected one of all, hapax; did you mean 'hapax'?"):
        small.config(loss="hapaks")
