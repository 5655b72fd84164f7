"""Documents of a text, JSON-lines or parquet file, whatever it is compressed with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.lines import Line, lines, text_of
from calque.data.corpora.text.opening import COMPRESSIONS, contents
from calque.data.corpora.text.parquet import parquet_values
from calque.data.errors import UserError

PLAIN, JSON, PARQUET = (".txt",), (".jsonl", ".ndjson"), (".parquet",)
EXPECTED = (
    f"expected {', '.join((*PLAIN, *JSON, *PARQUET))}, the first three also with {', '.join(COMPRESSIONS)} after it"
)
LONGEST = 4
"""A document without a blank line is cut at this many times the wanted size."""

Wanted = Callable[[int], bool]


def kind(name: str) -> str:
    """Return the suffix that tells how a file is read: ``.txt``, ``.jsonl``, ``.parquet`` or ``.zip``; else ``""``.

    Parameters
    ----------
    name : str
        Name of a file, with its suffixes.

    Returns
    -------
    str
        The suffix, or ``""`` for a file of unknown kind.
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    last = suffixes[-1] if suffixes else ""
    if last in (*PARQUET, ".zip"):
        return last
    if last in COMPRESSIONS:
        last = suffixes[-2] if len(suffixes) > 1 else ""
    return ".jsonl" if last in JSON else last if last in PLAIN else ""


def documents(path: Path, where: str, config: TextConfig, wanted: Wanted = lambda ordinal: True) -> Iterator[str]:
    """Yield a file's documents, stripped of white space at both ends; an empty one is ``""``.

    Parameters
    ----------
    path : Path
    where : str
        Names the file in errors.
    config : TextConfig
    wanted : callable
        Whether the document of this number (from 0, empty ones counted) is wanted; others are passed over, which
        is faster than reading them.

    Raises
    ------
    UserError
        When anything in the file is not as expected; names the file and the line or row.
    """
    if kind(where) == ".parquet":
        yield from parquet_values(path, where, config.field, config.limits, wanted)
        return
    ordinal = 0
    for member, pieces in contents(path, where, config.limits):
        if member and ignored(member):
            continue
        name = f"{where}!{member}" if member else where
        how = kind(member or where)
        if how not in (".txt", ".jsonl"):
            raise UserError(f"{name} is no text; expected .txt or .jsonl within an archive: pack it without this file")
        content = lines(pieces, name, config.max_line)
        if how == ".jsonl":
            for line in content:
                if line.raw and not line.raw.isspace():
                    if wanted(ordinal):
                        yield _value(line, name, config.field).strip()
                    ordinal += 1
        else:
            for group in _paragraphs(content, config.document):
                if wanted(ordinal):
                    yield text_of(group, name).strip()
                ordinal += 1


def ignored(name: str) -> bool:
    """Return whether a file is skipped: it, or one of its folders, is hidden or made by an operating system.

    Parameters
    ----------
    name : str
        Path below the language's folder, with ``/``.

    Returns
    -------
    bool
        Whether it is skipped.
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _paragraphs(content: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Yield groups of lines: paragraphs up to ``size`` bytes or a little more."""
    group: list[Line] = []
    held = 0
    for line in content:
        blank = not line.raw or line.raw.isspace()
        if not group and blank:
            continue
        group.append(line)
        held += len(line.raw) + 1
        if held >= (size if blank else LONGEST * size):
            yield group
            group, held = [], 0
    if group:
        yield group


def _value(line: Line, where: str, field: str) -> str:
    place, expected = f"{where} line {line.number}", f'expected one object a line, such as {{"{field}": ...}}'
    text = text_of([line], where)
    try:
        found = json.loads(text)
    except RecursionError:
        raise UserError(f"{place}: nested too deeply; {expected}") from None
    except ValueError as error:
        raise UserError(f"{place}: no JSON ({error}); {expected}") from None
    if not isinstance(found, dict):
        raise UserError(f"{place}: {_json_type(found)}; {expected}")
    if field not in found:
        has = ", ".join(key[:40] for key in list(found)[:8]) or "nothing"
        raise UserError(f"{place}: no field '{field}' (it has {has}); expected the text there: set text.field")
    value = found[field]
    if not isinstance(value, str):
        raise UserError(f"{place}: the field '{field}' is {_json_type(value)}; expected text")
    return _checked(value, place)


def _checked(value: str, place: str) -> str:
    """Refuse text that cannot be written as UTF-8: half a surrogate pair, which JSON can spell."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        code = ord(value[error.start])
        raise UserError(f"{place}: half a surrogate pair (U+{code:04X}); expected Unicode text: mend it") from None
    if "\0" in value:
        raise UserError(f"{place}: a zero character; expected text: remove it")
    return value


def _json_type(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null", dict: "an object"}
    return names.get(type(value), "a number")
