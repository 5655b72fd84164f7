"""One of several processes that train a small model together, for the tests of training on many devices."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from calque.models.checkpoints import state
from calque.models.config.memory import WHOLE_LOGITS
from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import Progress, train
from calque.models.training.loss_tokens import LossTokens

SHAPE = DecoderConfig(width=16, layers=2, heads=4, kv_heads=2, ffn_width=34, vocab_size=30)
"""Its feed-forward width and vocabulary do not split evenly over 4 processes."""

STEPS = 50


class Cycle:
    """Sequences that count up."""

    def batch(self, step: int) -> NDArray[np.int64]:
        start = np.random.default_rng(step).integers(0, 30, (8, 1))
        return (start + np.arange(17)) % 30


class Uneven(Cycle):
    """Sequences with short periods, which differ from row to row: rows repeat from 1 to 12 of 16 bigrams."""

    def batch(self, step: int) -> NDArray[np.int64]:
        rng = np.random.default_rng(step)
        start, period = rng.integers(0, 30, (8, 1)), np.arange(4, 20, 2)[:, None]
        return (start + np.arange(17) % period) % 30


def config(**fields: object) -> TrainingConfig:
    given = {"tokens": STEPS * 128, "context": 16, "batch_size": 8, "warmup_tokens": 512} | fields
    return TrainingConfig(**given)  # type: ignore[arg-type]


def run(
    settings: TrainingConfig, folder: Path, kill_at: int | None = None, every: int = 1, batches: Cycle | None = None
) -> None:
    """Train on ``batches``; write what every checkpoint has: ``losses.json``, ``digests.json``, ``loss_tokens.json``.

    With ``kill_at``, the last process kills itself once, hard, just before that step.
    """
    losses: dict[int, float] = {}
    digests: dict[int, str] = {}
    counts: dict[int, int] = {}
    loss_tokens = LossTokens(settings)
    batches = batches or Cycle()
    if kill_at is not None and os.environ["RANK"] != "0":

        class Deadly(Cycle):
            def batch(self, step: int) -> NDArray[np.int64]:
                if step == kill_at and not (folder / "killed").exists():
                    (folder / "killed").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().batch(step)

        batches = Deadly()

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        assert type(decoder.embedding.weight.data) is torch.Tensor, "scoring gets a plain decoder"
        assert not decoder.training and decoder(torch.zeros(1, 4, dtype=torch.int64)).isfinite().all()
        digests[step] = sha256.result()
        counts[step] = loss_tokens.so_far(step)

    def note(progress: Progress) -> None:
        losses[progress.step] = progress.loss

    train(
        Decoder(SHAPE, drawn=False), settings, batches, tuple(range(0, STEPS + 1, every)), folder, keep, note,
        state_seconds=0 if every > 1 else 1e9, accelerator="cpu", loss_tokens=loss_tokens, init_seed=0,
    )  # fmt: skip
    if int(os.environ.get("RANK", 0)) == 0:
        (folder / "losses.json").write_text(json.dumps(losses))
        (folder / "digests.json").write_text(json.dumps(digests))
        (folder / "loss_tokens.json").write_text(json.dumps(counts))


def run_beside_a_slow_state(settings: TrainingConfig, folder: Path) -> None:
    """Train; the state of step 0 is written once step 10 has begun."""
    begun, write = threading.Event(), state.save_shards

    class Telling(Cycle):
        def batch(self, step: int) -> NDArray[np.int64]:
            if step == 10:
                begun.set()
            return super().batch(step)

    def late(*given: object, **fields: object) -> object:
        assert begun.wait(120), "training waits for the state"
        return write(*given, **fields)

    state.save_shards = late
    run(settings, folder, every=STEPS, batches=Telling())


def run_uneven(settings: TrainingConfig, folder: Path) -> None:
    """Train on sequences whose rows repeat more bigrams or fewer."""
    run(settings, folder, batches=Uneven())


def die() -> None:
    """End the last process hard while the others wait."""
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def run_in_chunks(settings: TrainingConfig, folder: Path) -> None:
    """Train with logits of twenty tokens at a time."""
    WHOLE_LOGITS["cpu"] = 4 * 30 * 20
    run(settings, folder)


def run_several_in_chunks(runs: dict[str, TrainingConfig], folder: Path) -> None:
    """Train one run after the other, each in its folder, with logits of twenty tokens at a time."""
    for name, settings in runs.items():
        (folder / name).mkdir(exist_ok=True)
        run_in_chunks(settings, folder / name)
