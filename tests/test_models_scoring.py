"""Scoring: log-probabilities agree with whole passes, and every outcome is told apart."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from calque.data.metrics import VARIABLES
from calque.data.tasks import MinimalPair, WordTask
from calque.data.tokens.encoding import Encoding
from calque.models.config.sizes import size
from calque.models.decoder.decoder import Cache, Decoder
from calque.models.scoring.batches import batches_by_length
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.texts import HeldOut, MinimalPairScorer, heldout_loss
from calque.models.scoring.words import COPIED, OTHER_LANGUAGE, TRANSLATED, WRONG, WordScorer

CHARACTERS = ["<bos>", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöß :.>"]


def characters() -> Tokenizer:
    """One token a character."""
    tokenizer = Tokenizer(models.WordLevel({c: i for i, c in enumerate(CHARACTERS)}, unk_token="<bos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


class Parrot:
    """A language model that follows every prompt with a given text: probability .9 for its next character."""

    device = torch.device("cpu")
    vocabulary = len(CHARACTERS)

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        before = torch.empty(len(tokens), 1, 0) if cache is None else cache[0][0][..., 0]
        rest = (1 - 0.9) / (len(CHARACTERS) - 1)
        logits = torch.full((*tokens.shape, len(CHARACTERS)), math.log(rest))
        for row in range(len(tokens)):
            for place in range(tokens.shape[1]):
                read = torch.cat([before[row, 0], tokens[row, : place + 1]]).long().tolist()
                text = "".join(CHARACTERS[i] for i in read[1:])
                follow = next((a[len(text) - len(p) :] for p, a in self.answers.items() if _on(text, p, a)), "")
                logits[row, place, CHARACTERS.index(follow[0]) if follow else 0] = math.log(0.9)
        kept = torch.cat([before, tokens[:, None]], 2)[..., None]
        return logits if last is None else logits[:, -last:], [(kept, kept)]


def _on(text: str, prompt: str, answer: str) -> bool:
    return text.startswith(prompt) and answer.startswith(text[len(prompt) :])


TASK = WordTask(
    languages=("en", "de", "fi"),
    concepts=("dog", "cat", "house"),
    forms={
        ("en", "dog"): ("dog",), ("de", "dog"): ("Hund", "Koeter"), ("fi", "dog"): ("koira",),
        ("en", "cat"): ("cat",), ("de", "cat"): ("Katze",), ("fi", "cat"): ("kissa",),
        ("en", "house"): ("house",), ("de", "house"): ("Haus",),
    },
    nonce={"en": ("blick", "dax"), "fi": ("pokko",)},
    prompt=lambda source, target, word, concept: f"{source} {word} {target}:",
    stop=".",
)  # fmt: skip


def test_every_outcome_is_told_apart() -> None:
    answers = {
        "en dog de:": "Hund.", "de Hund en:": "Hund.", "en dog fi:": "Hund.", "fi koira en:": "kat.",
        "en cat de:": "katze.", "de Katze fi:": "kissat.", "en blick en:": "blick.", "en dax en:": "da.",
        "fi pokko fi:": "pokko.", "en dog en:": "dog.",
    }  # fmt: skip
    row = WordScorer(TASK, Encoding(characters()))(Parrot(answers))
    outcome = row["translation_outcome"]
    en, de, fi = 0, 1, 2
    assert outcome[en, de, 0] == TRANSLATED
    assert outcome[de, en, 0] == COPIED
    assert outcome[en, fi, 0] == OTHER_LANGUAGE, "a German answer to a Finnish question"
    assert outcome[fi, en, 0] == WRONG
    assert outcome[en, de, 1] == TRANSLATED, "case does not matter"
    assert outcome[de, fi, 1] == WRONG, "a longer word is another word"
    assert outcome[en, en, 0] == TRANSLATED, "repeating is right when the word stays"
    assert outcome[en, fi, 2] == outcome[fi, de, 2] == -1, "Finnish lacks this concept: not asked"
    assert np.isnan(row["translation_logprob"][en, fi, 2])
    np.testing.assert_array_equal(row["nonce_copied"], [1, np.nan, 1])
    np.testing.assert_array_equal(row["nonce_total"], [2, np.nan, 1])


def test_forms_of_several_words_and_listed_inflections_are_right() -> None:
    forms = {("en", "bear"): ("polar bear", "polar bears"), ("de", "bear"): ("Bär",)}
    task = dataclasses.replace(TASK, languages=("en", "de"), concepts=("bear",), forms=forms, nonce={})

    def outcome(answer: str) -> int:
        row = WordScorer(task, Encoding(characters()))(Parrot({"de Bär en:": answer}))
        return int(row["translation_outcome"][1, 0, 0])

    assert outcome("polar bear.") == outcome("Polar  bear.") == outcome("polar bears.") == TRANSLATED
    assert outcome("polar bearing.") == outcome("polar.") == outcome("bear.") == WRONG
    assert outcome("polar bea") == WRONG, "an answer has to be complete"


def test_log_probabilities_are_summed_over_accepted_forms() -> None:
    row = WordScorer(TASK, Encoding(characters()))(Parrot({"en dog de:": "Hund."}))
    rest = 0.1 / (len(CHARACTERS) - 1)
    hund = 4 * math.log(0.9)
    koeter = math.log(rest) + 4 * math.log(rest)  # off the text, the parrot puts .9 on <bos>
    assert row["translation_logprob"][0, 1, 0] == pytest.approx(np.logaddexp(hund, koeter), rel=1e-5)
    assert row["copy_logprob"][0, 1, 0] == pytest.approx(3 * math.log(rest), rel=1e-5)


def test_fewer_concepts_leave_the_rest_not_asked() -> None:
    outcome = WordScorer(TASK, Encoding(characters()), max_concepts=1)(Parrot({}))["translation_outcome"]
    assert outcome.shape == (3, 3, 3)
    assert (outcome[:, :, 0] >= 0).all()
    assert (outcome[:, :, 1:] == -1).all()


def test_batches_hold_each_sequence_once_and_one_length_each() -> None:
    sequences = [[0] * n for n in (3, 5, 3, 4, 5, 3)]
    batches = list(batches_by_length(sequences))
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    assert all(len({len(sequences[i]) for i in batch}) == 1 for batch in batches)


def test_heldout_loss_is_the_mean_and_bits_follow_from_bytes() -> None:
    decoder = Decoder(size("tiny", 40), seed=0)
    windows = np.random.default_rng(0).integers(0, 40, (5, 9))
    row = heldout_loss(decoder, {"en": HeldOut(windows=windows, bytes_per_token=2.5)}, ("en", "de"))
    with torch.inference_mode():
        batch = torch.from_numpy(windows)
        logits = decoder(batch[:, :-1])
        mean = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()
    assert row["loss"][0] == pytest.approx(mean, rel=1e-5)
    assert row["bits_per_byte"][0] == pytest.approx(mean / math.log(2) / 2.5, rel=1e-5)
    assert np.isnan(row["loss"][1]), "no text, no number"


def test_minimal_pairs_count_the_more_probable_member() -> None:
    pairs = [
        MinimalPair(language="en", phenomenon="number", good="one dog", bad="one dogs", cluster="dog"),
        MinimalPair(language="en", phenomenon="number", good="two dogs", bad="two dog", cluster="dog"),
        MinimalPair(language="de", phenomenon="order", good="ein Hund", bad="Hund ein", cluster="x"),
        MinimalPair(language="sw", phenomenon="order", good="a", bad="b", cluster="x"),
    ]
    scorer = MinimalPairScorer(pairs, Encoding(characters()), ("en", "de", "fi"))
    row = scorer(Parrot({"": "one dog", "t": "two dogs", "e": "ein Hund"}))
    assert scorer.phenomena == ("number", "order")
    np.testing.assert_array_equal(row["minimal_pair_total"], [[2, np.nan], [np.nan, 1], [np.nan, np.nan]])
    assert row["minimal_pair_correct"][0, 0] >= 1
    assert np.isnan(row["minimal_pair_correct"][2]).all(), "missing, not zero"


def test_a_scorer_gives_the_variables_of_the_registry_of_metrics() -> None:
    languages, encoding = ("en", "de", "fi"), Encoding(characters())
    pairs = MinimalPairScorer([], encoding, languages)
    row = Scorer(WordScorer(TASK, encoding), pairs, {}, languages)(Parrot({}))
    assert set(row) == set(VARIABLES)
    assert {name: np.ndim(values) for name, values in row.items()} == {n: len(d) for n, d in VARIABLES.items()}
