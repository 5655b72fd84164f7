"""Scoring where each language has tokens of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from calque.data.tasks import MinimalPair, Segment, WordTask
from calque.data.tokens.encoding import Encoding
from calque.models.decoder.decoder import Cache
from calque.models.scoring.texts import MinimalPairScorer
from calque.models.scoring.words import COPIED, OTHER_LANGUAGE, TRANSLATED, WRONG, WordScorer
from tests.test_models_scoring import CHARACTERS, characters

LANGUAGES = ("en", "de", "fi")
SIZE = len(CHARACTERS)


class Prompt:
    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        return "".join(text for _, text in self.segments(source, target, word, concept))

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        return (source, word), (target, f" {target}:")


TASK = WordTask(
    languages=LANGUAGES,
    concepts=("dog", "radio"),
    forms={
        ("en", "dog"): ("dog",), ("de", "dog"): ("Hund",), ("fi", "dog"): ("koira",),
        ("en", "radio"): ("radio",), ("de", "radio"): ("radio",), ("fi", "radio"): ("radio",),
    },
    nonce={"fi": ("pokko", "lemi")},
    prompt=Prompt(),
    stop=".",
)  # fmt: skip


class Parrot:
    """A language model that answers a prompt, given as token ids, with token ids."""

    device = torch.device("cpu")
    vocabulary = SIZE * len(LANGUAGES)

    def __init__(self, answers: dict[tuple[int, ...], list[int]]) -> None:
        self.answers = answers

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        before = torch.empty(len(tokens), 1, 0) if cache is None else cache[0][0][..., 0]
        logits = torch.zeros((*tokens.shape, SIZE * len(LANGUAGES)))
        for row in range(len(tokens)):
            for place in range(tokens.shape[1]):
                read = tuple(torch.cat([before[row, 0], tokens[row, : place + 1]]).long().tolist())
                for prompt, answer in self.answers.items():
                    said = read[len(prompt) :]
                    if read[: len(prompt)] == prompt and list(said) == answer[: len(said)] and len(said) < len(answer):
                        logits[row, place, answer[len(said)]] = 20.0
        kept = torch.cat([before, tokens[:, None]], 2)[..., None]
        return logits if last is None else logits[:, -last:], [(kept, kept)]


def test_an_answer_counts_only_in_the_block_of_the_target() -> None:
    encoding = Encoding(characters(), LANGUAGES)

    def ask(source: str, target: str, word: str) -> tuple[int, ...]:
        pieces = Prompt().segments(source, target, word, None)
        return encoding.begin(source), *encoding.encode(pieces)

    def say(*pieces: Segment) -> list[int]:
        return encoding.encode(pieces)

    answers = {
        ask("en", "de", "dog"): say(("de", "Hund.")),
        ask("de", "en", "Hund"): say(("de", "Hund.")),
        ask("en", "fi", "dog"): say(("de", "Hund.")),
        ask("fi", "en", "koira"): say(("en", "koira.")),
        ask("de", "fi", "Hund"): say(("de", "koira.")),
        ask("en", "de", "radio"): say(("de", "radio.")),
        ask("de", "en", "radio"): say(("de", "radio.")),
        ask("fi", "en", "radio"): say(("en", "rad"), ("fi", "io.")),
        ask("en", "en", "dog"): say(("en", "dog.")),
        ask("fi", "fi", "pokko"): say(("fi", "pokko.")),
        ask("fi", "fi", "lemi"): say(("en", "lemi.")),
    }
    row = WordScorer(TASK, encoding)(Parrot(answers))
    outcome = row["translation_outcome"]
    en, de, fi, dog, radio = 0, 1, 2, 0, 1
    assert outcome[en, de, dog] == TRANSLATED
    assert outcome[de, en, dog] == COPIED, "the source word in the source's tokens"
    assert outcome[en, fi, dog] == OTHER_LANGUAGE
    assert outcome[fi, en, dog] == COPIED, "the source word spelt in the target's tokens"
    assert outcome[de, fi, dog] == WRONG, "the right word in the wrong tokens is no word of that language"
    assert outcome[en, de, radio] == TRANSLATED, "the same string in the target's tokens is a translation"
    assert outcome[de, en, radio] == COPIED, "the same string in the source's tokens is a copy"
    assert outcome[fi, en, radio] == WRONG, "half of it in each is neither"
    assert outcome[en, en, dog] == TRANSLATED
    np.testing.assert_array_equal(row["nonce_copied"], [np.nan, np.nan, 1])
    assert row["translation_logprob"][en, de, radio] > -0.1 > -10 > row["copy_logprob"][en, de, radio]
    assert row["copy_logprob"][de, en, radio] > -0.1 > -10 > row["translation_logprob"][de, en, radio]


def test_minimal_pairs_are_in_the_block_of_their_language() -> None:
    encoding = Encoding(characters(), LANGUAGES)
    pairs = [MinimalPair(language="fi", phenomenon="n", good="kissa", bad="kissat", cluster="c")]
    for sequence in MinimalPairScorer(pairs, encoding, LANGUAGES).sequences:
        assert {token // SIZE for token in sequence} == {LANGUAGES.index("fi")}
