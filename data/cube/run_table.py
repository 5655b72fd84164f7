"""A table with a row a run: coordinates that a person adds to a cube."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calque.data.errors import UserError, file_error

if TYPE_CHECKING:
    import pandas as pd

FIELD = 80
"""Characters of a table that an error quotes."""


def run_table(
    table: str | os.PathLike[str] | pd.DataFrame, runs: Sequence[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return the columns of a table with a column ``run``.

    Parameters
    ----------
    table : path or pandas.DataFrame
        CSV with a header.
    runs : sequence of str
        The runs of the cube.

    Returns
    -------
    columns : dict of str to dict of str to str
        Value by run, by name of the column.
    unknown : list of str
        Runs of the table that the cube does not have.

    Raises
    ------
    UserError
        When it cannot be read, lacks the column ``run``, has rows of another length, or names a run twice.
    """
    if isinstance(table, str | os.PathLike):
        header, rows = _read(Path(table))
    elif not hasattr(table, "to_numpy"):
        raise UserError(f"`coords` is of type {type(table).__name__}; expected the path of a CSV file or a DataFrame")
    else:
        header, rows = [str(name) for name in table.columns], [list(map(str, row)) for row in table.to_numpy()]
    if "run" not in header or len(set(header)) < 2 or len(set(header)) < len(header):
        shown = ", ".join(header)[:FIELD]
        raise UserError(f"`coords` has columns {shown or 'none'}; expected run and others, every one once")
    place = header.index("run")
    names = [row[place] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"`coords` names run '{twice}' twice; expected every run once")
    columns = {
        name: {row[place]: row[k] for row in rows if row[place] in runs}
        for k, name in enumerate(header) if k != place
    }  # fmt: skip
    return columns, [name for name in names if name not in runs]


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = [[field.strip() for field in row] for row in csv.reader(file, strict=True) if row]
    except OSError as error:
        raise file_error(error, "read", path) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as CSV ({str(error)[:FIELD]}); expected columns run, size, ..."
        ) from error
    if not lines:
        raise UserError(f"{path} is empty; expected CSV with columns run, size, ...")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(lines[0]):
            raise UserError(f"{path}: row {number} has {len(line)} fields; expected {len(lines[0])}, as in the header")
    return lines[0], lines[1:]
