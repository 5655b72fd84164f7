"""CSV and TSV, gzipped or not: a header and one row a checkpoint and run; a file, or a folder of them.

The csv module splits the text, and nothing is guessed: no index, no types, no names for columns that stand twice. The
separator is the one that splits the header into most fields.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Log, Request
from calque.phases.formats.files import ROWS, by_run, files_below, lines, reading
from calque.phases.formats.parsing import shown
from calque.phases.formats.tables import Cells, Table, rows

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".csv.gz", ".tsv.gz", ".txt.gz")
NAMES = {",": "','", ";": "';'", "\t": "tabs"}
EXPECTED = "CSV: a header and one row a checkpoint"


def read(request: Request) -> Log:
    """Read a CSV or TSV log, or a folder of them, each a run.

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
    notes: list[str] = []
    files = [p for p in files_below(request.path, notes) if request.path.is_file() or is_table(p)]
    if not files:
        raise UserError(f"{request.path} holds no CSV file; expected {', '.join(SUFFIXES)}")
    runs = by_run(request.path, files, SUFFIXES)
    return rows(request, {run: [load(p) for p in parts] for run, parts in runs.items()}, notes)


def is_table(path: Path) -> bool:
    """Return whether the file ``path`` is called as CSV is."""
    return path.name.lower().endswith(SUFFIXES)


def load(path: Path) -> Table:
    """Return the table in a file; its rows are read when they are asked for.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UserError
        When it cannot be read as CSV.
    """
    columns, separator = _header(path)
    usual = "\t" if ".tsv" in path.name.lower() else ","

    def get(names: Sequence[str]) -> tuple[Cells, Callable[[int], str], list[str]]:
        places = {name: columns.index(name) for name in names}
        cells: dict[str, list[str]] = {name: [] for name in names}
        starts: list[int] = []
        longer = 0
        for number, row in _split(path, separator):
            if len(row) != len(columns):
                if len(row) < len(columns) or any(cell.strip() for cell in row[len(columns) :]):
                    raise UserError(
                        f"{path}: line {number} has {len(row)} fields and the header {len(columns)}; expected as many: "
                        "write the line again, and put text that holds the separator in quotes"
                    )
                longer += 1
            if len(starts) == ROWS:
                raise UserError(f"{path} has more than {ROWS} rows; keep the rows that hold the metrics")
            starts.append(number)
            for name, place in places.items():
                cells[name].append(row[place])
        notes = [f"{path.name}: fields are separated by {NAMES[separator]}"] if separator != usual else []
        if longer:
            notes.append(
                f"{path.name}: an empty field at the end of {plural(longer, 'row')}, beyond the header, left out"
            )
        return cells, lambda i: f"line {starts[i]}", notes

    return Table(path=path, columns=columns, get=get)


def header(path: Path) -> tuple[str, ...]:
    """Return the column names of a file, without the blanks around them.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UserError
        When it cannot be read as CSV.
    """
    return _header(path)[0]


def _header(path: Path) -> tuple[tuple[str, ...], str]:
    usual = "\t" if ".tsv" in path.name.lower() else ","
    with reading(path, EXPECTED):
        first = next((line for line in lines(path) if line.strip()), None)
    if first is None:
        raise UserError(f"{path} is empty; expected {EXPECTED}")
    found = {
        s: next(iter(_split(path, s, header=True)))[1] for s in dict.fromkeys((usual, ",", "\t", ";")) if s in first
    }
    if not found:
        return (first.strip().strip('"'),), usual
    best = max(found, key=lambda s: (len(found[s]), s == usual))
    return tuple(name.strip() for name in found[best]), best


def _split(path: Path, separator: str, header: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the fields of every row that is not blank, after the header or with it."""
    with reading(path, EXPECTED):
        reader = csv.reader(lines(path), delimiter=separator, strict=True)
        start = 1
        try:
            for row in reader:
                if row and (len(row) > 1 or row[0].strip()):
                    if header:
                        yield start, row
                    header = True
                start = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{path}: line {start} is no {EXPECTED} ({shown(str(error))})") from error
