"""Reading a YAML file strictly: every mistake is one line naming file, line, key and what was expected."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from calque.data.errors import UserError, nearest

Location = tuple[int | str, ...]


class Strict(BaseModel):
    """A frozen section of a file in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Section = TypeVar("Section", bound=Strict)


def load(path: str | os.PathLike[str], model: type[Section]) -> Section:
    """Read ``path`` as YAML and validate it as ``model``.

    Raises
    ------
    UserError
        When the file cannot be read, is no YAML, repeats a key, says yes or no, or breaks a rule of ``model``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"cannot read {path}: {why}; expected a YAML file") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{path}{line}: not valid YAML: {problem}") from error
    if not isinstance(value, dict) or node is None:
        known = ", ".join(model.model_fields)
        raise UserError(f"{path}: holds no keys at all; expected {known}")
    _refuse_repeated(path, node, ())
    _refuse_booleans(path, node, ())
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(_explain(path, node, model, error)) from None


def _refuse_repeated(path: Path, node: yaml.Node, location: Location) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise UserError(
                    f"{path}:{line}: {_dotted((*location, key.value))}: the key stands twice (first in line "
                    f"{seen[key.value]}); expected every key once"
                )
            seen[key.value] = line
            _refuse_repeated(path, child, (*location, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _refuse_repeated(path, child, (*location, i))


def _refuse_booleans(path: Path, node: yaml.Node, location: Location) -> None:
    """Refuse yes and no: no file has a use for them, and they would pass as 1 and 0."""
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            _refuse_booleans(path, child, (*location, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _refuse_booleans(path, child, (*location, i))
    elif node.tag == "tag:yaml.org,2002:bool":
        line = node.start_mark.line + 1
        raise UserError(
            f"{path}:{line}: {_dotted(location)}: '{node.value}' is yes or no; expected a number, or a word in quotes"
        )


def _explain(path: Path, node: yaml.Node, model: type[Strict], error: ValidationError) -> str:
    details = error.errors()
    first = min(details, key=lambda e: (e["type"] != "extra_forbidden", _line(node, e["loc"])))
    location: Location = first["loc"]
    place = f"{path}:{_line(node, location)}: "
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = list(_section(model, location[:-1]).model_fields)
        word = str(location[-1])
        hint = nearest(word, known)
        return f"{place}{_dotted(location)}: unknown key; expected one of {', '.join(known)}{hint}{more}"
    if first["type"] == "missing":
        return f"{place}{_dotted(location)}: missing; expected a value{more}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    name = _dotted(location) + ": " if location else ""
    shown = "" if isinstance(first["input"], dict | list | Strict) else f"{first['input']!r}: "
    return f"{place}{name}{shown}{message}{more}"


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _line(node: yaml.Node, location: Location) -> int:
    """Return the line of the deepest node on ``location`` that the file holds."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _section(model: type[Strict], location: Location) -> type[Strict]:
    """Return the section of ``model`` at ``location``, looking through lists and options."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation) or model
    return model


def _inner(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next((found for a in get_args(annotation) if (found := _inner(a)) is not None), None)
