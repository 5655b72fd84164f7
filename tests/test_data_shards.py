import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from calque.data.shards import shards
from calque.data.shards.shards import Shards, prepare
from calque.data.tokens import tokenizers

CONFIG = WorldConfig(languages=3, train_tokens=60_000, heldout_tokens=3_000)


class Texts:
    """A corpus of given texts."""

    name = "texts"

    def __init__(self, train, heldout=("held out",), note=""):
        self.train, self.heldout, self.note = train, heldout, note
        self.languages = tuple(train)

    def streams(self):
        return dict.fromkeys(self.languages)

    def documents(self, stream, split):
        yield from self.train[stream] if split == "train" else self.heldout

    def provenance(self):
        return {"corpus": "texts", "licence": "CC0-1.0", "note": self.note}


class Slow:
    """The world without its fast path."""

    def __init__(self, world):
        self.streams, self.documents, self.provenance = world.streams, world.documents, world.provenance


def numbers(vocabulary):
    """Return a tokenizer of the words ``0``, ``1``, ... with ``<bos>`` the last but one token."""
    words = {f"{i}": i for i in range(vocabulary)}
    del words[f"{vocabulary - 2}"]
    tokenizer = Tokenizer(models.WordLevel({**words, "<bos>": vocabulary - 2}, "<unk>"))
    tokenizer.add_special_tokens([AddedToken("<bos>", special=True)])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.fixture(scope="module")
def bpe():
    return tokenizers.train(["hello world, Welt, мир 世界"] * 5, 300)


@pytest.fixture(scope="module")
def world():
    return World(CONFIG)


@pytest.fixture
def folder(world, tmp_path):
    return prepare(world, world.tokenizer(), tmp_path / "shards").folder


def test_shards_hold_the_documents(bpe, tmp_path):
    texts = {"en": ["hello world", "", "hello"], "ru": ["мир", "世界 мир"]}
    made = prepare(Texts(texts), bpe, tmp_path / "a" / "b")
    for stream, documents in texts.items():
        shard = made.train[stream]
        expected = [i for text in documents for i in [0, *bpe.encode(text).ids]]
        assert shard.ids.tolist() == expected
        assert (shard.tokens, shard.documents) == (len(expected), len(documents))
        assert shard.text_bytes == sum(len(text.encode()) for text in documents)
        assert isinstance(shard.ids, np.memmap) and shard.ids.dtype == np.uint16
    assert made.heldout["en"].ids.tolist() == [0, *bpe.encode("held out").ids]
    assert made.provenance["licence"] == "CC0-1.0"
    assert made.vocabulary == bpe.get_vocab_size()
    assert tokenizers.digest(made.tokenizer) == made.tokenizer_sha256 == tokenizers.digest(bpe)
    assert Shards.open(made.folder, tokenizer_sha256=tokenizers.digest(bpe), verify=True) == made


def test_the_fast_path_writes_the_same_shards(world, tmp_path):
    fast = prepare(world, world.tokenizer(), tmp_path / "fast", max_tokens=10_000, max_heldout_tokens=1_000)
    slow = prepare(Slow(world), world.tokenizer(), tmp_path / "slow", max_tokens=10_000, max_heldout_tokens=1_000)
    files = {path.name: path.read_bytes() for path in fast.folder.iterdir()}
    assert {path.name: path.read_bytes() for path in slow.folder.iterdir()} == files
    assert fast.train["w1"].text_bytes == slow.train["w1"].text_bytes > 0


@pytest.mark.parametrize("limit, kept", [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (9, 3), (10, 3), (None, 3)])
def test_limits_stop_with_the_document_that_reaches_them(tmp_path, limit, kept):
    texts = {"a": ["1 2", "3 4", "5 6"], "b": ["7"]}
    limits = None if limit is None else {"a": limit}
    made = prepare(Texts(texts, heldout=("8",)), numbers(20), tmp_path / "s", max_tokens=limits)
    assert made.train["a"].tokens == 3 * kept
    assert made.train["a"].documents == kept
    assert made.train["a"].text_bytes == 3 * kept
    assert made.train["b"].tokens == 2


