"""Fertility: what a word is in each language, and figures that follow from the counts."""

from __future__ import annotations

import json
import math

import pytest

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.tokens import fertility, tokenizers
from calque.data.tokens.fertility import count_words, measure

BYTES = tokenizers.train(["x"], 257)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The dog's bone, no. 12 (in 1999).", 7),
        ("Der Hund - die Straße", 4),
        ("Собака сказала: «привет»", 3),
        ("狗说：“你好”", 4),
        ("犬はコンピューターA4を見た。", 13),
        ("개가 안녕이라고", 2),
        ("snake_case foo-bar", 4),
        ("--- ... 。、", 0),
        ("", 0),
    ],
)
def test_words(text: str, words: int) -> None:
    assert count_words(text) == words


def test_figures_follow_from_the_counts() -> None:
    found = measure(BYTES, ["ab cd\n\nзя", "狗"])
    assert (found.words, found.lines, found.exact_lines) == (4, 3, 3)
    assert found.tokens == found.text_bytes == 5 + 4 + 3
    assert found.tokens_per_word == 3
    assert found.bytes_per_token == 1


def test_a_sample_is_no_longer_than_asked() -> None:
    found = measure(BYTES, ("x" * 70 for _ in range(10**9)), characters=100)
    assert (found.tokens, found.lines) == (100, 2)
    assert measure(BYTES, ["y" * 10**6], characters=100).tokens == 100


def test_no_text_has_no_rates() -> None:
    empty = measure(BYTES, [])
    assert math.isnan(empty.tokens_per_word) and math.isnan(empty.bytes_per_token)
    row = fertility.table_row(empty)
    assert row["tokens_per_word"] is None and json.loads(json.dumps(row)) == row


def test_a_corpus_has_a_row_a_language_and_a_world_none() -> None:
    corpus = SampleCorpus(SampleConfig(languages=("en", "ja")))
    rows = fertility.of_corpus(BYTES, corpus)
    assert set(rows) == {"en", "ja"}
    assert rows["en"]["bytes_per_token"] == 1 and rows["ja"]["tokens_per_word"] > 2.5
    heldout = "\n".join(corpus.documents("en", "heldout"))
    assert rows["en"]["tokens"] >= len("".join(heldout.split("\n")).encode())
    assert fertility.of_corpus(BYTES, World(WorldConfig(languages=2, train_tokens=1_000, heldout_tokens=100))) == {}
