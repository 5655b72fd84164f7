"""The JSON Schema of study files: current, shipped, and of one mind with the reader."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main
from click.testing import CliRunner
from jsonschema import Draft7Validator

from calque.data.errors import UserError
from calque.data.strict_yaml.loader import Loader
from calque.data.strict_yaml.sections import fields
from calque.sweeps.study.reader import RUN_ONLY_KEYS
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.schema import CHOICES, MODELINE, schema_text
from calque.sweeps.study.study import STUDY_KEYS, read_study

FOLDER = Path(__file__).parent.parent / "sweeps"
SCHEMA = FOLDER / "study.schema.json"
STUDIES = sorted(FOLDER.glob("*.yaml"))


@cache
def validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text()))


def accepted(text: str) -> bool:
    return validator().is_valid(yaml.load(text, Loader=Loader))


def read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    read_study(path)


def test_the_shipped_schema_is_the_one_the_types_give() -> None:
    assert SCHEMA.read_text() == schema_text(), "make generated"
    assert files("calque.sweeps").joinpath("study.schema.json").read_text() == schema_text()


def test_it_is_a_schema_of_draft_7_and_the_shipped_studies_keep_to_it() -> None:
    """The checker reads YAML 1.2, as editors do: `no` is text there."""
    done = CliRunner().invoke(main, ["--check-metaschema", str(SCHEMA)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["--schemafile", str(SCHEMA), *map(str, STUDIES)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_each_study_names_the_schema_beside_it(path: Path) -> None:
    assert MODELINE in path.read_text().splitlines()[:3]
    assert (path.parent / MODELINE.partition("=")[2]).is_file(), "an editor resolves it from the study's folder"


@pytest.mark.parametrize(
    "text",
    [
        "study: s\nruns: {a: {lr: 1}}\n",
        "study: s\nruns: {a: {training: {tokns: 1}}}\n",
        "study: s\nruns: {a: {training: {tokens: five}}}\n",
        "study: s\nruns: {a: {training: {learning_rate: fast}}}\n",
        "study: s\nruns: {a: {training: {precision: fp16}}}\n",
        "study: s\nruns: {a: {world: {shuffled: 3}}}\n",
        "study: s\nruns: {a: {checkpoints: {explicit: 5}}}\n",
        "study: s\nruns: {a: {corpus: mars}}\n",
        "study: s\nruns: {a: {name: b}}\n",
        "study: s\nruns: {a: {seeds: []}}\n",
        "study: s\nruns: {a: {seeds: [-1]}}\n",
        "study: s\nruns: {a: {base: mars}}\n",
        "study: s\nruns: {}\n",
        "study: s\n",
        "study: .s\nruns: {a: }\n",
        "study: s\nbase: mars\nruns: {a: }\n",
        "study: s\ndefaults: {base: sample-cpu}\nruns: {a: }\n",
        "study: s\nseeds: [1]\nruns: {a: }\n",
        "study: s\nruns: {a: {training: }}\n",
        "study: s\nruns: {a: , b: {from: 40}}\n",
        "study: s\nruns: {a: {branch: {run: b, step: 4}}}\n",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(tmp_path: Path, text: str) -> None:
    assert not accepted(text)
    with pytest.raises(UserError):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "run",
    [
        "",
        "{seeds: [0, 1]}",
        "{training: {tokens: 5M, context: 128, learning_rate: 4e-3, warmup_tokens: 1_000}}",
        "{training: {tokens: 1.5m, warmup_tokens: 2e5}}",
        "{world: {shuffled: yes, copying_first: 256k}}",
        "{world: {recurring_names: no}}",
        "{base: text-cpu, text: {folder: x, languages: [en, de]}, mix: {en: 0.6, de: 0.4}}",
        "{base: hub-gpu, hub: {text_bytes: {en: 1B}, languages: [en]}}",
        "{checkpoints: {adaptive: {budget: 12}, explicit: [1M, 2M]}}",
        "{evaluation: {concepts: null, log_answers: all, probes: [heads]}}",
        "{size: nano, mix: 'drop:w1'}",
    ],
)
def test_what_the_reader_takes_the_schema_takes(tmp_path: Path, run: str) -> None:
    text = f"study: s\ndefaults:\nruns:\n  a: {run}\n"
    read(tmp_path, text)
    assert accepted(text), list(validator().iter_errors(yaml.load(text, Loader=Loader)))


@pytest.mark.parametrize("key", CHOICES)
def test_a_key_with_few_words_is_refused_another(tmp_path: Path, key: str) -> None:
    value: Any = "nonsense"
    for part in reversed(key.split(".")):
        value = {part: value}
    if key.startswith("checkpoints.adaptive"):
        value["checkpoints"]["adaptive"]["budget"] = 1
    if key.endswith("template"):
        value["base"] = next(name for name in ("sample-cpu", "debian-gpu", "text-cpu", "hub-gpu") if key[:3] in name)
    text = yaml.safe_dump({"study": "s", "runs": {"a": value}})
    assert not accepted(text)
    with pytest.raises(UserError, match="nonsense"):
        read(tmp_path, text)


def test_every_key_says_what_it_is() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert set(schema["properties"]) == set(STUDY_KEYS)
    run = set(schema["definitions"]["Run"]["properties"])
    assert run == {*fields(RunConfig), *RUN_ONLY_KEYS} - {"name", "branch"}
    silent = [
        f"{name}.{key}"
        for name, section in schema["definitions"].items()
        for key, value in section["properties"].items()
        if "description" not in value and "allOf" not in value
    ]
    assert not silent
