import pickle
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

import calque.data.mixes.parallel
from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from calque.data.mixes.ablations import changed
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.mixes.parallel import LONGEST_LINE, ParallelCorpus
from calque.data.shards.sampler import BLOCK_ROWS, Sampler
from calque.data.shards.shards import prepare

LANGUAGES = ("en", "de", "fi")
LINES = {
    "en": ["The dog sleeps.", "A house burns.", "held out here", "same", "", "long", "Two\nlines.", "It rains."],
    "de": ["Der Hund schläft.", "Ein Haus brennt.", "frei", "same", "leer", "lang" * LONGEST_LINE, "Zwei Zeilen.",
           "Es regnet."],
    "fi": ["Koira nukkuu.", "Talo palaa.", "vapaa", "sama", "tyhjä", "pitkä", "Kaksi riviä.", "On  varattu täällä"],
}  # fmt: skip


class Aligned(SampleCorpus):
    """The sample with a few lines that translate each other."""

    def documents(self, stream, split):
        yield from super().documents(stream, split)
        if split == "heldout":
            yield {"en": "first\nheld out here\nlast", "de": "anders", "fi": "On varattu täällä"}[stream]

    def aligned(self, first, second, split):
        assert split == "train"
        yield from zip(LINES[first], LINES[second], strict=True)


@pytest.fixture(scope="module")
def sample():
    return Aligned(SampleConfig(languages=LANGUAGES, tokenizer="bpe:400"))


def parallel(corpus, spec="parallel:0.1"):
    return changed(corpus, Mix.parse(spec, corpus.languages))


def test_lines_come_in_both_orders_and_none_is_held_out(sample):
    documents = list(parallel(sample).documents("parallel", "train"))
    assert "The dog sleeps.\nDer Hund schläft." in documents and "Der Hund schläft.\nThe dog sleeps." in documents
    assert "Two lines.\nZwei Zeilen." in documents, "a document has two lines"
    turned = Counter("\n".join(reversed(document.split("\n"))) for document in documents)
    assert Counter(documents) == turned
    assert all(len(document.split("\n")) == 2 for document in documents)
    said = {line for document in documents for line in document.split("\n")}
    for code in LANGUAGES:
        held = {" ".join(line.split()) for text in sample.documents(code, "heldout") for line in text.split("\n")}
        assert held.isdisjoint(" ".join(line.split()) for line in said)
    assert "same\nsama" in documents and "same\nsame" not in documents, "what is not translated is left out"
    assert "long\npitkä" in documents and all(max(map(len, text.split("\n"))) <= LONGEST_LINE for text in documents)
    assert "" not in said
    assert list(parallel(sample).documents("parallel", "heldout")) == []


def test_a_pair_of_languages_gives_no_more_than_its_limit_and_the_same_in_both_orders(sample, monkeypatch):
    corpus = parallel(sample)
    all_of_it = list(corpus.part_documents("parallel", "en-fi", "train"))
    limit = sum(len(document.encode()) for document in all_of_it) // 2
    monkeypatch.setattr(calque.data.mixes.parallel, "PAIR_BYTES", limit)
    some = list(corpus.part_documents("parallel", "en-fi", "train"))
    assert 0 < len(some) < len(all_of_it) and some == all_of_it[: len(some)]
    assert sum(len(document.encode()) for document in some) <= limit
    turned = list(corpus.part_documents("parallel", "fi-en", "train"))
    assert ["\n".join(reversed(document.split("\n"))) for document in turned] == some


def test_every_ordered_pair_is_a_part(sample):
    corpus = parallel(sample)
    assert corpus.parts("parallel") == tuple(f"{a}-{b}" for a, b in permutations(LANGUAGES, 2))
    assert "Koira nukkuu.\nDer Hund schläft." in list(corpus.part_documents("parallel", "fi-de", "train"))
    assert corpus.segments("parallel", "fi-de", "Koira\nHund") == (("fi", "Koira\n"), ("de", "Hund"))
    assert list(corpus.documents("de", "train")) == list(sample.documents("de", "train"))
    dropped = parallel(sample, "drop:fi+parallel:0.1")
    assert dropped.parts("parallel") == ("en-de", "de-en"), "a language without a share has no lines"


