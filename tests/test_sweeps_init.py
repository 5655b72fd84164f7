"""`sweeps init`: the study that it writes is read, checked by editors, planned, and can be uncommented line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.data.strict_yaml.loader import Loader
from calque.sweeps.api.init import init
from calque.sweeps.cli import app
from calque.sweeps.study.run_config import CORPORA
from calque.sweeps.study.study import read_study


def uncommented(text: str) -> str:
    """Return the study with the # of every key removed."""
    return re.sub(r"^(\s*)#(?=\w)", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_line_may_be_uncommented_and_nothing_changes(tmp_path: Path, corpus: str) -> None:
    made = init("pilot", corpus=corpus, output=tmp_path / "pilot.yaml")
    text = made.study.text
    whole = tmp_path / "whole.yaml"
    whole.write_text(uncommented(text))
    assert len(uncommented(text).split("#")) < len(text.split("#")) - 15
    assert [run.to_dict() for run in read_study(whole).runs] == [run.to_dict() for run in made.study.runs]
    schema = Draft7Validator(json.loads((tmp_path / "study.schema.json").read_text()))
    for one in (text, whole.read_text()):
        assert not list(schema.iter_errors(yaml.load(one, Loader=Loader)))
    assert max(map(len, text.splitlines())) <= 120


def test_the_command_writes_what_was_asked_for_and_it_can_be_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "init pilot --sizes nano,micro --mix uniform --mix drop:w1 --seeds 2 --tokens 300k".split()
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "next: sweeps plan pilot.yaml" in done.output
    runs = read_study("pilot.yaml").runs
    assert [run.name for run in runs] == [
        f"{size}-{mix}-s{seed}" for size in ("nano", "micro") for mix in ("uniform", "drop-w1") for seed in (0, 1)
    ]
    assert {(run.size, run.mix) for run in runs} == {(s, m) for s in ("nano", "micro") for m in ("uniform", "drop:w1")}
    assert {run.training.tokens for run in runs} == {300_000}
    planned = CliRunner().invoke(app, ["plan", "pilot.yaml"])
    assert planned.exit_code == 0 and "8 runs" in planned.output
    assert CliRunner().invoke(app, words).exit_code == 0, "the same again changes nothing"
    again = CliRunner().invoke(app, [*words[:-1], "400k"])
    assert isinstance(again.exception, UserError)
    assert "pilot.yaml is there already" in str(again.exception) and "--output" in str(again.exception)


def test_sizes_of_the_ladder_take_the_base_for_a_gpu(tmp_path: Path) -> None:
    for corpus, size, base in (
        ("text", "152m", "text-gpu"),
        ("text", "nano", "text-cpu"),
        ("world", "69m", "world-cpu"),
    ):
        made = init("p", corpus=corpus, sizes=size, output=tmp_path / f"{corpus}-{size}.yaml")
        assert f"\nbase: {base}\n" in made.study.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"corpus": "wrld"}, "`corpus` is 'wrld'; expected one of world"),
        ({"sizes": "nono"}, "unknown size 'nono'"),
        ({"mixes": "drop:xx"}, "xx"),
        ({"sizes": "nano,nano"}, "expected each once"),
        ({"seeds": 0}, "`seeds` is 0"),
        ({"tokens": "many"}, "`tokens`: 'many' is no count"),
        ({"tokens": 10}, "training.tokens is 10"),
        ({"folder": "x"}, "`folder` is for the corpus text"),
        ({"name": "a/b"}, "`name` is 'a/b'"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_refused_and_nothing_written(tmp_path: Path, given: dict[str, object], said: str) -> None:
    values = {"name": "pilot", "output": tmp_path / "pilot.yaml", **given}
    with pytest.raises(UserError) as caught:
        init(**values)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())
