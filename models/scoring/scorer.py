"""All scores of one checkpoint, as the variables of the cube."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from calque.data.metrics import ITEM_LOGPROBS
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.questions import Keep, PartReport, no_part_report
from calque.models.scoring.selection import Selection
from calque.models.scoring.share import ALONE, Share
from calque.models.scoring.texts import HeldOut, MinimalPairScorer, heldout_loss
from calque.models.scoring.words import WordScorer

KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Attention in scoring: its batches have hundreds of shapes, and cuDNN would make a plan for each."""


class Scorer:
    """Scores a model on held-out text, words and minimal pairs.

    Parameters
    ----------
    words : WordScorer
    pairs : MinimalPairScorer
    texts : mapping of language to HeldOut
    languages : sequence of str
        The cube's languages, in order.
    log : Selection, optional
        Of the answers that are logged; None logs none.
    """

    def __init__(
        self, words: WordScorer, pairs: MinimalPairScorer, texts: Mapping[str, HeldOut], languages: Sequence[str],
        log: Selection | None = None,
    ) -> None:  # fmt: skip
        self.words, self.pairs, self.texts, self.languages = words, pairs, texts, tuple(languages)
        self.log = log

    def __call__(
        self, model: Decoder | LanguageModel, report: PartReport = no_part_report, *, pairs: bool = True,
        logprobs: bool = True, keep: Keep | None = None, share: Share = ALONE,
    ) -> dict[str, NDArray[np.generic]]:  # fmt: skip
        """Return one checkpoint's variables, with the dimensions of ``calque.data.metrics.VARIABLES``.

        Parameters
        ----------
        model : Decoder or LanguageModel
        report : callable
            Called with the part that is scored, the number of its items so far, and of all.
        pairs, logprobs : bool
            Whether to score minimal pairs, and the log-probabilities of words; otherwise they are NaN.
        keep : callable, optional
            Called with every answer that is logged.
        share : Share
            Of this process in the scoring; all processes get the same result.
        """
        with sdpa_kernel(KERNELS):
            loss = heldout_loss(model, self.texts, self.languages, partial(report, "loss"), share)
            words = self.words(model, partial(report, "words"), logprobs=logprobs, log=self.log, keep=keep, share=share)
            if not pairs:
                return {**loss, **words, **self.pairs.missing()}
            part = partial(report, "minimal_pairs")
            return {**loss, **words, **self.pairs(model, part, log=self.log, keep=keep, share=share)}

    def finite(self, scores: Mapping[str, NDArray[np.generic]]) -> bool:
        """Return whether ``scores``, of all questions, lack nothing: whether every number was finite."""
        asked = np.asarray(scores["translation_outcome"]) >= 0
        return bool(
            asked.sum() == len(self.words.items)
            and all(np.isfinite(np.asarray(scores[name], float)[asked]).all() for name in ITEM_LOGPROBS)
            and np.nansum(np.asarray(scores["nonce_total"], float)) == len(self.words.nonces)
            and np.nansum(np.asarray(scores["minimal_pair_total"], float)) == len(self.pairs.pairs)
            and all(
                math.isfinite(float(loss))
                for code, loss in zip(self.languages, np.asarray(scores["loss"], float), strict=True)
                if code in self.texts and len(self.texts[code].windows)
            )
        )

    def repeated_bigram_share(self) -> list[float]:
        """Return, by language, the share of held-out tokens whose bigram occurred earlier in the context, or NaN."""
        shares = {code: text.repeated_bigram_share() for code, text in self.texts.items()}
        return [shares.get(code, math.nan) for code in self.languages]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return, by task, how many items are asked and how many there are; of the loss, tokens of the text."""
        tokens = sum(int(text.windows.size) for text in self.texts.values())
        return {
            "words": (len(self.words.items), self.words.possible["words"]),
            "nonce": (len(self.words.nonces), self.words.possible["nonce"]),
            "minimal_pairs": (len(self.pairs.pairs), self.pairs.possible),
            "loss": (tokens, tokens),
        }

    def reads(self) -> dict[str, tuple[int, int]]:
        """Return, by part, the most tokens that a model reads at a checkpoint and the most of them with logits.

        Words and invented words are one part.
        """
        questions = self.words.items + self.words.nonces
        forms = sum(len(form) - 1 for item in questions for form in item.targets + item.sources)
        answers = len(questions) * (self.words.new_tokens - 1)
        pairs = sum(len(sequence) - 1 for sequence in self.pairs.sequences)
        texts = sum(int(text.windows[:, 1:].size) for text in self.texts.values())
        return {
            "words": (self.words.prompts.tokens_read + forms + answers, len(questions) + forms + answers),
            "minimal_pairs": (pairs, pairs),
            "loss": (texts, texts),
        }
