"""Controls that tell whether monolingual text contributes: semantics shuffled between languages, glossaries only."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY, World
from calque.data.errors import UserError
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.shards import shards
from calque.data.shards.sampler import Sampler

SMALL = WorldConfig(
    languages=4, nouns=6, verbs=3, adjectives=3, syllables=12, names=30, nonce=10, cognate_rate=0.0, code_switch=0.0,
    train_tokens=60_000, heldout_tokens=2_000,
)  # fmt: skip


def text(world: World, stream: str) -> list[str]:
    return list(world.documents(stream, "train"))


def concept_counts(world: World, code: str) -> list[int]:
    """How often each concept's word stands in the language's text."""
    task = world.word_task()
    words = Counter(word for document in text(world, code) for word in document.replace(".", " ").split())
    return [words[task.forms[code, concept][0]] for concept in task.concepts]


def test_shuffling_leaves_the_glossaries_and_the_first_language_as_they_were() -> None:
    plain, shuffled = World(SMALL), World(replace(SMALL, shuffled=True))
    assert text(plain, GLOSSARY) == text(shuffled, GLOSSARY)
    assert text(plain, "w1") == text(shuffled, "w1")
    assert plain.word_task().forms == shuffled.word_task().forms
    np.testing.assert_array_equal(plain.truth.exposure, shuffled.truth.exposure)


def test_shuffling_gives_other_languages_the_same_sentences_with_other_words_of_each_class() -> None:
    plain, shuffled = World(SMALL), World(replace(SMALL, shuffled=True))
    for code in ("w2", "w3", "w4"):
        assert text(plain, code) != text(shuffled, code)
        before, after = concept_counts(plain, code), concept_counts(shuffled, code)
        assert before != after
        for kind in (slice(0, 6), slice(6, 9), slice(9, 12)):  # nouns, verbs, adjectives
            assert sum(before[kind]) == pytest.approx(sum(after[kind]), rel=0.1)


def test_each_language_is_shuffled_on_its_own() -> None:
    forms = World(replace(SMALL, shuffled=True)).drawn.grammar.forms
    plain = World(SMALL).drawn.lexicon.forms
    orders = [
        tuple(next(k for k in range(12) if (plain[i, k] == forms[i, j]).all()) for j in range(12)) for i in range(4)
    ]
    assert orders[0] == tuple(range(12))
    assert len(set(orders)) == 4


def test_a_shuffled_world_has_no_aligned_lines() -> None:
    with pytest.raises(UserError, match="no aligned lines"):
        World(replace(SMALL, shuffled=True)).aligned("w1", "w2", "train")


def test_with_glossaries_only_nothing_else_is_drawn_and_every_language_is_still_asked(tmp_path: Path) -> None:
    world = World(replace(SMALL, glossary_share=1.0))
    shares = stream_shares(world.streams(), Mix.parse("uniform", world.languages))
    assert shares == {GLOSSARY: 1.0}
    made = shards.prepare(world, world.tokenizer(), tmp_path / "shards")
    assert {name for name, shard in made.train.items() if shard.tokens} == {GLOSSARY}
    assert all(made.heldout[code].tokens >= 2_000 for code in world.languages)
    rows = Sampler(made, shares, context=32, batch_size=4, data_seed=0).batch(0)
    tokens = [word for row in rows for word in made.tokenizer.decode(row.tolist(), skip_special_tokens=False).split()]
    assert any(word.startswith("<w") for word in tokens)
    assert not any("-" in word for word in tokens), "number markers stand in sentences alone"
