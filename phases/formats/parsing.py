"""What a cell or a value of JSON is: a number, missing, infinite, or something else; and JSON read strictly.

A number is written with ASCII digits, a point, and perhaps an exponent. Nothing else is turned into one: no comma, no
hexadecimal, no truth value, no date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from calque.data.quantities import plural
from calque.phases.formats.base import Array, brief

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
EMPTY = frozenset({"", "nan", "+nan", "-nan"})
WORDS = frozenset({"na", "n/a", "#n/a", "<na>", "null", "none", "-"})
"""What tools and people write where there is no number."""
ENDLESS = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
COMMA = re.compile(r"[+-]?[0-9.]*[0-9](?:,[0-9]+)+(?:\.[0-9]+)?")
SHOWN = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """Cells as numbers.

    Attributes
    ----------
    values : array, shape (n,)
        NaN where a cell holds no finite number.
    words, endless, odd : list of int
        Cells that say that they are missing (``NA``), that are infinite or too large for a number, and all others
        that are neither number nor empty.
    """

    values: Array
    words: list[int]
    endless: list[int]
    odd: list[int]


def as_numbers(cells: Sequence[Any] | np.ndarray) -> Numbers:
    """Return cells of text, of JSON or of a typed column as numbers.

    Parameters
    ----------
    cells : sequence, length n
        Text, numbers, None or anything else; an array of numbers is taken as it is.

    Returns
    -------
    Numbers
        The numbers, correctly rounded, and the places of what is none.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        values = cells.astype(float)
        endless = np.flatnonzero(np.isinf(values))
        return Numbers(values=np.where(np.isinf(values), np.nan, values), words=[], endless=endless.tolist(), odd=[])
    values = np.full(len(cells), np.nan)
    words, odd, endless_ = list[int](), list[int](), list[int]()
    for i, cell in enumerate(cells):
        number = _number(cell)
        if isinstance(number, str):
            (words if number == "word" else endless_ if number == "endless" else odd).append(i)
        else:
            values[i] = number
    return Numbers(values=values, words=words, endless=endless_, odd=odd)


def _number(cell: Any) -> float | str:
    """Return a finite number or NaN, or what else the cell is."""
    if isinstance(cell, str):
        text = cell.strip()
        if NUMBER.fullmatch(text):
            return _finite(text)
        low = text.lower()
        return np.nan if low in EMPTY else "word" if low in WORDS else "endless" if low in ENDLESS else "odd"
    if cell is None:
        return np.nan
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | np.number | Decimal):
        return "odd"
    return _finite(cell)


def _finite(value: Any) -> float | str:
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return "endless"
    return "endless" if np.isinf(number) else number


def shown(cell: object) -> str:
    """Return a cell for a message: at most 40 characters, those that do not print escaped."""
    if isinstance(cell, dict | list):
        return "an object" if isinstance(cell, dict) else "a list"
    try:
        return brief(str(cell), SHOWN)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"


def finite(cells: Sequence[Any] | np.ndarray, name: str, notes: list[str]) -> Array:
    """Return cells of a tool's own log as numbers; what is no finite number becomes NaN, with a note.

    Parameters
    ----------
    cells : sequence, length n
        The cells.
    name : str
        Their column or tag, in notes.
    notes : list of str
        Notes for the user; extended in place.

    Returns
    -------
    array, shape (n,)
        Numbers; NaN where a cell holds none.
    """
    found = as_numbers(cells)
    if found.endless:
        notes.append(f"{brief(name)}: {plural(len(found.endless), 'infinite value')} taken as missing")
    odd = sorted((*found.odd, *found.words))
    if odd:
        what = f"{plural(len(odd), 'cell')} without a number, such as '{shown(cells[odd[0]])}', taken as missing"
        notes.append(f"{brief(name)}: {what}")
    return found.values


def expected(cell: object) -> str:
    """Return what should have stood in a cell, with a hint where it holds a comma or a percent sign."""
    if isinstance(cell, str) and COMMA.fullmatch(cell.strip()):
        return "expected a number such as 0.5 or 1000000: with a point for the decimals and nothing between thousands"
    if isinstance(cell, str) and cell.strip().endswith("%") and as_numbers([cell.strip()[:-1]]).values[0] >= 0:
        return "expected a number without a sign: take the % out and name the metric in `percent`"
    return "expected a number"


class JsonError(ValueError):
    """Text that is no JSON, or JSON that cannot be used."""


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text : str
        JSON; NaN and Infinity are allowed, as many tools write them.

    Raises
    ------
    JsonError
        When it is none, is nested too deep, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise JsonError("nested too deep") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at character {error.pos}") from None
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(str(error)[:80]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JsonError(f"the key '{shown(twice)}' stands twice in one object")
    return out


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the object ``row`` with nested names joined by points: ``{"eval": {"acc": 1}}`` has ``eval.acc``."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    out: dict[str, Any] = {}
    open_: list[tuple[str, Any]] = list(reversed(row.items()))
    while open_:
        name, value = open_.pop()
        if isinstance(value, dict) and value:
            open_ += [(f"{name}.{key}", inner) for key, inner in reversed(value.items())]
        else:
            out.setdefault(name, value)
    return out
