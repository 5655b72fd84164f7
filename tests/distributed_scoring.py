"""One of several processes that score a model together, for the tests of it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from calque.data.tasks import MinimalPair
from calque.data.tokens.encoding import Encoding
from calque.data.tokens.tokenizers import train
from calque.data.words.words import word_task
from calque.models.config.sizes import size
from calque.models.decoder.decoder import Cache, Decoder
from calque.models.scoring import batches
from calque.models.scoring.language_model import DecoderModel
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.selection import Selection
from calque.models.scoring.share import ALONE, Share
from calque.models.scoring.texts import HeldOut, MinimalPairScorer
from calque.models.scoring.words import WordScorer

LANGUAGES = ("en", "de", "fi")


class Counting(DecoderModel):
    """Counts calls, rows of attention and shapes."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder)
        self.calls, self.tokens = 0, 0

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        self.calls += 1
        self.tokens += tokens.numel()
        return super().read(tokens, cache, last)


def scorer(concepts: int = 10) -> Scorer:
    task = word_task(LANGUAGES, shots=2)
    encoding = Encoding(train([f"{form} " for forms in task.forms.values() for form in forms], 600))
    rng = np.random.default_rng(0)
    texts = {
        code: HeldOut(windows=rng.integers(0, 500, (n, 33)), bytes_per_token=2.0) for code, n in (("en", 9), ("fi", 4))
    }
    pairs = [
        MinimalPair(language=code, phenomenon=f"number {i % 2}", cluster=str(i), good="house " * i, bad="houses " * i)
        for code in ("en", "de") for i in range(1, 12)
    ]  # fmt: skip
    return Scorer(
        WordScorer(task, encoding, concepts), MinimalPairScorer(pairs, encoding, LANGUAGES), texts, LANGUAGES,
        Selection(limit=20),
    )  # fmt: skip


def score(share: Share) -> tuple[dict[str, Any], list[Any], Counting]:
    """Return the scores, the logged answers, and the model with its counts."""
    torch.set_num_threads(1)
    batches.BATCH_TOKENS = 300  # many batches
    asked = scorer()
    model = Counting(Decoder(size("micro", asked.words.encoding.vocabulary), seed=1).eval())
    kept: list[Any] = []
    return asked(model, keep=kept.append, share=share), kept, model


def run(folder: Path) -> None:
    """Score a share; rank 0 writes what it got, and every rank how much it read."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    found, kept, model = score(Share(rank=rank, processes=world))
    assert Share(rank=rank, processes=world).told(rank == 0)
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps((found, kept, model.tokens)))
    dist.destroy_process_group()


def alone() -> tuple[dict[str, Any], list[Any], int]:
    found, kept, model = score(ALONE)
    return found, kept, model.tokens
