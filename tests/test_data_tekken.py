"""Tekken as converted gives the ids that mistral-common gives, and every text back."""

from __future__ import annotations

import random
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tokenizers import Tokenizer, normalizers, pre_tokenizers

from calque.data.corpora.sample_text import text
from calque.data.languages import LANGUAGES
from calque.data.tokens import tekken, tokenizers
from calque.data.tokens.encoding import Encoding


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Tekken after a journey through a file, as shards have it."""
    path = tmp_path_factory.mktemp("tekken") / "tokenizer.json"
    tokenizers.save(tekken.tokenizer(), path)
    return tokenizers.load(path)


@pytest.fixture(scope="module")
def theirs() -> Tekkenizer:
    return Tekkenizer.from_file(str(files("mistral_common").joinpath(tekken.FILE)))


def ids(tokenizer: Tokenizer, given: str) -> list[int]:
    return tokenizer.encode(given, add_special_tokens=False).ids


def test_the_vocabulary_is_the_original_one(ours: Tokenizer, theirs: Tekkenizer) -> None:
    assert ours.get_vocab_size() == theirs.n_words == 131_072
    assert tokenizers.bos(ours) == theirs.bos_id == 1
    names = [ours.id_to_token(i) for i in range(tekken.SPECIAL)]
    assert names == [theirs.id_to_piece(i) for i in range(tekken.SPECIAL)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_ids_are_those_of_mistral_common_and_the_text_comes_back(
    ours: Tokenizer, theirs: Tekkenizer, code: str
) -> None:
    whole = text(code)
    found = ids(ours, whole)
    assert found == theirs.encode(whole, bos=False, eos=False)
    assert ours.decode(found) == whole


def test_ids_agree_where_merges_compete(ours: Tokenizer, theirs: Tekkenizer) -> None:
    rng = random.Random(0)
    alphabets = ["a", "ab", "aA ", "=-", "\n \t", "的是", "んあ", "абв ", "0123", "_", "éè", "\u0301e", "🙂\u200d"]
    for _ in range(2_000):
        drawn = "".join(rng.choice(rng.choice(alphabets)) for _ in range(rng.randint(1, 60)))
        assert ids(ours, drawn) == theirs.encode(drawn, bos=False, eos=False), repr(drawn)


@pytest.mark.property
@settings(max_examples=200)
@given(st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back(ours: Tokenizer, given_text: str) -> None:
    assert ours.decode(ids(ours, given_text), skip_special_tokens=False) == given_text


def test_names_of_special_tokens_in_a_text_are_text(ours: Tokenizer) -> None:
    found = ids(ours, "a <s>struck</s> [INST] word")
    assert min(found) >= tekken.SPECIAL
    assert ours.decode(found) == "a <s>struck</s> [INST] word"


def test_many_texts_at_once_give_the_same_ids(ours: Tokenizer) -> None:
    texts = [*(text(code)[:20_000] for code in LANGUAGES), "", "<s>", "x" * 5_000, " \n\t ", "\u0301\u200d🙂"]
    expected = [ids(ours, one) for one in texts]
    encoding = Encoding(ours)
    assert encoding._tekken is not None
    assert [found.tolist() for found in encoding.encode_many(texts)] == expected


def test_only_tekken_itself_is_encoded_so() -> None:
    other = tekken.tokenizer()
    other.normalizer = normalizers.Lowercase()
    assert tekken.encoder(other) is None
    other = tekken.tokenizer()
    other.pre_tokenizer = pre_tokenizers.ByteLevel()
    assert tekken.encoder(other) is None
    assert tekken.encoder(tokenizers.train(["a"], 257)) is None
