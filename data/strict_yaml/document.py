"""A YAML file with the line of every key, so that an error can name it; repeated keys are errors."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from calque.data.errors import UserError, file_error
from calque.data.strict_yaml.loader import Loader

Place = tuple[str | int, ...]
"""Where a value stands: the keys and list indices that lead to it."""
MOST_VALUES = 100_000
"""Configurations are a page or two; aliases of aliases can make a small file huge."""
MOST_BYTES = 4_000_000
DEEPEST = 30
"""Levels: a study has five."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a YAML file holds.

    Attributes
    ----------
    path : Path
    text : str
    content : dict
    lines : dict of Place to int
        The line, from 1, of every key and list entry.
    """

    path: Path
    text: str
    content: dict[Any, Any]
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """Return the line of the nearest place on the way to ``place`` that the file holds."""
        parts = (place[:n] for n in range(len(place), 0, -1))
        return next((self.lines[part] for part in parts if part in self.lines), 1)

    def error(self, place: Place, message: str) -> UserError:
        """Return an error that begins with the file and the line.

        Parameters
        ----------
        place : tuple of str or int
            Keys and list indices that lead to the value.
        message : str
            What is wrong, and the remedy.

        Returns
        -------
        UserError
            To be raised by the caller.
        """
        return UserError(f"{self.path}:{self.line(place)}: {message}").at(*place)


def read_document(path: str | os.PathLike[str], expected: str, keys: Sequence[str]) -> Document:
    """Read a YAML file.

    Parameters
    ----------
    path : path
    expected : str
        What kind of file it should be, for messages.
    keys : sequence of str
        What its first level may hold, for messages.

    Raises
    ------
    UserError
        When the file cannot be read, is no YAML, holds no keys, or names a key twice.
    """
    path = Path(path)
    text = _text(path, expected)
    lines: dict[Place, int] = {}
    try:
        node = yaml.compose(text, Loader=Loader)
        content = None
        if node is not None:
            _walk(path, node, (), lines, ())
            content = Loader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}; correct that line") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML ({str(error).splitlines()[0]}); expected {expected}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply; expected {expected}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}:1: the file holds no keys; expected {', '.join(keys)}")
    return Document(path=path, text=text, content=content, lines=lines)


def _text(path: Path, expected: str) -> str:
    try:
        if not path.is_file():  # a pipe or a device may have no end
            path.stat()
            raise UserError(f"cannot read {path}: it is no regular file; expected {expected}")
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has more than {MOST_BYTES} bytes; expected {expected}, of a few pages")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise file_error(error, "read", path, expected) from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read {path}: it is not UTF-8 text; expected {expected}") from error
    except UserError:
        raise
    except ValueError as error:  # a zero character in the path
        raise UserError(f"cannot read {path}: {error}; expected {expected}") from None


def dotted(place: Place) -> str:
    """Return a place as people write it: ``sizes[1].name``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _walk(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int], above: tuple[int, ...]) -> None:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise UserError(f"{path}:{line}: the value contains itself by an alias; write it out")
    if len(above) > DEEPEST:
        raise UserError(f"{path}:{line}: nested more than {DEEPEST} deep; expected keys and values as in docs/KEYS.md")
    if len(lines) > MOST_VALUES:
        raise UserError(f"{path} has more than {MOST_VALUES} values; expected a configuration of a few pages")
    lines.setdefault(place, line)
    above = (*above, id(node))
    if isinstance(node, yaml.ScalarNode):
        _check_characters(path, line, node.value)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            here = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{path}:{here}: a key is a list or a mapping; expected a word before the colon")
            _check_characters(path, here, key.value)
            inner = (*place, key.value)
            if key.value in first:
                raise UserError(
                    f"{path}:{here}: key '{dotted(inner)}' occurs twice (first in line {first[key.value]}); drop one"
                )
            lines[inner] = first[key.value] = here
            _walk(path, value, inner, lines, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(path, value, (*place, index), lines, above)


def _check_characters(path: Path, line: int, text: str) -> None:
    """Refuse what no terminal, cube or file name can hold: control characters and halves of surrogate pairs."""
    odd = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
    if odd is not None:
        raise UserError(f"{path}:{line}: the text holds the character U+{ord(odd):04X}; expected letters: remove it")
