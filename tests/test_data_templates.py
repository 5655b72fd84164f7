import re
import subprocess
import sys
from itertools import product

import pytest

from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.words.templates import DEFAULT, template, templates
from calque.data.words.words import word_task

ALL = tuple(LANGUAGES)
NAMES = tuple(templates())


def test_there_are_four_and_the_default_is_the_native_names() -> None:
    assert NAMES == ("names", "brackets", "sentence", "codes") and DEFAULT == "names"
    asked = word_task(("de", "fi"), shots=1)
    assert asked.template == "names"
    assert asked.prompt("de", "fi", "Hund", None).endswith('Deutsch: "Hund" - Suomi: "')


@pytest.mark.parametrize("name", NAMES)
def test_prompts_of_all_pairs_are_complete_and_differ(name: str) -> None:
    task = word_task(shots=2, wording=name)
    seen = set()
    for source, target in product(ALL, ALL):
        word = task.forms[source, "dog"][0]
        prompt = task.prompt(source, target, word, "dog")
        seen.add(prompt)
        first, second, question = prompt.split("\n")
        assert "{" not in prompt and "}" not in prompt
        assert word in question and question[-1] in '"[:'
        shown = [concept for concept in task.prompt.examples if concept != "dog"]  # type: ignore[attr-defined]
        for line, concept in zip((first, second), shown, strict=False):
            given, wanted = task.forms[source, concept][0], task.forms[target, concept][0]
            start = "".join(text for _, text in template(name).question(source, target, given))
            assert given in start and re.fullmatch(rf'{re.escape(start + wanted + task.stop)}[^"\];]*', line)
    assert len(seen) == len(ALL) ** 2, "some pair is asked like another"


@pytest.mark.parametrize("name", NAMES)
def test_pieces_are_the_prompt_and_only_words_are_in_the_source_language(name: str) -> None:
    task = word_task(shots=1, wording=name)
    for source, target in product(ALL, ALL):
        pieces = task.prompt.segments(source, target, "Loterg", None)  # type: ignore[attr-defined]
        assert "".join(text for _, text in pieces) == task.prompt(source, target, "Loterg", None)
        assert pieces[-2] == (source, "Loterg")
        if source != target:
            said = [text for code, text in pieces if code == source]
            assert said[1:] == ["Loterg"] and said[0] in {task.forms[source, c][0] for c in task.concepts}


def test_the_sentence_is_in_the_target_language() -> None:
    def ask(source: str, target: str) -> str:
        return word_task(shots=0, wording="sentence").prompt(source, target, "X", None)

    assert ask("fi", "en") == 'The Finnish word "X" is "'
    assert ask("en", "de") == 'Das englische Wort "X" heißt auf Deutsch "'
    assert ask("de", "ru") == 'Немецкое слово "X" по-русски будет "'
    assert ask("ru", "zh") == '俄语的"X"用汉语说是"'
    assert ask("ja", "ko") == '일본어 단어 "X"의 한국어 뜻은 "'
    assert ask("de", "fi") == 'Saksan sana "X" on suomeksi "'


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_the_list_holds_the_stop(name: str) -> None:
    task = word_task(wording=name)
    assert not any(task.stop in form for forms in task.forms.values() for form in forms)


def test_the_examples_do_not_depend_on_the_wording() -> None:
    def shown(name: str) -> list[str]:
        task = word_task(("en", "de"), shots=3, shot_seed=4, wording=name)
        return task.prompt.examples[:3]  # type: ignore[attr-defined]

    assert shown("names") == shown("brackets") == shown("sentence")


def test_an_unknown_template_is_named() -> None:
    with pytest.raises(UserError, match="template is 'bracket'; expected one of names, .*did you mean 'brackets'"):
        template("bracket")


def test_the_analysis_install_can_read_them() -> None:
    code = "import sys, calque.data.words.templates as t; t.templates(); "
    code += "sys.exit(bool({'torch', 'tokenizers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
