"""Training: resumes bit for bit, stops at a loss that is not finite, keeps what it was told to keep."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.checkpoints.state import newest_states
from calque.models.checkpoints.weights import load_weights
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training import loop
from calque.models.training.loop import Progress, train

GOLDEN = Path(__file__).parent / "golden" / "training.json"
CONFIG = TrainingConfig(tokens=64 * 60, context=16, batch_size=4, warmup_tokens=256)
STEPS = (0, 5, 20, 40, 60)


class Cycle:
    """Sequences that count up: learnable in a few steps."""

    def batch(self, step: int) -> NDArray[np.int64]:
        start = np.random.default_rng(step).integers(0, 30, (4, 1))
        return (start + np.arange(17)) % 30


class Stop(Exception):
    pass


def go(folder: Path, stop_after: int | None = None, batches: object = None) -> dict[int, str]:
    digests: dict[int, str] = {}

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        assert not decoder.training
        digests[step] = sha256.result()
        if step == stop_after:
            raise Stop

    torch.manual_seed(len(str(folder)))  # whatever was drawn before must not matter
    decoder = Decoder(size("tiny", 30), seed=0)
    train(decoder, CONFIG, batches or Cycle(), STEPS, folder, keep, state_seconds=0)  # type: ignore[arg-type]
    return digests


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    assert tuple(whole) == STEPS
    with pytest.raises(Stop):
        go(tmp_path / "cut", stop_after=40)
    assert [path.name for path in newest_states(tmp_path / "cut" / "states")] == [
        "step-00000020.ckpt",
        "step-00000005.ckpt",
    ]
    rest = go(tmp_path / "cut")
    assert tuple(rest) == (40, 60)
    assert {step: whole[step] for step in rest} == rest


def test_a_run_that_resumes_draws_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[int, str] = {}
    again: list[int] = []

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        found[step] = sha256.result()
        if step == 5 and not again:
            again.append(step)
            raise Stop

    def start() -> None:
        decoder = Decoder(size("tiny", 30), drawn=False)
        train(decoder, CONFIG, Cycle(), (0, 5, 20), tmp_path / "cut", keep, state_seconds=0, init_seed=0)

    with pytest.raises(Stop):
        start()
    monkeypatch.setattr(loop, "draw_initial_weights", lambda decoder, seed: pytest.fail("drawn again"))
    start()
    whole = go(tmp_path / "whole")
    assert found == {step: whole[step] for step in (0, 5, 20)}


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    go(tmp_path)
    assert go(tmp_path) == {}


def test_weights_on_disk_are_those_that_were_scored(tmp_path: Path) -> None:
    digests = go(tmp_path)
    for step, digest in digests.items():
        path = tmp_path / "weights" / f"step-{step:08d}.safetensors"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    decoder = load_weights(Decoder(size("tiny", 30)), path)
    batch = torch.from_numpy(Cycle().batch(99))
    loss = torch.nn.functional.cross_entropy(decoder(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    assert loss < 2.9, "sixty steps must have taught it something: uniform is log 30 = 3.4"
    with pytest.raises(UserError, match="does not fit this model"):
        load_weights(Decoder(size("nano", 30)), path)
    with pytest.raises(UserError, match="is missing"):
        load_weights(decoder, tmp_path / "none.safetensors")


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(tmp_path: Path) -> None:
    decoder = Decoder(size("tiny", 30), seed=0)

    def poison(step: int, model: Decoder, sha256: Future[str], seconds: float) -> None:
        if step == 20:
            with torch.no_grad():
                model.norm.weight.fill_(float("nan"))

    with pytest.raises(FloatingPointError, match=r"step 21 \(batch 20"):
        train(decoder, CONFIG, Cycle(), STEPS, tmp_path, poison, state_seconds=1e9)


def test_progress_is_told_at_checkpoints(tmp_path: Path) -> None:
    told: list[Progress] = []
    train(Decoder(size("tiny", 30), seed=0), CONFIG, Cycle(), STEPS, tmp_path, lambda *a: None, told.append)
    assert {p.step for p in told} >= set(STEPS[1:])
    assert all(np.isfinite(p.loss) and p.tokens == p.step * 64 for p in told)


@pytest.mark.golden
def test_losses_of_a_seeded_run_are_the_known_ones(tmp_path: Path) -> None:
    losses: dict[str, float] = {}

    def note(progress: Progress) -> None:
        losses[str(progress.step)] = progress.loss

    train(Decoder(size("tiny", 30), seed=0), CONFIG, Cycle(), STEPS, tmp_path, lambda *a: None, note)
    known = json.loads(GOLDEN.read_text())
    assert {s: losses[s] for s in known} == pytest.approx(known, rel=1e-4)
