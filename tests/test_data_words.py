import csv
import pickle
import re
import subprocess
import sys
import unicodedata
from importlib.resources import files
from itertools import permutations

import pytest

from calque.data.corpora.sample_text import text
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.words.words import lexicon_rows, normalise, word_task, words

ALL = tuple(LANGUAGES)
LINE = re.compile(r'(?P<source>.+): "(?P<word>[^"]+)" - (?P<target>.+): "(?P<answer>[^"]*)"?')


@pytest.fixture(scope="module")
def real() -> set[str]:
    return {normalise(form) for forms in words().forms.values() for form in forms}


def test_every_concept_has_a_word_in_every_language() -> None:
    whole = words()
    assert len(whole.concepts) >= 150 and len(set(whole.concepts)) == len(whole.concepts)
    assert set(whole.forms) == {(code, concept) for code in ALL for concept in whole.concepts}
    for forms in whole.forms.values():
        for form in forms:
            assert form and form == form.strip() == unicodedata.normalize("NFC", form)
            assert re.fullmatch(r"[\w-]+", form), f"{form!r} is not one word"
        assert len(set(map(normalise, forms))) == len(forms)


@pytest.mark.parametrize("code", ALL)
def test_no_form_belongs_to_two_concepts(code: str) -> None:
    whole = words()
    owner: dict[str, str] = {}
    for concept in whole.concepts:
        for form in whole.forms[code, concept]:
            assert owner.setdefault(normalise(form), concept) == concept, f"{form} is ambiguous"


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        ("ru", "[а-яёА-ЯЁ-]+"),
        ("zh", "T?[\u4e00-\u9fff]+"),
        ("ja", "T?[\u3040-\u30ff\u4e00-\u9fff々]+"),
        ("ko", "[\uac00-\ud7af]+"),
        ("de", "[A-ZÄÖÜ][A-Za-zäöüß-]+"),
        ("tr", "[a-zçğıöşü-]+"),
        ("fi", "[a-zäö-]+"),
        ("id", "[a-z-]+"),
        ("en", "[a-z-]+"),
    ],
)
def test_forms_and_invented_words_are_in_the_languages_script(code: str, pattern: str) -> None:
    whole = words()
    forms = [form for (of, _), found in whole.forms.items() if of == code for form in found]
    for form in [*forms, *whole.nonce[code]]:
        assert re.fullmatch(pattern, form), form


def test_every_difference_from_cldr_has_a_reason() -> None:
    changes = {(row["concept"], row["language"]): row for row in lexicon_rows("changes.tsv")}
    for (concept, code), row in changes.items():
        assert words().headword(code, concept) == row["headword"] != row["cldr"] and row["reason"]
    dropped = lexicon_rows("dropped.tsv")
    assert all(row["reason"] for row in dropped)
    assert len(dropped) + len(words().concepts) == 223
    assert not {row["concept"] for row in dropped} & set(words().concepts)


def test_licence_and_rules_are_shipped() -> None:
    folder = files("calque.data.lexicon")
    licence = folder.joinpath("LICENSE-Unicode-3.0.txt").read_text()
    assert "UNICODE LICENSE V3" in licence and "Unicode-3.0" in licence
    readme = folder.joinpath("README.md").read_text()
    assert "48.2.0" in readme and "wordfreq 3.1.1" in readme and "CC BY-SA 4.0" in readme


def test_a_prompt_ends_in_an_open_quotation_after_complete_lines() -> None:
    task = word_task(shots=2)
    for source, target in [("de", "fi"), ("zh", "ja"), ("fi", "fi"), ("ru", "ko")]:
        headword = task.forms[source, "dog"][0]
        prompt = task.prompt(source, target, headword, "dog")
        first, second, question = prompt.split("\n")
        names = LANGUAGES[source].native_name, LANGUAGES[target].native_name
        assert question == f'{names[0]}: "{headword}" - {names[1]}: "'
        for line in (first, second):
            found = LINE.fullmatch(line)
            assert found and line.endswith(task.stop)
            assert (found["source"], found["target"]) == names
            concept = next(c for c in task.concepts if task.forms[source, c][0] == found["word"])
            assert found["answer"] == task.forms[target, concept][0]
            assert (normalise(found["word"]) == normalise(found["answer"])) == (source == target)


