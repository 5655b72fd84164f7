"""One reader of configurations: dataclasses and models alike, places by pydantic's ``loc`` and never by its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from calque.data.corpora.world.config import WorldConfig
from calque.data.errors import UserError
from calque.data.strict_yaml.document import dotted, read_document
from calque.data.strict_yaml.sections import misplaced_boolean, place_of, section_at
from calque.data.strict_yaml.validation import Strict, first_mistake, read_model
from calque.models.config.training import TrainingConfig
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float = 0.5
    on: bool = False


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    mix: str | dict[str, float] = "even"
    maybe: Inner | None = None


class Part(Strict):
    n: Annotated[int, Field(ge=1)] | Annotated[tuple[int, ...], Field(min_length=1)] = 1


class Whole(Strict):
    part: Part = Part()
    parts: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("kind", "values", "place"),
    [
        (Outer, {"inner": {"share": "x"}}, ("inner", "share")),
        (Outer, {"several": [{}, {"share": "x"}]}, ("several", 1, "share")),
        (Outer, {"mix": {"de": "x"}}, ("mix", "de")),
        (Outer, {"mix": {1: 0.5}}, ("mix", 1)),
        (Outer, {"maybe": {"share": "x"}}, ("maybe", "share")),
        (Whole, {"part": {"n": "x"}}, ("part", "n")),
        (Whole, {"parts": [{}, {"n": 0}]}, ("parts", 1, "n")),
    ],
)
def test_places_are_those_of_the_file(kind: Any, values: Any, place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(values)
    of = {place_of(detail["loc"], kind) for detail in caught.value.errors()}
    assert place in of and all(found == place[: len(found)] for found in of), of
    assert first_mistake(caught.value, kind, len).place == place or len(of) > 1


def test_yes_and_no_are_refused_where_they_would_pass_as_numbers() -> None:
    assert misplaced_boolean({"inner": {"share": True}}, Outer) == (("inner", "share"), "a number")
    assert misplaced_boolean({"maybe": {"share": True}, "mix": {}}, Outer) == (("maybe", "share"), "a number")
    assert misplaced_boolean({"mix": {"de": False}}, Outer) == (("mix", "de"), "a number")
    assert misplaced_boolean({"parts": [{}, {"n": [1, True]}]}, Whole) == (("parts", 1, "n", 1), "a number")
    assert misplaced_boolean({"inner": {"on": True}, "unknown": True}, Outer) is None
    assert section_at(Outer, ("several", 3)) is Inner and section_at(Whole, ("parts", 0, "n")) is None


def test_a_document_knows_its_lines_and_refuses_what_is_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a:\n  - x\n  - {b: 1}\n")
    document = read_document(path, "an example", ["a"])
    assert document.line(("a", 1, "b", "c")) == 3 and document.line(("none",)) == 1
    assert str(document.error(("a", 1), "is odd")) == f"{path}:3: is odd"
    assert dotted(("a", 1, "b")) == "a[1].b"
    for text in ("", "[1]", "word"):
        path.write_text(text)
        with pytest.raises(UserError, match="a.yaml:1: the file holds no keys; expected a$"):
            read_document(path, "an example", ["a"])


def test_a_file_of_a_model_says_every_mistake_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("parts:\n  - n: 1\n  - m: 1\n    n: x\n")
    with pytest.raises(UserError) as caught:
        read_model(path, Whole, "an example")
    assert str(caught.value) == f"{path}:3: unknown key 'parts[1].m'; expected one of n (and 1 more)"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("study: s\ndefaults:\n  size: micro\n  mix: drop:w11\nruns:\n  a: {}\n", 4, "w11"),
        ("study: s\nruns:\n  a:\n    init_seed: 1\n    size: mikro\n", 5, "'micro'"),
        (
            "study: s\nruns:\n  a:\n    checkpoints:\n      adaptive:\n        metric: copying\n"
            "        budget: 999999\n",
            7,
            "checkpoints.adaptive.budget is 999999; expected at most",
        ),
        (
            "study: s\nruns:\n  a:\n    checkpoints:\n      adaptive:\n        budget: 3\n        metric: loss\n", 7,
            "checkpoints.adaptive.metric is 'loss'",
        ),
    ],
)  # fmt: skip
def test_what_is_checked_of_a_whole_run_is_told_at_its_key(tmp_path: Path, text: str, line: int, part: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_study(path)
    assert str(caught.value).startswith(f"{path}:{line}: ") and part in str(caught.value), str(caught.value)


def test_classes_of_other_packages_are_left_as_they_are() -> None:
    for kind in (WorldConfig, TrainingConfig):
        assert not hasattr(kind, "__pydantic_config__")
    with pytest.raises(UserError, match="tokns"):
        RunConfig.from_dict({"name": "a", "training": {"tokns": 1}})
