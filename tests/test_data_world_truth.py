"""The truth of a simulated world is that of its text: what it calls held out or paired is so."""

import re
from itertools import islice

import numpy as np
import pytest

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY, World
from tests.worlds import SMALL, glossary_entries, leaks, string_pairs


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig(train_tokens=3_000_000))


@pytest.fixture(scope="module")
def small():
    return World(SMALL)


@pytest.fixture(scope="module")
def entries(world):
    return glossary_entries(world)


def test_no_held_out_pair_leaks_into_the_text(world, entries):
    assert leaks(world, entries + glossary_entries(world, "heldout")) == 0
    other = World(WorldConfig(world_seed=1, train_tokens=500_000, cognate_rate=0.5, coverage=0.5))
    assert leaks(other, glossary_entries(other)) == 0
    for code in world.languages:
        for document in islice(world.documents(code, "train"), 500):
            assert re.findall(r"<\w+>", document) == [f"<{code}>"]
            assert document.startswith(f"<{code}> ")


def test_the_leak_test_finds_a_leak(small):
    world = World(SMALL)
    world.truth.exposure[0, 1] = 0
    assert leaks(world, glossary_entries(world)) > 0


def test_every_pair_called_paired_is_in_the_text(world, entries):
    seen = {(x, y) for _, x, _, y in entries}
    assert string_pairs(world, world.truth.exposure == 1) <= seen


def test_two_hundred_distinct_held_out_pairs(world):
    truth = world.truth
    held_out = (truth.exposure == 0) & ~truth.cognate
    assert truth.held_out_items == held_out.sum()
    assert truth.held_out_pairs == len(string_pairs(world, held_out)) >= 200
    assert truth.held_out_disjoint_pairs == len(string_pairs(world, held_out & ~truth.shares_syllable)) >= 200


def test_rates_are_as_configured(world):
    truth, config = world.truth, world.config
    asked = truth.exposure >= 0
    assert (truth.exposure[asked] == 1).mean() == pytest.approx(config.coverage, abs=0.03)
    assert truth.cognate[asked].mean() == pytest.approx(config.cognate_rate, abs=0.02)
    assert (np.einsum("iic->ic", truth.exposure) == -1).all()
    assert truth.frequency.sum() == pytest.approx(1)


def test_a_language_without_a_share_is_in_no_training_text():
    world = World(SMALL, shares={"w1": 0.5, "w2": 0.3, "w3": 0.2})
    assert not any("w4" in (a, b) for a, _, b, _ in glossary_entries(world))
    assert (world.truth.exposure[3] == -1).all() and (world.truth.exposure[:, 3] == -1).all()
    assert list(world.documents("w4", "train")) == []
    assert list(world.documents("w4", "heldout"))
    switched = World(
        WorldConfig(**{**vars(SMALL), "code_switch": 1.0, "cognate_rate": 0.0}), shares={"w1": 0.5, "w2": 0.5}
    )
    absent = {form for (code, _), (form,) in switched.word_task().forms.items() if code in ("w3", "w4")}
    assert not absent & set(re.findall(r"[a-z]{4}", " ".join(switched.documents("w1", "train"))))


def test_held_concepts_are_in_no_glossary():
    world = World(WorldConfig(**{**vars(SMALL), "held_concepts": 0.5}))
    held = world.truth.held_concepts
    assert held.sum() == 6
    assert (world.truth.exposure[..., held] <= 0).all()
    assert leaks(world, glossary_entries(world)) == 0


def test_without_coverage_glossaries_hold_names_only():
    world = World(WorldConfig(**{**vars(SMALL), "coverage": 0.0}))
    names = set(world.truth.names)
    assert all(x == y and x in names for _, x, _, y in glossary_entries(world))
    assert (world.truth.exposure <= 0).all()


def test_without_glossaries_nothing_is_paired():
    world = World(WorldConfig(**{**vars(SMALL), "glossary_share": 0.0}))
    assert GLOSSARY not in world.streams()
    assert (world.truth.exposure <= 0).all()
