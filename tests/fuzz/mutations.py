"""Ways to spoil bytes, cells and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator

CELLS = (
    "", " ", "nan", "NaN", "NA", "N/A", "None", "null", "-", "inf", "-inf", "Infinity", "1e999", "-1e999", "1e-400",
    "1,5", "1.000,5", "1_000", "0x10", "1e5", "True", "false", "2024-05-05", "12:30", "1.5%", "$3", "1 000", "１２",
    "1.2.3", "+0.5", ".5", "5.", "-0", "9" * 400, "9007199254740993", "0.1000000000000000055511151231257827", "\x00",
    "\x1b[31m", "é", "\u2028", "\ud7ff", '"', "'", "a\nb", "=1+1", "1e308", "-1", "3", "0.30000000000000004", " 0.5 ",
    "\t0.5", "٣",
)  # fmt: skip
"""What people and programs write into a cell."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**400, "0.5", "NaN", "1e999", "x", "\ud800", "", [],
    [0.5], {}, {"a": 0.5}, [[[]]], "\x1b[2J", 2**63, -(2**63), 0.1 + 0.2, 9007199254740993, {"_type": "histogram"},
)  # fmt: skip
"""What may stand in JSON where a number is expected."""


def pick(rng: Rng, options: Any) -> Any:
    """Return one of several things."""
    return options[int(rng.integers(len(options)))]


def spoil_bytes(rng: Rng, data: bytes) -> bytes:
    """Return bytes with one to three places flipped, cut, doubled or filled with something else."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(out) + 1))
        end = min(len(out), at + int(rng.integers(1, 40)))
        match int(rng.integers(6)):
            case 0 if at < len(out):
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                del out[at:end]
            case 2:
                out[at:at] = out[at:end]
            case 3:
                out[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case 4:
                out = out[:at]
            case _:
                out[at:at] = pick(
                    rng, (b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"\x1b[31m", b"\xff\xfe")
                )
    return bytes(out)


def spoil_table(rng: Rng, rows: list[list[str]]) -> tuple[str, list[list[str]]]:
    """Return what was done to a table, and the table; the first row is the header."""
    rows = [list(r) for r in rows]
    line = int(rng.integers(1, len(rows)))
    column = int(rng.integers(len(rows[0])))
    name, change = pick(rng, (
        ("cell", lambda: rows[line].__setitem__(column, pick(rng, CELLS))),
        ("cell", lambda: rows[line].__setitem__(column, pick(rng, CELLS))),
        ("two cells", lambda: [pick(rng, rows[1:]).__setitem__(column, pick(rng, CELLS)) for _ in "ab"]),
        ("header", lambda: rows[0].__setitem__(column, pick(rng, (*rows[0], *CELLS)))),
        ("longer row", lambda: rows[line].append(pick(rng, CELLS))),
        ("longer rows", lambda: [r.append(pick(rng, ("", "0.5"))) for r in rows[1:]]),
        ("shorter row", lambda: rows[line].pop()),
        ("row twice", lambda: rows.insert(line, list(rows[line]))),
        ("rows swapped", lambda: rows.insert(1, rows.pop(line))),
        ("rows shuffled", lambda: rows.extend([rows.pop(int(rng.integers(1, len(rows)))) for _ in rows[1:]])),
        ("rows again", lambda: rows.extend([list(r) for r in rows[line:]])),
        ("column gone", lambda: [r.pop(column) for r in rows]),
        ("column twice", lambda: [r.append(r[column]) for r in rows]),
        ("empty line", lambda: rows.insert(line, [])),
        ("header again", lambda: rows.insert(line, list(rows[0]))),
    ))  # fmt: skip
    change()
    return name, rows


def spoil_json(rng: Rng, whole: Any) -> Any:
    """Return JSON with one of its parts replaced, gone or under another name."""
    whole = json.loads(json.dumps(whole))
    places: list[tuple[Any, Any]] = []
    _places(whole, places)
    holder, key = pick(rng, places)
    match int(rng.integers(4)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[pick(rng, ("", "x", "\ud800", "_step", "a/b", "step", " ", "\x1b"))] = holder.pop(key)
        case _:
            holder[key] = pick(rng, VALUES)
    return whole


def _places(node: Any, out: list[tuple[Any, Any]]) -> None:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        out.append((node, key))
        _places(node[key], out)


def dump(whole: Any) -> bytes:
    """Return JSON with lone surrogates as they are."""
    return json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")


Spoil = Callable[[Rng, bytes], bytes]
