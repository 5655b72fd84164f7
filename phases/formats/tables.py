"""CSV (.csv, .tsv, gzipped or not) and Parquet (a file, or a folder of parts): one row a checkpoint and run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import UserError
from phases.formats.base import Array, Log, Request, check_known, counts_steps, need

PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


def read(request: Request) -> Log:
    """Return the rows that have a position.

    Raises
    ------
    UserError
        When the file or a column is missing, or a cell is no finite number.
    """
    path = request.path
    request.refuse("checkpoint", "a table has its position in a column, which --tokens names")
    columns, table = load(path)
    if request.tokens is None:
        raise UserError(
            f"{path}: which column holds the position? name it with --tokens COL (and --tokens-per-step N if it "
            f"counts steps); the columns are {', '.join(columns[:12])}"
        )
    wanted = [request.tokens, *request.metrics, *(n for n in (request.run, request.trials_column) if n)]
    check_known(wanted, columns, str(path), "column")
    data = table(tuple(dict.fromkeys(wanted)))
    numbers = {name: _numeric(data, name, path) for name in dict.fromkeys(wanted) if name != request.run}
    place = numbers[request.tokens]
    keep = np.isfinite(place)
    if not keep.any():
        raise UserError(f"{path}: column '{request.tokens}' holds no number; expected training tokens")
    notes = []
    if not keep.all():
        notes.append(f"{(~keep).sum()} rows without '{request.tokens}' are left out")
    if request.run:
        empty = np.flatnonzero(data[request.run].isna().to_numpy() & keep)
        if empty.size:
            raise UserError(f"{path}: column '{request.run}' is empty in {_line(path, empty[0])}; name the run there")
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


class Loaded:
    """A table that hands out columns on demand, so that a wide Parquet history is not read whole."""

    def __init__(self, path: Path, table: pd.DataFrame | None = None) -> None:
        self.path, self.table = path, table

    def __call__(self, names: Sequence[str]) -> pd.DataFrame:
        """Return these columns."""
        if self.table is not None:
            return self.table[list(names)]
        try:
            return pd.read_parquet(self.path, engine="pyarrow", columns=list(names))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path} cannot be read as Parquet ({error}); write it again") from error


def load(path: Path) -> tuple[tuple[str, ...], Loaded]:
    """Return a table's columns and what hands them out; a folder's parts are joined."""
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(DELIMITED))
        if parts and not any(p.name.lower().endswith(PARQUET) for p in path.rglob("*")):
            table = pd.concat([delimited(p) for p in parts], ignore_index=True)
            return tuple(table.columns), Loaded(path, table)
        return parquet_columns(path), Loaded(path)
    if path.name.lower().endswith(PARQUET):
        return parquet_columns(path), Loaded(path)
    table = delimited(path)
    return tuple(table.columns), Loaded(path, table)


def delimited(path: Path, rows: int | None = None) -> pd.DataFrame:
    """Return a CSV or TSV file as a table; names lose the blanks around them."""
    separator = "\t" if ".tsv" in path.name.lower() else ","
    try:
        table = pd.read_csv(path, sep=separator, nrows=rows, low_memory=False)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(
            f"{path} cannot be read as CSV ({error}); expected a header and one row a checkpoint"
        ) from error
    table.columns = [str(c).strip() for c in table.columns]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise UserError(f"{path} has two columns '{twice[0]}'; rename one")
    return table


def header(path: Path) -> tuple[str, ...]:
    """Return the names in the first line of a CSV or TSV file."""
    return tuple(delimited(path, rows=0).columns)


def parquet_columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet file or of a folder of parts."""
    dataset = need("pyarrow.dataset", "Parquet")
    try:
        return tuple(dataset.dataset(path, format="parquet", partitioning="hive").schema.names)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as Parquet ({error}); expected a Parquet file or a folder of parts"
        ) from error


def _numeric(table: pd.DataFrame, name: str, path: Path) -> Array:
    column: pd.Series[Any] = pd.to_numeric(table[name], errors="coerce")
    wrong = column.isna() & table[name].notna()
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}: column '{name}' holds '{table[name].iloc[at]}' in {_line(path, at)}; expected a number"
        )
    values = column.to_numpy(float, na_value=np.nan)
    if np.isinf(values).any():
        raise UserError(
            f"{path}: column '{name}' holds an infinite value in {_line(path, np.flatnonzero(np.isinf(values))[0])}; "
            "leave it empty if it is missing"
        )
    return values


def _line(path: Path, row: int) -> str:
    """Return where a row stands: the header is line 1 of a text file; Parquet has rows only."""
    text = path.is_file() and not path.name.lower().endswith(PARQUET)
    return f"line {row + 2}" if text else f"row {row + 1}"
