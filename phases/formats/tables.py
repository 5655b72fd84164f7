"""What CSV and Parquet share: tables with one row a checkpoint and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, check_known, counts_steps, listing
from calque.phases.formats.parsing import Numbers, as_numbers, expected, shown

Cells = Mapping[str, "Sequence[Any] | np.ndarray"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """One file of a table: its columns, and what hands their cells out, so that a wide one is not read whole.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of str
        All names, in order; a name may stand twice.
    get : callable
        Takes names; returns the cells of these columns, where each row stands (``line 3``), and notes.
    """

    path: Path
    columns: tuple[str, ...]
    get: Callable[[Sequence[str]], tuple[Cells, Callable[[int], str], list[str]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    run: np.ndarray
    place: Array
    values: dict[str, Array]
    trials: Array
    coordinates: dict[str, np.ndarray]


def rows(request: Request, tables: Mapping[str, Sequence[Table]], notes: list[str]) -> Log:
    """Return the rows of tables that have a position and a metric, in the order in which they stand there.

    Parameters
    ----------
    request : Request
        What to read.
    tables : mapping of str to sequence of Table
        Files by the run that they are called after, which counts where no column names the run.
    notes : list of str
        What was found so far.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When a column is missing or stands twice, or a cell is no finite number.
    """
    request.refuse("checkpoint", "a table has its position in a column, which `tokens` names")
    request.refuse("shots", "only lm-eval tells shots")
    known = tuple(dict.fromkeys(c for parts in tables.values() for table in parts for c in table.columns))
    if request.tokens is None:
        raise UserError(
            f"{request.path}: which column holds the position? name it with `tokens` (and give `tokens_per_step` if it "
            f"counts steps); the columns are {listing(known)}"
        )
    others = [n for n in (request.tokens, request.run, request.trials_column, *request.coord.values()) if n]
    check_known((*others, *request.metrics), known, str(request.path), "column")
    parts = []
    for name, files in tables.items():
        for table in files:
            if not set(request.metrics) & set(table.columns):
                notes.append(f"{table.path.name} has none of the metrics and is left out")
                continue
            check_known(others, table.columns, str(table.path), "column")
            parts.append(_read(request, table, name, others, notes))
    if not any(len(p.place) for p in parts):
        raise UserError(f"{request.path}: no row has both a position and one of {listing(request.metrics)}")
    trials: float | Array | None = request.trials_number
    if request.trials_column is not None:
        trials = np.concatenate([p.trials for p in parts])
    return Log(
        run=np.concatenate([p.run for p in parts]), place=np.concatenate([p.place for p in parts]),
        in_steps=counts_steps(request.tokens),
        values={m: np.concatenate([p.values[m] for p in parts]) for m in request.metrics},
        trials={} if trials is None else dict.fromkeys(request.metrics, trials),
        coordinates={c: np.concatenate([p.coordinates[c] for p in parts]) for c in request.coord}, notes=tuple(notes),
    )  # fmt: skip


def _read(request: Request, table: Table, name: str, others: Sequence[str], notes: list[str]) -> _Part:
    wanted = tuple(dict.fromkeys((*others, *(m for m in request.metrics if m in table.columns))))
    for column in wanted:
        if table.columns.count(column) > 1:
            raise UserError(f"{table.path} has two columns '{column}'; expected one: rename or drop the other")
    cells, where, told = table.get(wanted)
    notes += told

    def numbers(column: str) -> Array:
        return _strict(as_numbers(cells[column]), cells[column], column, table.path, where, notes)

    assert request.tokens is not None
    place = numbers(request.tokens)
    if len(place) and not np.isfinite(place).any():
        raise UserError(f"{table.path}: column '{request.tokens}' holds no number; expected training tokens")
    empty = np.full(len(place), np.nan)
    values = {m: numbers(m) if m in cells else empty for m in request.metrics}
    trials = numbers(request.trials_column) if request.trials_column else empty
    some = np.any([np.isfinite(v) for v in values.values()], axis=0)
    keep = some & np.isfinite(place)
    lost = int((some & ~np.isfinite(place)).sum())
    if lost:
        notes.append(f"{plural(lost, 'row')} without '{request.tokens}' left out")
    if idle := int((~some).sum()):
        notes.append(f"{plural(idle, 'row')} without {listing(request.metrics)} left out")
    run = np.full(len(place), name, object)
    if request.run:
        texts = [_text(cell) for cell in cells[request.run]]
        blank = next((int(i) for i in np.flatnonzero(keep) if not texts[i]), None)
        if blank is not None:
            raise UserError(f"{table.path}: column '{request.run}' is empty in {where(blank)}; name the run there")
        run = np.array(texts, object)
    coordinates = {c: np.array([_text(cell) for cell in cells[column]], object) for c, column in request.coord.items()}
    return _Part(run=run[keep], place=place[keep], values={m: v[keep] for m, v in values.items()}, trials=trials[keep],
                 coordinates={c: v[keep] for c, v in coordinates.items()})  # fmt: skip


def _text(cell: Any) -> str:
    """Return a cell as text; empty where it is missing."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    return str(cell.item() if isinstance(cell, np.generic) else cell).strip()


def _strict(
    found: Numbers, cells: Any, name: str, path: Path, where: Callable[[int], str], notes: list[str]
) -> Array:  # fmt: skip
    if found.odd:
        cell = cells[found.odd[0]]
        raise UserError(f"{path}: column '{name}' holds '{shown(cell)}' in {where(found.odd[0])}; {expected(cell)}")
    if found.endless:
        at = where(found.endless[0])
        raise UserError(
            f"{path}: column '{name}' holds an infinite value in {at}, or one too large for a number; leave it empty "
            "if it is missing"
        )
    if found.words:
        notes.append(
            f"'{name}': {plural(len(found.words), 'cell')} such as '{shown(cells[found.words[0]])}' taken as missing"
        )
    return found.values
