"""Study files that a hostile or careless hand wrote: one line of at most 300 characters, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calque.data.errors import LONGEST_MESSAGE, UserError, escaped, one_line, shown
from calque.sweeps.study.study import read_study
from tests.fuzz import studies
from tests.fuzz.frame import attempt, within


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_study(path)
    message = str(caught.value)
    assert len(message) <= LONGEST_MESSAGE and message.isprintable(), message
    assert caught.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("study: s\nbase: [world-cpu]\nruns: {a: {}}\n", "unknown base ['world-cpu']; expected one of world-cpu"),
        ("study: s\nruns:\n  a: {base: {x: 1}}\n", "3: unknown base {'x': 1}"),
        ("study: s\nruns:\n  a: {[1, 2]: 1}\n", "3: a key is a list or a mapping; expected a word"),
        ("study: s\nruns:\n  ? {a: 1}\n  : {}\n", "3: a key is a list or a mapping; expected a word"),
        ("study: s\nabout: [a, b]\nruns: {a: {}}\n", "2: about is ['a', 'b']; expected a sentence"),
        ("study: s\nruns: {a: []}\n", "'a' is []; expected keys and values"),
        ("study: s\ndefaults: 0\nruns: {a: {}}\n", "2: 'defaults' is 0; expected keys and values"),
        (f"study: s\nruns: {{a: {{init_seed: {'9' * 5000}}}}}\n", "2: not valid YAML: a whole number beyond 1e+18"),
        (f"study: s\nruns: {{a: {{init_seed: 0x{'f' * 6000}}}}}\n", "2: not valid YAML: a whole number beyond"),
        ("study: s\nruns: {a: {init_seed: 0x}}\n", "a.init_seed|init_seed: input should be a valid integer"),
        ("study: s\nabout: !!binary aGk=\nruns: {a: {}}\n", "2: not valid YAML: could not determine a constructor"),
        ("study: s\nabout: !!timestamp 2026-13-01\nruns: {a: {}}\n", "could not determine a constructor"),
        (f"study: {'x' * 100_000}\nruns: {{a: {{size: no}}}}\n", "size"),
        (f"study: s\n{'k' * 900}: 1\nruns: {{a: {{}}}}\n", "expected one of study, about, base"),
        (f"study: s\nruns:\n  a: {{size: {'y' * 100_000}}}\n", "unknown size"),
        ('study: s\nabout: "\\x1b[31mred"\nruns: {a: {}}\n', "2: the text holds the character U+001B"),
        ('study: s\n"\\x1b[31m": 1\nruns: {a: {}}\n', "2: the text holds the character U+001B"),
        ('study: s\nabout: "\\ud800"\nruns: {a: {}}\n', "2: the text holds the character U+D800"),
        ("study: s\nabout: \x00\nruns: {a: {}}\n", "is not valid YAML (unacceptable character #x0000"),
        ("study: s\nabout: \x1b[31m\nruns: {a: {}}\n", "is not valid YAML (unacceptable character #x001b"),
        ("study: s\nruns: " + "[" * 40 + "]" * 40 + "\n", "nested more than 30 deep"),
        ("study: s\nruns: " + "[" * 20_000 + "]" * 20_000 + "\n", "nested too deeply"),
        ("study: s\nruns: {a: {seeds: [" + "-1, " * 5000 + "0]}}\n", "expected a list of whole numbers"),
        ("study: &s {a: *s}\nruns: {a: {}}\n", "contains itself by an alias"),
    ],
    ids=range(24),
)  # fmt: skip
def test_one_line_names_the_place_and_the_remedy(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    message = refused(path)
    assert any(one in message for one in part.split("|")), message


def test_keys_are_the_words_that_stand_there_and_dates_are_text(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: 2026-11-30\nruns:\n  no: {}\n  010: {}\n  2026-13-45: {}\n  1_000: {}\n")
    study = read_study(path)
    assert study.name == "2026-11-30"
    assert [run.name for run in study.runs] == ["no", "010", "2026-13-45", "1_000"]
    path.write_text("study: s\nruns:\n  010: {size: mikro}\n")
    assert refused(path).startswith(f"{path}:3: ")


def test_what_is_no_file_of_text_is_refused_at_once(tmp_path: Path) -> None:
    pipe, binary, large = tmp_path / "pipe", tmp_path / "binary", tmp_path / "large"
    os.mkfifo(pipe)
    binary.write_bytes(b"study: \xff\xfe\n")
    large.write_bytes(b"#" * 4_000_001)
    for path, part in (
        (Path("/dev/zero"), "no regular file"), (pipe, "no regular file"), (tmp_path, "no regular file"),
        (binary, "not UTF-8"), (large, "more than 4000000 bytes"), (Path("a\0b"), "null byte"),
        (tmp_path / "none.yaml", "No such file"), (Path("n" * 5000), "File name too long"),
    ):  # fmt: skip
        assert part in refused(path), path


def test_a_command_prints_one_short_line_without_escape_codes(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred.yaml"
    path.write_text(f"study: s\nruns:\n  {'a' * 900}: {{size: mikro}}\n")
    command = [sys.executable, "-m", "calque.sweeps.cli", "plan", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and len(done.stderr) <= LONGEST_MESSAGE + 1
    assert "\x1b" not in done.stderr and "\\x1b[31mred.yaml:3: " in done.stderr


def test_a_message_keeps_its_beginning_and_its_remedy() -> None:
    long = one_line("a.yaml:3: " + "x" * 1_000_000 + "; did you mean 'y'?")
    assert len(long) <= LONGEST_MESSAGE and long.startswith("a.yaml:3: x") and long.endswith("x; did you mean 'y'?")
    assert one_line(long) == long
    assert one_line("a\nb\t c\x1b\u202e\ud800") == "a b c\\x1b\\u202e\\ud800"
    assert escaped("äöü 語") == "äöü 語"
    for value in ("x" * 1000, list(range(1000)), {str(i): "y" * 99 for i in range(99)}, 10**5000, {"a": [[[[1]]]]}):
        assert len(shown(value)) <= 62


def test_mutated_studies_are_planned_or_refused_in_one_line() -> None:
    """The long form: python -m tests.fuzz --kind studies."""
    faults = [(number, fault) for number in range(60) if (fault := within(attempt(studies.make, 7, number)))]
    assert not faults
