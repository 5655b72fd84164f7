import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from calque.data.tokens import tokenizers

SENTENCES = {
    "en": 'The dog said: "hello", and the dogs saw 12 houses (in 1999).',
    "de": 'Der Hund sagte: "Straße", und die Hunde sahen Häuser über Nacht.',
    "ru": "Собака сказала: «привет», и собаки увидели дома. Кот.",
    "zh": "狗说：“你好”，然后狗看见了房子。水火山。",
    "ja": "犬は「こんにちは」と言い、家を見ました。コンピューター。水と火。",
    "ko": '개가 "안녕"이라고 말했고 개들이 집을 보았다. 물과 불.',
    "tr": 'Köpek "merhaba" dedi ve köpekler İstanbul\'da ığdır evleri gördü.',
    "fi": "Koira sanoi: ”hei”, ja koirat näkivät öisiä taloja.",
    "id": 'Anjing berkata: "halo", dan anjing-anjing melihat rumah-rumah.',
}


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.train(list(SENTENCES.values()) * 3, 700)


def test_bos_is_token_zero_and_is_never_added(tokenizer):
    assert tokenizer.token_to_id("<bos>") == 0
    assert tokenizer.get_vocab_size() <= 700
    assert 0 not in tokenizer.encode("dog").ids


@pytest.mark.parametrize("code", SENTENCES)
def test_round_trip_is_exact_in_every_language(tokenizer, code):
    text = SENTENCES[code]
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.property
@given(st.text())
def test_round_trip_is_exact_on_anything(tokenizer, text):
    text = text.replace("<bos>", "")
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_a_quotation_mark_never_shares_a_token_with_letters():
    quoted = [f'He said "{word}" and "{word}".' for word in ("dog", "cat", "house")] * 200
    tokenizer = tokenizers.train(quoted, 400)
    assert not [t for t in tokenizer.get_vocab() if '"' in t and any(c.isalpha() and c != "Ġ" for c in t)]
    prompt, answer = tokenizer.encode('English: "dog" Deutsch: "').ids, tokenizer.encode("house").ids
    assert tokenizer.encode('English: "dog" Deutsch: "house').ids == prompt + answer


def test_training_is_deterministic_and_the_file_has_the_digest(tokenizer, tmp_path):
    again = tokenizers.train(list(SENTENCES.values())[::-1] * 3, 700)
    assert again.to_str() == tokenizer.to_str()
    path = tmp_path / "tokenizer.json"
    assert tokenizers.save(tokenizer, path) == tokenizers.digest(tokenizer)
    loaded = tokenizers.load(path)
    assert tokenizers.digest(loaded) == tokenizers.digest(tokenizer)
    assert loaded.encode(SENTENCES["ja"]).ids == tokenizer.encode(SENTENCES["ja"]).ids
    assert [p.name for p in tmp_path.iterdir()] == ["tokenizer.json"]
    assert tokenizers.digest(tokenizers.train(SENTENCES.values(), 300)) != tokenizers.digest(tokenizer)


def test_bad_tokenizers_are_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(UserError, match="no tokenizer at"):
        tokenizers.load(path)
    path.write_text("{}")
    with pytest.raises(UserError, match="is no tokenizer"):
        tokenizers.load(path)
    path.write_text(tokenizers.train(["a b"], 257).to_str().replace("<bos>", "<s>"))
    assert tokenizers.bos(tokenizers.load(path)) == 0
    path.write_text(tokenizers.train(["a b"], 257).to_str().replace("<bos>", "<start>"))
    with pytest.raises(UserError, match="has none of the tokens <bos>, "):
        tokenizers.load(path)
    with pytest.raises(UserError, match="vocabulary of 256 is too small; expected 257"):
        tokenizers.train(["a b"], 256)


def test_every_stream_gives_as_much_text():
    world = World(WorldConfig(train_tokens=200_000))
    limit = 5_000
    texts = list(tokenizers.training_texts(world, limit))
    heads = [text[:4] for text in texts]
    sizes = [sum(len(t) for t, head in zip(texts, heads, strict=True) if head == f"<{c}>") for c in ("w1", "w2")]
    assert all(size >= limit for size in sizes)
    assert sum(map(len, texts)) < (limit + 200) * 10
