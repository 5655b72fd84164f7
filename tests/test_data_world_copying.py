"""Worlds with less to copy, and what training may begin with."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY, World
from calque.data.corpora.world.opening import OPENING
from calque.data.errors import UserError
from calque.data.mixes.ablations import changed
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.shards import shards
from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.data.tokens.encoding import Encoding
from tests.worlds import ENTRY, SMALL, glossary_entries, leaks, string_pairs

NOTHING = replace(SMALL, recurring_names=False, cognate_rate=0.0, repeat_rate=0.0)
WORD = re.compile(r"\b[a-z]{4}\b")


def names_of(world: World, document: str) -> list[str]:
    pool = set(world.truth.names)
    return [word for word in WORD.findall(document) if word in pool]


def test_with_nothing_to_copy_no_entry_has_the_same_word_on_both_sides() -> None:
    world = World(NOTHING)
    entries, names = glossary_entries(world), set(world.truth.names)
    assert np.mean([x in names for _, x, _, _ in entries]) == pytest.approx(0.5, abs=0.02)
    assert all((x in names) == (y in names) for _, x, _, y in entries)
    assert not any(x == y for _, x, _, y in entries)


@pytest.mark.parametrize("stream", ["w1", GLOSSARY])
def test_names_that_do_not_recur_stand_once_in_a_document(stream: str) -> None:
    world = World(NOTHING)
    counts = [Counter(names_of(world, document)) for document in world.documents(stream, "train")]
    assert max(max(count.values(), default=0) for count in counts) == 1
    sentences, entries = 0.4 * 4, 0.5 * 4
    expected = 2 * entries if stream == GLOSSARY else sentences
    names = np.array([sum(count.values()) for count in counts])
    assert abs(names.mean() - expected) < 3 * names.std() / np.sqrt(len(names)), "as many names as elsewhere"
    twice = Counter(name for count in counts for name in count)
    assert len(twice) == SMALL.names and chisquare(list(twice.values())).pvalue > 1e-3, "each as often"


def test_a_world_without_the_options_is_drawn_as_before() -> None:
    """Options that are left out move no random number: the digest of the known text is in another test."""
    plain = World(SMALL)
    for change in ({"copying_first": 5_000}, {"no_copying_first": 5_000}):
        begun = World(replace(SMALL, **change))  # type: ignore[arg-type]
        for stream in plain.streams():
            for one, other in zip(plain.token_batches(stream, "train"), begun.token_batches(stream, "train"),
                                  strict=True):  # fmt: skip
                assert (one == other).all()
        assert set(begun.streams()) - set(plain.streams()) == {OPENING}
    assert OPENING not in plain.streams()


def test_the_opening_that_teaches_copying_holds_names_alone() -> None:
    world = World(replace(SMALL, copying_first=20_000))
    names = set(world.truth.names)
    entries = [entry for document in world.documents(OPENING, "train") for entry in ENTRY.findall(document)]
    assert len(entries) * 7 >= 0.9 * 20_000
    assert all(x == y and x in names for _, x, _, y in entries)
    assert len({(a, b) for a, _, b, _ in entries}) == 12, "in every direction"


def test_the_opening_that_forbids_copying_is_the_text_without_it() -> None:
    world = World(replace(SMALL, no_copying_first=60_000))
    documents = list(world.documents(OPENING, "train"))
    entries = [ENTRY.findall(document) for document in documents]
    is_glossary = np.array([len(found) == 4 for found in entries])
    tokens = [len(world.tokenizer().encode(document).ids) + 1 for document in documents]
    share = sum(n for n, glossary in zip(tokens, is_glossary, strict=True) if glossary) / sum(tokens)
    assert share == pytest.approx(SMALL.glossary_share, abs=0.02)
    assert not any(x == y for found in entries for _, x, _, y in found)
    names = set(world.truth.names)
    taught = {(x, y) for found in entries for _, x, _, y in found if x not in names}
    pairs = {(x, y) for x, y in string_pairs(world, world.truth.exposure == 1) if x != y}
    assert taught <= pairs and len(taught) > 0.9 * len(pairs), "it still teaches to translate"
    assert all(max(Counter(names_of(world, document)).values(), default=0) <= 1 for document in documents)
    lines = [d.split(". ") for d, glossary in zip(documents, is_glossary, strict=True) if not glossary]
    repeated = np.mean([one == other for said in lines for one, other in zip(said, said[1:], strict=False)])
    assert repeated < 0.01, "by chance, where repeat_rate alone gives .1"
    languages = Counter(document[:4] for document, glossary in zip(documents, is_glossary, strict=True) if not glossary)
    assert len(languages) == 4 and min(languages.values()) > 0.85 * max(languages.values())


def test_no_pair_that_is_held_out_leaks_through_an_opening() -> None:
    for change in ({"copying_first": 60_000}, {"no_copying_first": 60_000}):
        world = World(replace(SMALL, **change))  # type: ignore[arg-type]
        entries = [entry for d in world.documents(OPENING, "train") for entry in ENTRY.findall(d)]
        assert len(entries) > 3_000 and leaks(world, entries) == 0


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, shards.Shards]:
    world = World(replace(SMALL, copying_first=6_450))
    return world, shards.prepare(world, world.tokenizer(), tmp_path_factory.mktemp("w") / "shards")


def test_training_begins_with_the_opening_and_goes_on_as_without_it(begun: tuple[World, shards.Shards]) -> None:
    world, made = begun
    shares = stream_shares(world.streams(), Mix.parse("uniform", world.languages))
    assert OPENING not in shares
    how = {"context": 64, "batch_size": 8, "data_seed": 3}
    rest, first = Sampler(made, shares, **how), Sampler(made, {OPENING: 1.0}, **how)  # type: ignore[arg-type]
    both = OpeningSampler(first, rest, 6_450)
    assert both.opening_rows == 100, "50 tokens are less than a row"
    rows = np.concatenate([both.batch(step) for step in range(20)])
    markers = np.arange(world.vocabulary.marker, world.vocabulary.first)
    assert not np.isin(rows[:100], markers).any(), "names alone have no agreement"
    assert (rows[100:] == rest.rows(np.arange(60))).all()
    assert len(np.unique(rows[:100], axis=0)) == 100, "each window once"
    assert both.drawn(20) == {**rest.drawn_rows(60), OPENING: 100}
    assert both.drawn(5) == {**dict.fromkeys(rest.shares, 0), OPENING: 40}
    with pytest.raises(UserError, match="the opening has 63 tokens; expected a row's 64 or more"):
        OpeningSampler(first, rest, 63)


def test_an_opening_can_be_taken_apart_by_language() -> None:
    world = World(replace(SMALL, no_copying_first=2_000))
    mix = Mix.parse("disjoint", world.languages)
    corpus = changed(world, mix)
    document = next(iter(corpus.documents(OPENING, "train")))
    pieces = corpus.segments(OPENING, None, document)  # type: ignore[attr-defined]
    assert "".join(text for _, text in pieces) == document and {code for code, _ in pieces} <= set(world.languages)
    assert Encoding(corpus.tokenizer(), world.languages).encode(pieces)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"copying_first": 10, "no_copying_first": 10}, "expected one of them above 0"),
        ({"copying_first": 10, "recurring_names": False}, "copying_first repeats names, but recurring_names is false"),
        ({"recurring_names": False, "names": 7}, "up to 8; expected 8 or more"),
        ({"copying_first": -1}, "copying_first is -1; expected 0 or more"),
        ({"recurring_names": 1}, "recurring_names is 1; expected true or false"),
    ],
)
def test_impossible_choices_are_refused(change: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        WorldConfig(**change)  # type: ignore[arg-type]
