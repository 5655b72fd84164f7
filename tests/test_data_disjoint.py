import pickle
import re
from itertools import combinations

import numpy as np
import pytest

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from calque.data.mixes.ablations import changed
from calque.data.mixes.mix import Mix
from calque.data.shards.shards import prepare
from calque.data.tokens.encoding import Encoding, blocks_of
from calque.data.tokens.tokenizers import bos
from calque.data.words.properties import item_properties

LANGUAGES = ("en", "de", "tr")
WORLD = WorldConfig(languages=3, train_tokens=30_000, heldout_tokens=2_000, code_switch=0.1)


class Aligned(SampleCorpus):
    """The sample with a line that is translated."""

    def aligned(self, first, second, split):
        lines = {"en": "The dog sleeps.", "de": "Der Hund schläft.", "tr": "Köpek uyuyor."}
        yield lines[first], lines[second]


def disjoint(corpus, spec="disjoint"):
    return changed(corpus, Mix.parse(spec, corpus.languages))


@pytest.fixture(scope="module")
def sample():
    return Aligned(SampleConfig(languages=LANGUAGES, tokenizer="bpe:400", shots=2))


@pytest.fixture(scope="module")
def shards(sample, tmp_path_factory):
    corpus = disjoint(sample, "parallel:0.1+disjoint")
    return prepare(corpus, corpus.tokenizer(), tmp_path_factory.mktemp("disjoint") / "s")


@pytest.fixture(scope="module")
def world_shards(tmp_path_factory):
    corpus = disjoint(World(WORLD))
    return prepare(corpus, corpus.tokenizer(), tmp_path_factory.mktemp("world") / "s")


def blocks(shard, size):
    return np.asarray(shard.ids) // size


def test_no_token_is_in_the_shards_of_two_languages(shards, world_shards):
    for made, languages in ((shards, LANGUAGES), (world_shards, ("w1", "w2", "w3"))):
        size = made.tokenizer.get_vocab_size()
        assert made.blocks == languages and made.vocabulary == 3 * size
        used = {}
        for i, code in enumerate(languages):
            for split in (made.train, made.heldout):
                assert set(blocks(split[code], size)) == {i}
            used[code] = set(np.asarray(made.train[code].ids).tolist())
        for one, other in combinations(languages, 2):
            assert used[one].isdisjoint(used[other])


def test_the_text_is_as_it_was(sample, shards):
    size, first = shards.tokenizer.get_vocab_size(), bos(shards.tokenizer)
    ids = np.asarray(shards.heldout["tr"].ids, np.int64) % size
    documents = np.split(ids, np.flatnonzero(ids == first))[1:]
    said = [shards.tokenizer.decode(document[1:].tolist()) for document in documents]
    assert said == list(sample.documents("tr", "heldout"))
    assert shards.heldout["tr"].text_bytes == sum(len(text.encode()) for text in said)


def test_of_aligned_lines_each_is_in_its_block(shards):
    size, first = shards.tokenizer.get_vocab_size(), bos(shards.tokenizer)
    ids = np.asarray(shards.train["parallel"].ids, np.int64)
    starts = np.flatnonzero(ids % size == first)
    said = set()
    for document in np.split(ids, starts)[1:]:
        own = document // size
        assert own[0] == own[1], "what begins a document is in the block of its first line"
        turn = int(np.argmax(own != own[0]))
        assert (own[turn:] == own[turn]).all()
        lines = [shards.tokenizer.decode((part % size).tolist()) for part in (document[1:turn], document[turn:])]
        said.add((LANGUAGES[own[0]], lines[0], LANGUAGES[own[turn]], lines[1]))
    assert len(said) == 6
    assert ("de", "Der Hund schläft.\n", "tr", "Köpek uyuyor.") in said


def test_of_a_glossary_each_entry_is_in_the_block_of_its_tag(world_shards):
    tokenizer = world_shards.tokenizer
    size = tokenizer.get_vocab_size()
    ids = np.asarray(world_shards.train["glossary"].ids[:2000], np.int64)
    tag = tokenizer.token_to_id("<w1>")
    block = -1
    for token in ids[1:]:
        if tag <= token % size < tag + 3:
            block = token % size - tag
        if token % size != bos(tokenizer) and block >= 0:
            assert token // size == block
    begins = np.flatnonzero(ids % size == bos(tokenizer))[:-1]
    assert (ids[begins] // size == ids[begins + 1] // size).all()


@pytest.mark.parametrize("template", ["names", "brackets", "sentence"])
def test_only_source_words_of_a_question_are_in_the_source_block(template):
    corpus = disjoint(

        SampleCorpus(SampleConfig(languages=LANGUAGES, tokenizer="bpe:400", shots=2, template=template))
    )  # fmt: skip
    encoding, task = Encoding(corpus.tokenizer(), blocks_of(corpus)), corpus.word_task()
    assert task.template == template
    for concept in task.concepts[:20]:
        word = task.forms["de", concept][0]
        ids = encoding.encode(task.prompt.segments("de", "tr", word, concept))
        source = [token for token in ids if token // encoding.size == LANGUAGES.index("de")]
        target = [token for token in ids if token // encoding.size == LANGUAGES.index("tr")]
        assert len(source) + len(target) == len(ids)
        shown = [task.forms["de", c][0] for c in task.prompt.examples if c != concept][:2]
        assert encoding.decode(source) == ("".join([*shown, word]), "de")
        assert word not in re.split(r"\W+", encoding.decode(target)[0])
        answer = encoding.encode([("tr", task.forms["tr", concept][0])])
        assert not set(answer) & set(source), "nothing can be copied"


def test_in_the_world_the_tag_goes_with_its_word():
    corpus = disjoint(World(WORLD))
    encoding, task = Encoding(corpus.tokenizer(), blocks_of(corpus)), corpus.word_task()
    word = task.forms["w1", "noun01"][0]
    ids = encoding.encode(task.prompt.segments("w1", "w3", word, "noun01"))
    assert encoding.decode(ids) == (f"<w1> {word}", "w1")
    assert encoding.decode(ids[-1:]) == ("<w3>", "w3") and len(ids) == 4


def test_two_languages_have_no_overlap_but_each_has_with_itself(sample):
    corpus = disjoint(sample)
    encoding, task = Encoding(sample.tokenizer(), blocks_of(corpus)), corpus.word_task()
    plain = item_properties(task, Encoding(sample.tokenizer()))["overlap"][1]
    mine = item_properties(task, encoding)["overlap"][1]
    between = ~np.eye(3, dtype=bool)
    assert (plain[between] == 2).any() and (mine[between] == 0).all()
    assert (mine[~between] == 2).all()


def test_it_tells_can_be_sent_to_another_process_and_refuses_what_it_cannot_take_apart(sample):
    corpus = disjoint(sample)
    assert corpus.provenance() == {**sample.provenance(), "disjoint": list(LANGUAGES)}
    assert pickle.loads(pickle.dumps(corpus)).blocks == LANGUAGES
    with pytest.raises(UserError, match="the stream 'chat' of the corpus 'sample' mixes languages"):
        corpus.segments("chat", None, "hello")
