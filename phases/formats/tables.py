"""What CSV and Parquet share: a table with one row a checkpoint and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calque.data.errors import UserError
from calque.phases.formats.base import Array, Log, Request, check_known, counts_steps, few, listing


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The columns of a table, and what hands them out, so that a wide Parquet file is not read whole.

    Attributes
    ----------
    columns : tuple of str
        All names.
    get : callable
        Returns a data frame of the columns named.
    first : int
        Number of the first row in messages, and ``unit`` what it counts: a CSV's header is line 1.
    """

    columns: tuple[str, ...]
    get: Callable[[Sequence[str]], pd.DataFrame]
    first: int = 1
    unit: str = "row"

    def where(self, row: int) -> str:
        """Return where a row stands."""
        return f"{self.unit} {row + self.first}"


def rows(request: Request, table: Table) -> Log:
    """Return the rows of a table that have a position.

    Parameters
    ----------
    request : Request
        What to read.
    table : Table
        The table.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When a column is missing, or a cell is no finite number.
    """
    path = request.path
    request.refuse("checkpoint", "a table has its position in a column, which `tokens` names")
    if request.tokens is None:
        raise UserError(
            f"{path}: which column holds the position? name it with `tokens` (and give `tokens_per_step` if it "
            f"counts steps); the columns are {listing(table.columns)}"
        )
    wanted = [request.tokens, *request.metrics, *(n for n in (request.run, request.trials_column) if n)]
    check_known(wanted, table.columns, str(path), "column")
    data = table.get(tuple(dict.fromkeys(wanted)))
    numbers = {name: _numeric(data[name], name, path, table) for name in dict.fromkeys(wanted) if name != request.run}
    place = numbers[request.tokens]
    keep = np.isfinite(place)
    if not keep.any():
        raise UserError(f"{path}: column '{request.tokens}' holds no number; expected training tokens")
    notes = []
    if not keep.all():
        notes.append(f"{few(int((~keep).sum()), 'row')} without '{request.tokens}' left out")
    if request.run:
        empty = np.flatnonzero(data[request.run].isna().to_numpy() & keep)
        if empty.size:
            raise UserError(
                f"{path}: column '{request.run}' is empty in {table.where(int(empty[0]))}; name the run there"
            )
        run = data[request.run].astype(str).to_numpy(object)
    else:
        run = np.full(len(data), "run", object)
    trials: float | Array | None = request.trials_number
    if request.trials_column is not None:
        trials = numbers[request.trials_column][keep]
    return Log(
        run=run[keep], place=place[keep], in_steps=counts_steps(request.tokens),
        values={name: numbers[name][keep] for name in request.metrics},
        trials={} if trials is None else dict.fromkeys(request.metrics, trials), notes=tuple(notes),
    )  # fmt: skip


def _numeric(column: pd.Series[Any], name: str, path: Path, table: Table) -> Array:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(numbers.isna() & column.notna())
    if wrong.size:
        cell, where = column.iloc[wrong[0]], table.where(int(wrong[0]))
        raise UserError(f"{path}: column '{name}' holds '{cell}' in {where}; expected a number")
    values = numbers.to_numpy(float, na_value=np.nan)
    endless = np.flatnonzero(np.isinf(values))
    if endless.size:
        raise UserError(
            f"{path}: column '{name}' holds an infinite value in {table.where(int(endless[0]))}; leave it empty if it "
            "is missing"
        )
    return values
