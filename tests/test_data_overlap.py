import numpy as np
import pytest

from calque.data.corpora.world.corpus import World
from calque.data.tasks import WordTask
from calque.data.tokens import tokenizers
from calque.data.words import overlap


def word_task(forms, languages=("en", "de")):
    return WordTask(
        languages=languages, concepts=tuple(dict.fromkeys(c for _, c in forms)), forms=forms, nonce={},
        prompt=lambda source, target, word, concept: f'"{word}" = "', stop='"',
    )  # fmt: skip


@pytest.fixture(scope="module")
def merged():
    """Merges made to order: 'dio', 'ra', 'ко', '水' whole; everything else bytes."""
    return tokenizers.train(["dio", "ra", "ко", "水"] * 50, 272)


@pytest.mark.parametrize(
    "source, target, expected",
    [
        ("radio", "radio", overlap.IDENTICAL),
        ("radio", "audio", overlap.SHARED_TOKEN),
        ("rabe", "raus", overlap.SHARED_TOKEN),
        ("кот", "коза", overlap.SHARED_TOKEN),
        ("水", "水道", overlap.SHARED_TOKEN),
        ("Ab", "aB", overlap.SHARED_TOKEN),
        ("best", "tse", overlap.NONE),
        ("ель", "лес", overlap.NONE),
        ("물", "문", overlap.NONE),
        ("火", "山", overlap.NONE),
        ("dog", "собака", overlap.NONE),
    ],
)
def test_overlap(merged, source, target, expected):
    assert overlap.overlap(merged, source, target) == expected
    assert overlap.overlap(merged, target, source) == expected


def test_the_words_without_overlap_do_share_letters_or_bytes(merged):
    for source, target in (("best", "tse"), ("ель", "лес"), ("물", "문")):
        assert set(merged.encode(source).ids) & set(merged.encode(target).ids)


def test_overlap_table_counts_the_nearest_accepted_form(merged):
    forms = {
        ("en", "radio"): ("radio", "wireless"), ("de", "radio"): ("Funk", "radio"),
        ("en", "raven"): ("rabe",), ("de", "raven"): ("krähe", "raus"),
        ("en", "hill"): ("best",),
    }  # fmt: skip
    table = overlap.overlap_table(merged, word_task(forms))
    assert table.dtype == np.int8
    assert table[0, 1].tolist() == [overlap.IDENTICAL, overlap.SHARED_TOKEN, -1]
    assert table[1, 0].tolist() == [overlap.NONE, overlap.NONE, -1]
    assert table[0, 0].tolist() == [overlap.IDENTICAL] * 3
    assert table[1, 1, 2] == -1


def test_overlap_of_the_world_is_the_truth():
    world = World()
    table = overlap.overlap_table(world.tokenizer(), world.word_task())
    assert ((table == overlap.IDENTICAL) == world.truth.cognate).all()
    assert ((table >= overlap.SHARED_TOKEN) == world.truth.shares_syllable).all()
    assert (table == overlap.SHARED_TOKEN).sum() > 50