@pytest.mark.parametrize("share", [0.01, 0.25])
def test_the_realised_share_is_exact_in_every_block(sample, tmp_path, share):
    many = parallel(sample, f"parallel:{share}")
    shards = prepare(many, many.tokenizer(), tmp_path / "s")
    mix = Mix.parse(f"parallel:{share}", LANGUAGES)
    shares = stream_shares(many.streams(), mix)
    assert shares == pytest.approx({**dict.fromkeys(LANGUAGES, (1 - share) / 3), "parallel": share})
    sampler = Sampler(shards, shares, context=16, batch_size=8, data_seed=0)
    places = sampler.places(np.arange(3 * BLOCK_ROWS)).reshape(3, BLOCK_ROWS, 2)
    rows = (places[..., 0] == sorted(shares).index("parallel")).sum(axis=1)
    assert (np.abs(rows - share * BLOCK_ROWS) < 1).all()


def test_the_tokenizer_is_the_one_without_parallel_lines(sample):
    assert parallel(sample).tokenizer().to_str() == sample.tokenizer().to_str()


def test_it_can_be_sent_to_another_process_and_tells_what_it_added(sample):
    corpus = parallel(sample)
    again = pickle.loads(pickle.dumps(corpus))
    assert list(again.documents("parallel", "train")) == list(corpus.documents("parallel", "train"))
    assert corpus.provenance()["parallel"] == {"languages": list(LANGUAGES), "form": "line, translation"}


def test_aligned_lines_can_be_romanised(sample):
    documents = list(parallel(sample, "parallel:0.1+romanised").documents("parallel", "train"))
    assert "The dog sleeps.\nDer Hund schlaft." in documents
    assert all(document.isascii() for document in documents)


def test_in_the_world_two_languages_say_the_same():
    world = World(WorldConfig(languages=3, code_switch=0, name_rate=0.3))
    corpus = parallel(world)
    forms = world.word_task().forms
    concept_of = {form[0]: concept for (_, concept), form in forms.items()}
    names = set(world.truth.names)

    def content(line):
        return sorted(concept_of.get(word.split("-")[0].strip("."), word.split("-")[0]) for word in line.split()[1:])

    some = list(corpus.part_documents("parallel", "w1-w2", "train"))
    assert len(some) > 500
    for document in some[:200]:
        one, other = document.split("\n")
        assert one.startswith("<w1>") and other.startswith("<w2>")
        assert content(one) == content(other)
        assert any(word in names or word in concept_of.values() for word in content(one))
    turned = {"\n".join(reversed(text.split("\n"))) for text in corpus.part_documents("parallel", "w2-w1", "train")}
    assert turned == set(some)
    before, after = world.word_task().exposure, corpus.word_task().exposure
    assert (before == 0).any() and ((after == 1) == (before >= 0)).all(), "aligned lines pair all words"
    assert (after[before != 0] == before[before != 0]).all()
    held = set(world.documents("w1", "heldout"))
    assert held.isdisjoint(line for text in some for line in text.split("\n"))


def test_a_corpus_without_aligned_lines_and_too_large_a_share_are_told():
    plain = SampleCorpus(SampleConfig(languages=LANGUAGES))
    for spec in ("parallel:0.1", "parallel:0.1+romanised", "parallel:0.1+disjoint"):
        with pytest.raises(UserError, match="'sample' has no aligned lines.*expected the corpus debian or world"):
            parallel(plain, spec)
    world = World(WorldConfig(languages=3, glossary_share=0.48))
    with pytest.raises(UserError, match="parallel:0.6' leaves the languages nothing.*0.48; expected less than 0.52"):
        ParallelCorpus(world, 0.6, world.languages)
