"""What a simulated world asks: words, prompts and minimal pairs."""

import re
from itertools import islice

import pytest

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY, World
from tests.worlds import SMALL


@pytest.fixture(scope="module")
def world():
    return World(WorldConfig(train_tokens=3_000_000))


@pytest.fixture(scope="module")
def small():
    return World(SMALL)


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
