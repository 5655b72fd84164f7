"""YAML with the line of every key, so that an error can name it; duplicate keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from calque.data.errors import UserError

Place = tuple[str | int, ...]
MOST_VALUES = 100_000
"""A study is a page or two; aliases of aliases can make a small file huge."""


def read_yaml(path: Path) -> tuple[Any, dict[Place, int]]:
    """Return a YAML file's content and the line (from 1) of every key and list entry by its place.

    Raises
    ------
    UserError
        When the file is missing, no YAML, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; expected a study file such as sweeps/quick.yaml") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise UserError(f"{path} is no text file; expected a study file such as sweeps/quick.yaml") from None
    lines: dict[Place, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise UserError(f"{path} is empty; expected 'study:' and 'runs:'")
        _walk(path, node, (), lines, ())
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}; mend that line") from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not valid YAML ({reason}); expected a study file") from None


def _walk(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int], above: tuple[int, ...]) -> None:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise UserError(f"{path}:{line}: the value holds itself by an alias; write it out")
    if len(lines) > MOST_VALUES:
        raise UserError(f"{path} has more than {MOST_VALUES} values; expected a study file")
    lines.setdefault(place, line)
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise UserError(f"{path}:{key.start_mark.line + 1}: key '{key.value}' occurs twice; drop one")
            seen.add(key.value)
            lines[*place, key.value] = key.start_mark.line + 1
            _walk(path, value, (*place, key.value), lines, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(path, value, (*place, index), lines, above)
