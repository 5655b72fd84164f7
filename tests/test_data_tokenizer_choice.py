"""Choosing a tokenizer: trained, Tekken, or anyone's file, and the one line that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.sample_text import text
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.shards.shards import prepare
from calque.data.tokens import choice as tokenizer_choice
from calque.data.tokens import tekken, tokenizers


def never() -> list[str]:
    raise AssertionError("this choice needs no text")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Someone's byte-level BPE without a token that begins a document, cut at 8 tokens, padded."""
    made = tokenizers.train(["the quick brown fox, лиса 狐"] * 9, 290)
    made.enable_truncation(8)
    made.enable_padding(length=8)
    path = tmp_path / "their" / "tokenizer.json"
    path.parent.mkdir()
    path.write_text(made.to_str().replace("<bos>", "<none>"))
    return path


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return SampleCorpus(SampleConfig(tokenizer="bpe:1k")).tokenizer()


def test_a_size_is_read_like_any_count(trained: Tokenizer) -> None:
    assert trained.get_vocab_size() == tokenizer_choice.vocabulary("bpe:1k") == 1_000
    assert tokenizer_choice.vocabulary("tekken") == tekken.VOCABULARY


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_trained_one_gives_every_language_back(trained: Tokenizer, code: str) -> None:
    whole = text(code)
    assert trained.decode(trained.encode(whole, add_special_tokens=False).ids) == whole


def test_tekken_and_files_need_no_text(foreign: Path) -> None:
    assert tokenizer_choice.make("tekken", never).get_vocab_size() == 131_072
    assert tokenizer_choice.make(str(foreign), never).get_vocab_size() == tokenizer_choice.vocabulary(str(foreign))


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8")))
@pytest.mark.property
def test_a_file_is_neither_cut_nor_padded_and_gives_any_text_back(tmp_path_factory, given_text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "foreign.json"
    if not path.exists():
        made = tokenizers.train(["the quick brown fox"] * 9, 270)
        made.enable_truncation(4)
        made.enable_padding(length=4)
        path.write_text(made.to_str())
    read = tokenizer_choice.make(str(path), never)
    assert read.decode(read.encode(given_text, add_special_tokens=False).ids, skip_special_tokens=False) == given_text


def test_a_file_without_a_beginning_gets_one_and_makes_shards(foreign: Path, tmp_path: Path) -> None:
    corpus = SampleCorpus(SampleConfig(languages=("en", "zh"), tokenizer=str(foreign)))
    made = prepare(corpus, corpus.tokenizer, tmp_path / "s", max_tokens=40_000)
    first = tokenizers.bos(made.tokenizer)
    assert made.tokenizer.id_to_token(first) == "<bos>"
    assert made.vocabulary == first + 1
    for code, shard in made.train.items():
        begins = (shard.ids == first).nonzero()[0]
        assert (len(begins), begins[0]) == (shard.documents, 0)
        document = next(iter(corpus.documents(code, "train")))
        assert made.tokenizer.decode(shard.ids[1 : begins[1]].tolist()) == document
        assert made.fertility[code]["exact_lines"] == made.fertility[code]["lines"] > 0


def test_their_own_beginning_is_used(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizers.train(["a b"], 270).to_str().replace("<bos>", "<|endoftext|>"))
    read = tokenizer_choice.make(str(path), never)
    assert read.id_to_token(tokenizers.bos(read)) == "<|endoftext|>"
    assert read.token_to_id("<bos>") is None


def test_a_lossy_tokenizer_is_shown_by_its_inexact_lines(tmp_path: Path) -> None:
    words = {"[UNK]": 0, "[CLS]": 1, "a": 2, "b": 3}
    lossy = Tokenizer(models.WordLevel(words, "[UNK]"))
    lossy.add_special_tokens([AddedToken("[CLS]", special=True)])
    lossy.normalizer, lossy.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    path.write_text(lossy.to_str())
    corpus = SampleCorpus(SampleConfig(languages=("en",), tokenizer=str(path)))
    made = prepare(corpus, corpus.tokenizer, tmp_path / "s")
    assert made.fertility["en"]["exact_lines"] < made.fertility["en"]["lines"]


def test_a_choice_is_told_from_others_by_what_it_is(foreign: Path, tmp_path: Path) -> None:
    same = tmp_path / "copy.json"
    same.write_text(foreign.read_text())
    other = tmp_path / "other.json"
    tokenizers.save(tokenizers.train(["a b"], 270), other)
    one, copy, different = map(tokenizer_choice.identity, map(str, (foreign, same, other)))
    assert one == copy != different
    assert tokenizer_choice.identity("bpe:512") == "bpe:512"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("tekkn", "tokenizer 'tekkn' is unknown; expected bpe:SIZE .* did you mean 'tekken'"),
        ("bpe", "expected bpe:SIZE"),
        ("bpe:", "is no count"),
        ("bpe:big", "'big' is no count"),
        ("bpe:256", "too small; expected bpe:257 or more"),
        ("", "tokenizer '' is unknown"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(choice: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        SampleConfig(tokenizer=choice)


def test_bad_files_are_told_when_they_are_read(tmp_path: Path) -> None:
    config = SampleConfig(tokenizer=str(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"no tokenizer at .*none\.json; expected a tokenizer\.json"):
        SampleCorpus(config).tokenizer()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.json").write_text("[]")
    for name in ("folder.json", "bytes.json", "list.json"):
        with pytest.raises(UserError, match=f"{name} is no tokenizer"):
            tokenizer_choice.make(str(tmp_path / name), never)
