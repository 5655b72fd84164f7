"""A small training whose text is of three classes, with word questions to attribute to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.models.attribution.language_attribution import LanguageAttribution
from calque.models.attribution.pair_losses import PairLosses
from calque.models.config.attribution import AttributionConfig
from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.words import WordScorer
from calque.models.training.monitoring.loss_monitor import LossMonitor
from calque.models.training.strategy import fabric_for
from calque.models.training.train_step import TrainStep
from tests.test_models_layers import CONCEPTS, LANGUAGES, TASK, Letters, prompt, word

SHAPE = DecoderConfig(width=16, layers=2, heads=4, kv_heads=2, ffn_width=24, vocab_size=61, qk_norm=True)
STEPS, ROWS, CONTEXT = 10, 6, 12
PAIRS = ("de-en", "en-de", "en-en")


class Text:
    """Rows of words said again in one language, and of translations; some batches lack a class."""

    streams = ("de", "en", "entries")

    def row_streams(self, step: int) -> list[int]:
        return np.random.default_rng([1, step]).integers(0, 2 if step % 5 == 3 else 3, ROWS).tolist()

    def batch(self, step: int) -> NDArray[np.int64]:
        rng, rows = np.random.default_rng([2, step]), []
        for stream in self.row_streams(step):
            text = ""
            while len(text) <= CONTEXT:
                i, concept = stream % 2, int(rng.integers(len(CONCEPTS)))
                j = 1 - i if stream == 2 else i
                text += prompt(LANGUAGES[i], LANGUAGES[j], word(i, concept), None) + word(j, concept)
            rows.append(Letters().encode([("", text)])[: CONTEXT + 1])
        return np.array(rows)


def config(**fields: Any) -> TrainingConfig:
    given: dict[str, Any] = {
        "tokens": STEPS * ROWS * CONTEXT, "context": CONTEXT, "batch_size": ROWS, "warmup_tokens": 2 * ROWS * CONTEXT,
        "learning_rate": 5e-3, "gradient_clip": 0.5, "parametrisation": "standard",
        "attribution": AttributionConfig(pairs=PAIRS, concepts=6, clusters=2, every=1),
    }  # fmt: skip
    return TrainingConfig(**(given | fields))


def observer(settings: TrainingConfig) -> LanguageAttribution:
    asked = settings.attribution
    assert asked is not None
    scorer = WordScorer(TASK, Letters(), asked.concepts)  # type: ignore[arg-type]
    return LanguageAttribution(asked, PairLosses(scorer, asked.places(LANGUAGES), asked.clusters), Text())


def trained(
    settings: TrainingConfig, seen: LanguageAttribution | None, text: Any = None
) -> Iterator[tuple[int, TrainStep]]:
    """Take steps in float64; yield the training before the first, and after each."""
    decoder = Decoder(SHAPE, seed=0).double()
    fabric = fabric_for(replace(settings, attribution=None), "cpu")
    step = TrainStep(fabric, decoder, settings, begins=(60,), observer=seen)
    monitor = LossMonitor(None, fabric.device)
    yield 0, step
    for i in range(STEPS):
        step(i, torch.from_numpy((text or Text()).batch(i)), monitor)
        yield i + 1, step
