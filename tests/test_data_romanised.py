import pickle
import re
from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.mixes.ablations import changed
from calque.data.mixes.mix import Mix
from calque.data.mixes.romanised import romanise
from calque.data.tasks import WordTask
from calque.data.words.overlap import overlap_table
from calque.data.words.words import normalise

ALL = tuple(LANGUAGES)


@pytest.fixture(scope="module")
def plain() -> Corpus:
    return SampleCorpus(SampleConfig(tokenizer="bpe:600", shots=1))


@pytest.fixture(scope="module")
def latin(plain: Corpus) -> Corpus:
    return changed(plain, Mix.parse("romanised", ALL))


def identical(task: WordTask) -> float:
    """Share of ordered pairs of languages and concepts whose headwords are the same word."""
    words = [[normalise(task.forms[code, concept][0]) for code in task.languages] for concept in task.concepts]
    pairs = [(row[s], row[t]) for row in words for s, t in permutations(range(len(row)), 2)]
    return sum(one == other for one, other in pairs) / len(pairs)


@pytest.mark.property
@given(st.text())
def test_only_ascii_remains_and_ascii_stays(text: str) -> None:
    latin = romanise(text)
    assert latin.isascii() and romanise(latin) == latin
    assert not text.isascii() or latin == text


def test_words_are_transcribed() -> None:
    assert romanise('Русский: "собака"') == 'Russkiy: "sobaka"'
    assert [romanise(word) for word in ("狗", "いぬ", "köpek", "Straße", "ığdır")] == [
        "Gou", "inu", "kopek", "Strasse", "igdir",
    ]  # fmt: skip


@pytest.mark.parametrize("code", ALL)
def test_documents_are_those_of_the_corpus_in_latin_letters(plain: Corpus, latin: Corpus, code: str) -> None:
    for split in ("train", "heldout"):
        before, after = list(plain.documents(code, split)), list(latin.documents(code, split))  # type: ignore[arg-type]
        assert len(before) == len(after) > 0
        assert all(text.isascii() and len(re.findall("[A-Za-z]", text)) > 0.5 * len(text) for text in after)
        assert [text.count("\n") for text in before] == [text.count("\n") for text in after]


def test_words_prompts_and_pairs_are_in_latin_letters(latin: Corpus) -> None:
    task = latin.word_task()
    assert task.stop.isascii() and set(task.scripts.values()) == {"Latn"}
    for (code, concept), forms in task.forms.items():
        assert forms and all(form.isascii() and form.strip() for form in forms)
        assert len(set(map(normalise, forms))) == len(forms), "a form counts once"
        prompt = task.prompt(code, "ru", forms[0], concept)
        assert prompt.isascii() and prompt.endswith(f'"{forms[0]}" - Russkiy: "')
    real = {normalise(form) for forms in task.forms.values() for form in forms}
    assert all(len(words) >= 8 and real.isdisjoint(map(normalise, words)) for words in task.nonce.values())
    pairs = latin.minimal_pairs()
    assert {pair.language for pair in pairs} == {"en", "de", "ru", "fi"}
    assert all(pair.good.isascii() and pair.bad.isascii() and pair.good != pair.bad for pair in pairs)


@pytest.mark.parametrize("seed", range(4))
def test_no_line_shown_repeats_its_word(seed: int) -> None:
    corpus = changed(SampleCorpus(SampleConfig(shots=8, shot_seed=seed)), Mix.parse("romanised", ALL))
    prompt = corpus.word_task().prompt
    for source, target in permutations(ALL, 2):
        for line in prompt(source, target, "Loterg", None).split("\n")[:-1]:
            word, answer = re.findall('"([^"]+)"', line)
            assert normalise(word) != normalise(answer), line


def test_more_words_are_shared(plain: Corpus, latin: Corpus) -> None:
    before, after = identical(plain.word_task()), identical(latin.word_task())
    assert after > 1.2 * before > 0, (before, after)


def test_more_words_share_tokens_under_a_tokenizer_of_the_romanised_text(plain: Corpus, latin: Corpus) -> None:
    def share(corpus: Corpus) -> float:
        table = overlap_table(corpus.tokenizer(), corpus.word_task())
        ru, tr = ALL.index("ru"), ALL.index("tr")
        return float((table[ru, tr] > 0).mean())

    assert share(plain) == 0 and share(latin) > 0.1


def test_provenance_tells_and_the_corpus_can_be_sent_to_another_process(plain: Corpus, latin: Corpus) -> None:
    assert latin.provenance() == {**plain.provenance(), "romanised": "with anyascii, character by character"}
    again: Iterator[str] = pickle.loads(pickle.dumps(latin)).documents("ko", "heldout")
    assert list(again) == list(latin.documents("ko", "heldout"))


def test_the_world_is_in_latin_letters_already() -> None:
    with pytest.raises(UserError, match="changes nothing in the corpus 'world'"):
        changed(World(WorldConfig(languages=3)), Mix.parse("romanised", ("w1", "w2", "w3")))
