"""Parquet: one row a checkpoint and run; a file, or a folder of parts (hive partitions become columns)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from calque.data.errors import UserError
from calque.phases.formats.base import Log, Request, need
from calque.phases.formats.tables import Table, rows

SUFFIXES = (".parquet", ".pq")


def read(request: Request) -> Log:
    """Read a Parquet log; rows without a position are left out.

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
    """Return the table in a file or folder; columns are read on demand.

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
        When it cannot be read as Parquet.
    """

    def get(names: Sequence[str]) -> pd.DataFrame:
        try:
            return pd.read_parquet(path, engine="pyarrow", columns=list(names))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as Parquet ({error}); write it again") from error

    return Table(columns=columns(path), get=get)


def columns(path: Path) -> tuple[str, ...]:
    """Return the column names of a file or folder, hive partitions included.

    Parameters
    ----------
    path : Path
        A file, or a folder of parts.

    Returns
    -------
    tuple of str
        Names, in order.

    Raises
    ------
    UserError
        When it cannot be read as Parquet, or has no column.
    """
    dataset = need("pyarrow.dataset", "Parquet")
    try:
        found = tuple(dataset.dataset(path, format="parquet", partitioning="hive").schema.names)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as Parquet ({error}); expected a Parquet file or a folder of parts"
        ) from error
    if not found:
        raise UserError(f"{path} holds no Parquet file with a column; expected a file or a folder of parts")
    return found
