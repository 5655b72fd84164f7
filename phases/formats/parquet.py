"""Parquet: one row a checkpoint and run; a file, or a folder of them, where folders ``name=value`` are columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Log, Request, need
from calque.phases.formats.files import ROWS, by_run, files_below
from calque.phases.formats.tables import Cells, Table, rows

SUFFIXES = (".parquet", ".snappy.parquet", ".pq")
BYTES = 2**30
"""Of the columns that are read, unpacked."""


def read(request: Request) -> Log:
    """Read a Parquet log, or a folder of them; numbered parts are one run.

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
        raise UserError(f"{request.path} holds no Parquet file; expected a file, or a folder of them that is not empty")
    runs = by_run(request.path, files, SUFFIXES)
    return rows(request, {run: [load(p, request.path) for p in parts] for run, parts in runs.items()}, notes)


def is_table(path: Path) -> bool:
    """Return whether the file ``path`` is called as Parquet is."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith("_")


def load(path: Path, top: Path | None = None) -> Table:
    """Return the table in a file; columns are read on demand.

    Parameters
    ----------
    path : Path
        The file.
    top : Path, optional
        The folder that is imported; folders below it called ``name=value`` are columns.

    Raises
    ------
    UserError
        When it cannot be read as Parquet.
    """
    hive = _hive(path, top)
    own = columns(path)

    def get(names: Sequence[str]) -> tuple[Cells, Callable[[int], str], list[str]]:
        found = _cells(path, [n for n in names if n not in hive])
        n = _count(path)
        found |= {name: [hive[name]] * n for name in names if name in hive}
        return found, lambda i: f"row {i + 1}", []

    return Table(path=path, columns=(*own, *(n for n in hive if n not in own)), get=get)


def _hive(path: Path, top: Path | None) -> dict[str, str]:
    if top is None or top == path:
        return {}
    pairs = [part.split("=", 1) for part in path.parent.relative_to(top).parts if "=" in part]
    return {name: unquote(value) for name, value in pairs if name}


def columns(path: Path) -> tuple[str, ...]:
    """Return the column names of a file, those of an index included.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UserError
        When it cannot be read as Parquet.
    """
    return tuple(_opened(path).schema_arrow.names)


def _count(path: Path) -> int:
    return int(_opened(path).metadata.num_rows)


def _opened(path: Path, **options: Any) -> Any:
    parquet = need("pyarrow.parquet", "Parquet")
    try:
        return parquet.ParquetFile(path, **options)
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are subclasses of these
        raise UserError(f"{path} cannot be read as Parquet; expected a Parquet file: write it again") from error


def _cells(path: Path, names: Sequence[str]) -> dict[str, Any]:
    arrow = need("pyarrow", "Parquet")
    texts = [f.name for f in _opened(path).schema_arrow if f.name in names and _is_text(f.type)]
    file = _opened(path, read_dictionary=texts)  # a text that stands in all rows is held once
    _check_size(path, file, names)
    for field in file.schema_arrow:
        kind = field.type.value_type if arrow.types.is_dictionary(field.type) else field.type
        if field.name in names and not _is_usable(kind):
            raise UserError(
                f"{path}: column '{field.name}' holds values of type {str(field.type)[:40]}; expected numbers or text"
            )
    try:
        table = file.read(columns=list(names))
    except (OSError, ValueError, NotImplementedError, IndexError) as error:
        raise UserError(f"{path} is damaged and cannot be read as Parquet; write it again") from error
    return {name: _plain(table.column(name)) for name in names}


def _check_size(path: Path, file: Any, names: Sequence[str]) -> None:
    """Refuse what would fill the memory, by what the file itself tells."""
    told = file.metadata
    if told.num_rows > ROWS:
        raise UserError(
            f"{path} has {plural(told.num_rows, 'row')}; expected at most {ROWS}: keep the rows that hold the metrics"
        )
    size = 0
    for group in range(told.num_row_groups):
        part = told.row_group(group)
        for i in range(part.num_columns):
            column = part.column(i)
            if column.path_in_schema.split(".")[0] in names:
                size += column.total_uncompressed_size
    if size > BYTES:
        raise UserError(f"{path}: the columns needed hold more than {BYTES >> 30} GiB; keep the rows with the metrics")


def _is_text(kind: Any) -> bool:
    types = need("pyarrow", "Parquet").types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_usable(kind: Any) -> bool:
    types = need("pyarrow", "Parquet").types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)
        or _is_text(kind)
    )  # fmt: skip


def _plain(column: Any) -> Any:
    """Return a column as an array of floats or a list of texts; None where a cell is missing."""
    types = need("pyarrow", "Parquet").types
    if types.is_integer(column.type) or types.is_floating(column.type):
        if column.null_count == 0:
            return column.to_numpy()
        return np.asarray(column.cast("float64", safe=False).to_numpy(zero_copy_only=False), float)
    if types.is_dictionary(column.type):
        out: list[Any] = []
        for chunk in column.chunks:
            words = chunk.dictionary.to_pylist()
            out += [None if i is None else words[i] for i in chunk.indices.to_pylist()]
        return out
    return column.to_pylist()
