import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from calque.data.errors import UserError
from calque.data.tokens.encoding import Encoding, blocks_of
from calque.data.tokens.tokenizers import bos, train

TEXT = ['Deutsch: "Hund" - Suomi: "koira"', "the dog, der Hund, koira 犬"] * 5
LANGUAGES = ("de", "fi", "ja")


@pytest.fixture(scope="module")
def tokenizer():
    return train(TEXT, 300)


def test_without_blocks_it_is_the_tokenizer(tokenizer):
    encoding = Encoding(tokenizer)
    pieces = [("fi", 'Deutsch: "'), ("de", "Hund"), ("fi", '" - Suomi: "')]
    whole = tokenizer.encode('Deutsch: "Hund" - Suomi: "', add_special_tokens=False).ids
    assert encoding.encode(pieces) == whole, "pieces are tokenised as one text"
    assert encoding.vocabulary == encoding.size == tokenizer.get_vocab_size()
    assert encoding.begin("fi") == encoding.begin("anything") == bos(tokenizer)
    assert encoding.decode(whole) == ('Deutsch: "Hund" - Suomi: "', None)


def test_every_language_has_a_block(tokenizer):
    encoding, size = Encoding(tokenizer, LANGUAGES), tokenizer.get_vocab_size()
    assert encoding.vocabulary == 3 * size
    plain = tokenizer.encode("koira 犬", add_special_tokens=False).ids
    for i, code in enumerate(LANGUAGES):
        ids = encoding.encode([(code, "koira 犬")])
        assert ids == [token + i * size for token in plain]
        assert encoding.begin(code) == bos(tokenizer) + i * size
        assert encoding.decode(ids) == ("koira 犬", code)


def test_a_prompt_changes_block_with_the_source_word(tokenizer):
    encoding, size = Encoding(tokenizer, LANGUAGES), tokenizer.get_vocab_size()
    ids = encoding.encode([("fi", 'Deutsch: "'), ("de", "Hund"), ("fi", '" - '), ("fi", 'Suomi: "')])
    assert {token // size for token in ids} == {LANGUAGES.index("fi"), LANGUAGES.index("de")}
    word = [token for token in ids if token < size]
    assert tokenizer.decode(word) == "Hund"
    last = ids[max(i for i, token in enumerate(ids) if token < size) + 1 :]
    assert encoding.decode(last) == ('" - Suomi: "', "fi"), "neighbours of one language are tokenised as one"


def test_an_answer_ends_where_its_block_does(tokenizer):
    encoding = Encoding(tokenizer, LANGUAGES)
    ids = encoding.encode([("fi", "koi"), ("de", "Hund"), ("fi", "ra")])
    assert encoding.decode(ids) == ("koi", "fi")


def test_an_unknown_language_is_told(tokenizer):
    with pytest.raises(UserError, match="'ko' has no block of tokens; expected one of de, fi, ja"):
        Encoding(tokenizer, LANGUAGES).encode([("ko", "개")])


def test_a_corpus_has_no_blocks_unless_it_says_so():
    assert blocks_of(object()) == ()  # type: ignore[arg-type]


def test_text_that_a_tokenizer_cannot_write_is_one_line() -> None:
    narrow = Tokenizer(models.WordLevel({"<bos>": 0, "kava": 1}, "<unk>"))
    narrow.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert Encoding(narrow).encode([("w1", "kava")]) == [1]
    with pytest.raises(UserError, match="the tokenizer cannot write 'dog'"):
        Encoding(narrow).encode([("w1", "dog")])
