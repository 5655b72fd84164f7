"""One column of text of a parquet file, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from calque.data.corpora.text.opening import Limits, check_expansion, file_errors
from calque.data.corpora.text.pages import page_sizes
from calque.data.errors import UserError

BUFFER = 1 << 16
MAGIC = b"PAR1"
LARGEST_FOOTER = 1 << 24
LARGEST_PAGE = 1 << 23
AT_ONCE = 1 << 23
"""Bytes that the rows read together may have, if all were as long as a value may be."""


def parquet_values(
    path: Path, where: str, field: str, limits: Limits, wanted: Callable[[int], bool] = lambda row: True
) -> Iterator[str]:
    """Yield the values of a column, stripped of white space at both ends.

    Parameters
    ----------
    path : Path
    where : str
        Names the file in errors.
    field : str
        Name of the column.
    limits : Limits
    wanted : callable
        Whether the value of this row (from 0) is wanted.

    Raises
    ------
    UserError
        When the file is damaged, has no such column of text, a page or a value is too large, or a value is null.
    """
    with file_errors(where):
        packed = path.stat().st_size
        try:
            with _open(path, where) as file:
                _check(file, path, where, field, limits)
                row = expanded = 0
                for batch in file.iter_batches(
                    batch_size=max(1, AT_ONCE // limits.line), columns=[field], use_threads=False
                ):
                    column = batch.column(0)
                    expanded += column.nbytes
                    check_expansion(expanded, packed, where, limits)
                    places = [place for place in range(len(column)) if wanted(row + place)]
                    values = _texts(column, where, row) if places else []
                    for place in places:
                        yield _checked(values[place], f"{where} row {row + place + 1}", field, limits)
                    row += len(column)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{where} is no parquet file that can be read ({reason}); make it again") from None


def _open(path: Path, where: str) -> pq.ParquetFile:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(MAGIC) - 4))
        end = file.read()
    footer = int.from_bytes(end[:4], "little")
    if end.endswith(MAGIC) and footer > LARGEST_FOOTER:
        raise UserError(f"{where} has a footer of {footer} bytes; expected at most {LARGEST_FOOTER}: split it")
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)


def _check(file: pq.ParquetFile, path: Path, where: str, field: str, limits: Limits) -> None:
    schema = file.schema_arrow
    if field not in schema.names:
        has = ", ".join(name[:40] for name in schema.names[:12]) or "none"
        raise UserError(f"{where} has no column '{field}' (it has {has}); expected the text there: set text.field")
    kind = schema.field(field).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)):
        raise UserError(f"the column '{field}' of {where} is {kind}; expected text (string): set text.field")
    column = next(i for i in range(len(file.schema)) if file.schema.column(i).path == field)
    largest = 0
    with path.open("rb") as raw:
        for group in range(file.metadata.num_row_groups):
            chunk = file.metadata.row_group(group).column(column)
            start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
            try:
                largest = max(largest, *page_sizes(raw, start, chunk.total_compressed_size), 0)
            except ValueError as error:
                raise UserError(f"{where} is damaged ({error}); make it again") from None
    if largest > max(LARGEST_PAGE, limits.line):
        raise UserError(
            f"{where} has a page of {largest} bytes; expected at most {max(LARGEST_PAGE, limits.line)}: write it "
            "with smaller pages (pyarrow: data_page_size=2**20, write_batch_size=16)"
        )


def _texts(column: pa.Array, where: str, row: int) -> list[str | None]:
    try:
        values: list[str | None] = column.to_pylist()
        return values
    except UnicodeDecodeError:
        for place, value in enumerate(column):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise UserError(
                    f"{where} row {row + place + 1}: invalid UTF-8 at byte {error.start} of the value (0x{byte:02x}); "
                    "expected UTF-8: make the file again"
                ) from None
        raise


def _checked(value: str | None, place: str, field: str, limits: Limits) -> str:
    if value is None:
        raise UserError(f"{place}: the column '{field}' is null; expected text: drop such rows")
    if len(value.encode()) > limits.line:
        raise UserError(f"{place}: longer than {limits.line} bytes; expected shorter values: cut it, or raise max_line")
    if "\0" in value:
        raise UserError(f"{place}: a zero character; expected text: remove it")
    return value.strip()