@pytest.mark.parametrize("shots", [0, 1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1, 17])
def test_the_lines_shown_never_hold_the_concept_asked(shots: int, seed: int) -> None:
    task = word_task(("de", "fi", "zh"), shots=shots, shot_seed=seed)
    usual = task.prompt("de", "fi", "Loterg", None).split("\n")[:-1]
    assert len(usual) == shots
    for source, target in permutations(task.languages, 2):
        for concept in task.concepts:
            word = task.forms[source, concept][0]
            lines = task.prompt(source, target, word, concept).split("\n")[:-1]
            assert len(set(lines)) == len(lines) == shots
            assert not any(f': "{word}" -' in line for line in lines)
            if (source, target) == ("de", "fi") and not any(f': "{word}" -' in line for line in usual):
                assert lines == usual, "shown lines vary although the concept asked is not among them"


def test_the_seed_chooses_the_lines() -> None:
    def ask(seed: int) -> str:
        return word_task(shot_seed=seed).prompt("en", "de", "grail", None)

    assert ask(3) == ask(3)
    assert len({ask(seed) for seed in range(5)}) > 1


def test_invented_words_are_nowhere_real(real: set[str]) -> None:
    texts = normalise("\n".join(text(code) for code in ALL))
    invented = [word for code in ALL for word in words().nonce[code]]
    assert len(set(map(normalise, invented))) == len(invented)
    for code in ALL:
        assert len(words().nonce[code]) == 12
    for word in map(normalise, invented):
        assert word not in real
        assert word not in texts


def test_languages_restrict_the_task() -> None:
    task = word_task(("fi", "en"))
    assert task.languages == ("fi", "en")
    assert {code for code, _ in task.forms} == set(task.nonce) == {"fi", "en"}
    assert task.exposure is None


def test_a_task_can_be_sent_to_another_process() -> None:
    task = word_task(("en", "de"))
    again = pickle.loads(pickle.dumps(task))
    assert again.prompt("en", "de", "dog", "dog") == task.prompt("en", "de", "dog", "dog")


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="unknown language 'fr'"):
        word_task(("en", "fr"))
    with pytest.raises(UserError, match="shots is -1; expected 0 to"):
        word_task(shots=-1)
    with pytest.raises(UserError, match="shots is 200"):
        word_task(shots=200)
    with pytest.raises(UserError, match="shot_seed is -2"):
        word_task(shot_seed=-2)
    with pytest.raises(UserError, match="template is 'sentense'; expected one of names, .*did you mean 'sentence'"):
        word_task(wording="sentense")


def test_words_are_compared_in_nfc_and_case_folded() -> None:
    assert normalise(" Ka\u0308se\u00a0") == normalise("KÄSE") == "käse"
    assert normalise("ice  cream\n") == "ice cream", "words of a form are one space apart"
    assert normalise("İNEK") == normalise("inek") and normalise("IRMAK") == normalise("ırmak")
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("ёж") != normalise("еж"), "only what the list accepts"


def test_the_analysis_install_can_read_the_list() -> None:
    code = (
        "import sys; import calque.data.words.words, calque.data.words.minimal_pairs; calque.data.words.words.words(); "
        "sys.exit(bool({'torch', 'tokenizers', 'ray', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tables_are_rectangular() -> None:
    for name in ("words", "changes", "dropped", "nonce", "minimal_pairs", "frequency"):
        lines = files("calque.data.lexicon").joinpath(f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        widths = {len(row) for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}
        assert len(widths) == 1, name
