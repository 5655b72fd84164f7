import re
from itertools import islice

import numpy as np
import pytest

from data.corpora.world import GLOSSARY, World
from data.corpora.world_config import WorldConfig
from data.errors import UserError

SMALL = WorldConfig(
    languages=4, nouns=6, verbs=3, adjectives=3, syllables=12, names=30, nonce=10,
    train_tokens=120_000, heldout_tokens=4_000,
)  # fmt: skip
ENTRY = re.compile(r"<(w\d+)> ([a-z]{4}) <(w\d+)> ([a-z]{4})\.")


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig(train_tokens=3_000_000))


@pytest.fixture(scope="module")
def small():
    return World(SMALL)


def glossary_entries(world, split="train"):
    """Read the glossary's text back: (source, source word, target, target word) of every entry."""
    entries = []
    for document in world.documents(GLOSSARY, split):
        found = ENTRY.findall(document)
        assert len(found) == world.config.glossary_entries
        assert len(" ".join(f"<{a}> {x} <{b}> {y}." for a, x, b, y in found)) == len(document)
        entries += found
    return entries


@pytest.fixture(scope="module")
def entries(world):
    return glossary_entries(world)


def string_pairs(world, chosen):
    task = world.word_task()
    return {
        (task.forms[task.languages[s], concept][0], task.forms[task.languages[t], concept][0])
        for k, concept in enumerate(task.concepts)
        for s, t in np.argwhere(chosen[:, :, k])
    }


def leaks(world, entries):
    """Count glossary entries that pair the two strings of a held-out item (a name is no word)."""
    held_out = string_pairs(world, (world.truth.exposure == 0))
    return sum((x, y) in held_out for _, x, _, y in entries)


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


def test_words_names_and_nonces_never_meet(world):
    task, truth = world.word_task(), world.truth
    words, nonce = {form for group in task.forms.values() for form in group}, sum(task.nonce.values(), ())
    assert len(nonce) == len(set(nonce)) == 48
    assert len(truth.names) == len(set(truth.names)) == 250
    assert not words & set(nonce) and not words & set(truth.names) and not set(nonce) & set(truth.names)
    concept_of = {}
    for (_, concept), (form,) in task.forms.items():
        assert concept_of.setdefault(form, concept) == concept
    for stream in ("w1", GLOSSARY):
        text = " ".join(islice(world.documents(stream, "train"), 5000))
        assert not set(re.findall(r"[a-z]{4}", text)) & set(nonce)


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


def test_tokens_of_an_answer_do_not_depend_on_the_prompt(small):
    tokenizer, task = small.tokenizer(), small.word_task()
    word, answer = task.forms["w1", "noun01"][0], task.forms["w2", "noun01"][0]
    prompt = task.prompt("w1", "w2", word, "noun01")
    whole = tokenizer.encode(f"{prompt} {answer}{task.stop}").ids
    assert [i for part in (prompt, answer, task.stop) for i in tokenizer.encode(part).ids] == whole
    assert tokenizer.encode(prompt + answer + task.stop).ids == whole
    assert any(f"{prompt} " in document for document in small.documents(GLOSSARY, "train"))
    assert tokenizer.decode(tokenizer.encode(answer + task.stop).ids) == answer + task.stop


def test_a_text_of_another_world_is_refused(small):
    with pytest.raises(Exception, match="UNK"):
        small.tokenizer().encode("<w1> hello")


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


def test_streams_have_their_shares(small):
    world = World(SMALL, shares={"w1": 0.5, "w2": 0.3, "w3": 0.2})
    assert world.streams() == {"w1": None, "w2": None, "w3": None, "w4": None, "glossary": 0.48}
    tokens = {s: sum(map(len, world.token_batches(s, "train"))) for s in world.streams()}
    wanted = {"w1": 31_200, "w2": 18_720, "w3": 12_480, "w4": 0, "glossary": 57_600}
    assert tokens == pytest.approx(wanted, abs=60)


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


def test_minimal_pairs_differ_in_one_property(world):
    pairs = world.minimal_pairs()
    assert len(pairs) == 9 * 2 * 30
    assert {(p.language, p.phenomenon) for p in pairs} == {
        (code, phenomenon) for code in world.languages for phenomenon in ("agreement", "word_order")
    }
    assert len({p.cluster for p in pairs}) == 30
    tokenizer = world.tokenizer()
    for pair in pairs:
        good, bad = (tokenizer.encode(text).tokens for text in (pair.good, pair.bad))
        if pair.phenomenon == "agreement":
            changed = [(x, y) for x, y in zip(good, bad, strict=True) if x != y]
            assert {tuple(re.sub(r"\d", "", t) for t in two) for two in changed} <= {
                ("-vsg", "-vpl"), ("-vpl", "-vsg"),
            }  # fmt: skip
            assert len(changed) == 1
        else:
            assert good != bad and sorted(good) == sorted(bad)


def test_good_sentences_agree_and_keep_their_order(world):
    for pair in world.minimal_pairs():
        order, adjective_last = world.truth.grammars[world.languages.index(pair.language)]
        kinds = "".join("v" if "-v" in word else "n" if "-" in word else "a" for word in pair.good.split()[1:])
        phrase = {"S": "na" if adjective_last else "an", "O": "na?" if adjective_last else "a?n", "V": "v"}
        assert re.fullmatch("".join(phrase[part] for part in order), kinds), pair.good
        subject = re.search(r"-(sg|pl)", pair.good)
        verb = re.search(r"-v(sg|pl)", pair.good)
        assert subject and verb and subject[1] == verb[1]
    assert len(set(world.truth.grammars)) == 6


@pytest.mark.parametrize(
    "change, words",
    [
        ({"languages": 1}, "languages is 1; expected 2 or more"),
        ({"languages": 100}, "languages is 100; expected at most 99"),
        ({"languages": 2.5}, "languages is 2.5; expected a whole number"),
        ({"coverage": 1.2}, "coverage is 1.2; expected a value from 0 to 1"),
        ({"coverage": "high"}, "coverage is 'high'; expected a number"),
        ({"coverage": float("nan")}, "coverage is nan"),
        ({"zipf": -1}, "zipf is -1"),
        ({"names": True}, "names is True"),
        ({"syllables": 51}, "syllables is 51; expected at most 50"),
        ({"syllables": 20}, "20 syllables give 400; expected syllables of 26 or more"),
        ({"glossary_share": 1.1}, "glossary_share is 1.1; expected a value from 0 to 1"),
        ({"shuffled": 1}, "shuffled is 1; expected true or false"),
        ({"sentences": 1000}, "documents would have 14002 tokens"),
        ({"train_tokens": 0}, "train_tokens is 0"),
    ],
)
def test_an_impossible_world_is_refused_in_one_line(change, words):
    with pytest.raises(UserError) as error:
        WorldConfig(**change)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "shares, words",
    [
        ({"w1": 0.5, "w5": 0.5}, "unknown language 'w5'"),
        ({"w1": 0.5, "w2": 0.4}, "sum to 0.9"),
        ({"w1": 1.5, "w2": -0.5}, "non-negative"),
        ({"w1": 1.0}, "only w1 has a share"),
    ],
)
def test_impossible_shares_are_refused(shares, words):
    with pytest.raises(UserError, match=words):
        World(SMALL, shares=shares)


def test_an_unknown_stream_is_refused(small):
    with pytest.raises(UserError, match="unknown stream 'glosary'.*did you mean 'glossary'"):
        next(small.documents("glosary", "train"))
