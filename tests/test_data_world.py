"""The text of a simulated world: its streams, documents and splits, and that it stays the same."""

import hashlib
import json
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY, World
from calque.data.errors import UserError
from tests.worlds import SMALL, glossary_entries


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig(train_tokens=3_000_000))


@pytest.fixture(scope="module")
def small():
    return World(SMALL)


@pytest.fixture(scope="module")
def entries(world):
    return glossary_entries(world)


def test_glossaries_are_as_configured(world, entries):
    names = set(world.truth.names)
    assert np.mean([x in names for _, x, _, _ in entries]) == pytest.approx(0.5, abs=0.01)
    assert all(x == y for _, x, _, y in entries if x in names)
    directions, counts = np.unique([f"{a}>{b}" for a, _, b, _ in entries], return_counts=True)
    assert len(directions) == 72
    assert counts.min() > 0.8 * counts.mean()


def test_sentences_are_as_configured():
    world = World(WorldConfig(train_tokens=500_000, code_switch=0.05))
    forms = world.word_task().forms
    words, names, repeated, sentences = [], 0, 0, 0
    own = {forms["w1", concept][0] for concept in world.word_task().concepts}
    pool = set(world.truth.names)
    for document in world.documents("w1", "train"):
        said = document.removeprefix("<w1> ").removesuffix(".").split(". ")
        assert len(said) == 4
        repeated += sum(x == y for x, y in zip(said, said[1:], strict=False))
        sentences += len(said)
        words += re.findall(r"\b[a-z]{4}\b", document)
        names += sum(any(word in pool for word in re.findall(r"\b[a-z]{4}\b", line)) for line in said)
    assert names / sentences == pytest.approx(0.4, abs=0.03)
    assert repeated / sentences * 4 / 3 == pytest.approx(0.1, abs=0.05)
    foreign = np.mean([word not in own for word in words if word not in pool])
    assert foreign == pytest.approx(0.05 * (8 / 9) * (1 - 0.15), abs=0.01)


def test_splits_share_no_document():
    config = WorldConfig(
        languages=2, nouns=3, verbs=2, adjectives=2, syllables=8, names=5, nonce=0, topics=1, sentences=1,
        glossary_entries=2, train_tokens=60_000, heldout_tokens=6_000,
    )  # fmt: skip
    world = World(config)
    documents = list(world.documents(GLOSSARY, "train"))
    assert len(set(documents)) < len(documents) / 2, "a world this small says everything more than once"
    for stream in world.streams():
        train, heldout = (set(world.documents(stream, split)) for split in ("train", "heldout"))
        assert heldout and not train & heldout


def test_a_world_too_small_to_hold_text_out_is_refused():
    config = WorldConfig(
        languages=2, nouns=1, verbs=1, adjectives=1, syllables=4, names=1, nonce=0, glossary_entries=1, coverage=0.0
    )
    with pytest.raises(UserError, match="too few different documents"):
        list(World(config).documents(GLOSSARY, "heldout"))


def test_documents_and_token_batches_are_the_same_text(small):
    tokenizer = small.tokenizer()
    assert tokenizer.token_to_id("<bos>") == 0
    for stream in small.streams():
        texts = list(small.documents(stream, "heldout"))
        ids = [i for text in texts for i in [0, *tokenizer.encode(text).ids]]
        batches = list(small.token_batches(stream, "heldout"))
        assert np.concatenate(batches).tolist() == ids
        assert 4_000 <= len(ids) < 4_100
        lengths = np.concatenate([small.document_bytes(batch) for batch in batches])
        assert lengths.tolist() == [len(text.encode()) for text in texts]
        assert [tokenizer.decode(tokenizer.encode(text).ids) for text in texts] == texts


def test_a_longer_stream_begins_with_the_shorter(small):
    short, long = (np.concatenate(list(small.token_batches("w1", "train", n))) for n in (5_000, 300_000))
    assert 5_000 <= len(short) < 5_100
    assert (long[: len(short)] == short).all()


def test_same_seed_same_world_other_seed_other_world(small):
    again, other = World(SMALL), World(WorldConfig(**{**vars(SMALL), "world_seed": 1}))
    first = [list(islice(w.documents(GLOSSARY, "train"), 50)) for w in (small, again, other)]
    assert first[0] == first[1] != first[2]
    assert small.minimal_pairs() == again.minimal_pairs() != other.minimal_pairs()
    assert small.word_task().forms != other.word_task().forms


@pytest.mark.golden
@pytest.mark.parametrize("name", ["small", "shuffled", "switched"])
def test_the_world_of_a_seed_stays_what_it_is(name):
    """Shards of earlier studies are used again by their configuration: not one byte may change."""
    changes = {"small": {}, "shuffled": {"shuffled": True}, "switched": {"code_switch": 0.1, "coverage": 0.5}}[name]
    world = World(WorldConfig(**{**vars(SMALL), **changes}))
    digest = hashlib.sha256()
    for stream in world.streams():
        for split in ("train", "heldout"):
            digest.update(np.concatenate(list(world.token_batches(stream, split))).astype("<i8").tobytes())
    digest.update(repr((world.minimal_pairs(), sorted(world.word_task().forms.items()))).encode())
    known = json.loads((Path(__file__).parent / "golden" / "world.json").read_text())
    assert digest.hexdigest() == known[name]


def test_streams_have_their_shares(small):
    world = World(SMALL, shares={"w1": 0.5, "w2": 0.3, "w3": 0.2})
    assert world.streams() == {"w1": None, "w2": None, "w3": None, "w4": None, "glossary": 0.48}
    tokens = {s: sum(map(len, world.token_batches(s, "train"))) for s in world.streams()}
    wanted = {"w1": 31_200, "w2": 18_720, "w3": 12_480, "w4": 0, "glossary": 57_600}
    assert tokens == pytest.approx(wanted, abs=60)


def test_an_unknown_stream_is_refused(small):
    with pytest.raises(UserError, match="unknown stream 'glosary'.*did you mean 'glossary'"):
        next(small.documents("glosary", "train"))
