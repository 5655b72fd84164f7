"""All scores of one checkpoint, as the variables of the cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calque.models.decoder.decoder import Decoder
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.questions import Report, no_report
from calque.models.scoring.texts import HeldOut, MinimalPairScorer, heldout_loss
from calque.models.scoring.words import WordScorer


class Scorer:
    """Scores a model on held-out text, words and minimal pairs.

    Parameters
    ----------
    words : WordScorer
    pairs : MinimalPairScorer
    texts : mapping of language to HeldOut
    languages : sequence of str
        The cube's languages, in order.
    """

    def __init__(
        self, words: WordScorer, pairs: MinimalPairScorer, texts: Mapping[str, HeldOut], languages: Sequence[str]
    ) -> None:  # fmt: skip
        self.words, self.pairs, self.texts, self.languages = words, pairs, texts, tuple(languages)

    def __call__(
        self, model: Decoder | LanguageModel, report: Report = no_report, *, pairs: bool = True, logprobs: bool = True
    ) -> dict[str, NDArray[np.generic]]:
        """Return one checkpoint's variables, with the dimensions of ``calque.data.metrics.VARIABLES``.

        Parameters
        ----------
        model : Decoder or LanguageModel
        report : callable
            Called with the number of words answered, and of all.
        pairs, logprobs : bool
            Whether to score minimal pairs, and the log-probabilities of words; otherwise they are NaN.
        """
        return {
            **heldout_loss(model, self.texts, self.languages),
            **self.words(model, report, logprobs=logprobs),
            **(self.pairs(model) if pairs else self.pairs.missing()),
        }