@pytest.mark.parametrize("vocabulary, dtype", [(65_535, "<u2"), (65_536, "<u2"), (65_537, "<u4")])
def test_the_largest_token_fits(tmp_path, vocabulary, dtype):
    corpus = Texts({"a": [f"0 {vocabulary - 1}"]}, heldout=("1",))
    made = prepare(corpus, numbers(vocabulary), tmp_path / "s")
    assert made.train["a"].dtype == dtype
    assert made.train["a"].ids.tolist() == [vocabulary - 2, 0, vocabulary - 1]


def test_an_empty_stream_is_an_empty_shard(bpe, tmp_path):
    made = prepare(Texts({"en": []}, heldout=()), bpe, tmp_path / "s")
    assert made.train["en"].ids.shape == (0,)


def test_prepare_returns_at_once_when_the_shards_are_there(world, folder, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(shards, "Streams", lambda *_: pytest.fail("wrote again"))
    assert prepare(world, world.tokenizer(), folder) == Shards.open(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_text_tokenizer_or_limits_are_refused_and_nothing_is_lost(bpe, tmp_path):
    folder = tmp_path / "s"
    prepare(Texts({"en": ["hello"]}), bpe, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    others = [
        (Texts({"en": ["hello"]}, note="edition 2"), bpe, {}),
        (Texts({"en": ["hello"], "de": ["Welt"]}), bpe, {}),
        (Texts({"en": ["hello"]}), tokenizers.train(["hello"], 260), {}),
        (Texts({"en": ["hello"]}), bpe, {"max_tokens": 10}),
    ]
    for corpus, tokenizer, limits in others:
        with pytest.raises(UserError, match=f"{folder} holds shards of other text.*remove the folder"):
            prepare(corpus, tokenizer, folder, **limits)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_of_something_else_is_refused(bpe, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds no complete token shards"):
        prepare(Texts({"en": ["hello"]}), bpe, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="holds no complete token shards"):
        prepare(Texts({"en": ["hello"]}), bpe, tmp_path / "thesis.tex")


def test_a_truncated_shard_is_told(world, folder):
    path = folder / "w2.train.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(UserError, match=rf"the shard {path} has \d+ bytes, expected \d+; remove the folder"):
        Shards.open(folder)
    with pytest.raises(UserError, match="remove the folder to have it made again"):
        prepare(world, world.tokenizer(), folder)
    path.unlink()
    with pytest.raises(UserError, match="w2.train.bin is missing"):
        Shards.open(folder)


def test_a_changed_shard_is_told(folder):
    path = folder / "w1.heldout.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    Shards.open(folder)
    with pytest.raises(UserError, match="w1.heldout.bin has been changed since it was written"):
        Shards.open(folder, verify=True)


def test_another_tokenizer_is_told(bpe, folder):
    with pytest.raises(UserError, match="were made with another tokenizer"):
        Shards.open(folder, tokenizer_sha256=tokenizers.digest(bpe))
    tokenizers.save(bpe, folder / "tokenizer.json")
    with pytest.raises(UserError, match="is not the tokenizer of these shards"):
        _ = Shards.open(folder).tokenizer


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text[: len(text) // 2], "meta.json is damaged"),
        (lambda text: "[]", "not of schema 2"),
        (lambda text: json.dumps({**json.loads(text), "schema": 1}), "not of schema 2"),
    ],
)
def test_bad_metadata_is_told(folder, change, words):
    path = folder / "meta.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=words):
        Shards.open(folder)


@pytest.mark.property
@settings(max_examples=30)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_any_text_is_read_back(tmp_path_factory, texts):
    texts = [text.replace("<bos>", "") for text in texts]
    tokenizer = tokenizers.train(["hello world"], 260)
    shard = prepare(Texts({"en": texts}), tokenizer, tmp_path_factory.mktemp("any") / "s").train["en"]
    parts = np.split(shard.ids, np.flatnonzero(shard.ids == 0))[1:]
    assert [tokenizer.decode(part[1:].tolist()) for part in parts] == texts
    assert shard.text_bytes == sum(len(text.encode()) for text in texts)
