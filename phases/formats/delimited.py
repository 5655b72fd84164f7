"""CSV and TSV, gzipped or not: a header and one row a checkpoint and run; a file, or a folder of parts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from calque.data.errors import UserError
from calque.phases.formats.base import Log, Request
from calque.phases.formats.tables import Table, rows

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


def read(request: Request) -> Log:
    """Read a CSV or TSV log; rows without a position are left out.

    Parameters
    ----------
    request : Request
        What to read.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When a file cannot be read, a column is missing, or a cell is no finite number.
    """
    return rows(request, load(request.path))


def load(path: Path) -> Table:
    """Return the table in a file, or in all parts of a folder together.

    Parameters
    ----------
    path : Path
        A file, or a folder of parts.

    Returns
    -------
    Table
        Columns and values.

    Raises
    ------
    UserError
        When a folder holds no CSV file, or a file cannot be read.
    """
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(SUFFIXES))
        if not parts:
            raise UserError(f"{path} holds no CSV file; expected {', '.join(SUFFIXES)}")
        data = pd.concat([frame(p) for p in parts], ignore_index=True)
        return Table(columns=tuple(data.columns), get=lambda names: data[list(names)])
    one = frame(path)
    return Table(columns=tuple(one.columns), get=lambda names: one[list(names)], first=2, unit="line")


def frame(path: Path, rows: int | None = None) -> pd.DataFrame:
    """Return the rows of a file; column names lose the blanks around them.

    Parameters
    ----------
    path : Path
        The file; ``.tsv`` in its name means tabs.
    rows : int, optional
        Rows to read; all when None.

    Returns
    -------
    pandas.DataFrame
        One column for each name.

    Raises
    ------
    UserError
        When it cannot be read as CSV, or two columns have one name.
    """
    separator = "\t" if ".tsv" in path.name.lower() else ","
    try:
        data = pd.read_csv(path, sep=separator, nrows=rows, low_memory=False)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(
            f"{path} cannot be read as CSV ({error}); expected a header and one row a checkpoint"
        ) from error
    data.columns = [str(c).strip() for c in data.columns]
    twice = data.columns[data.columns.duplicated()]
    if len(twice):
        raise UserError(f"{path} has two columns '{twice[0]}'; rename one")
    return data


def header(path: Path) -> tuple[str, ...]:
    """Return the column names of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of str
        Names, in order.

    Raises
    ------
    UserError
        When it cannot be read as CSV, or two columns have one name.
    """
    return tuple(frame(path, rows=0).columns)
