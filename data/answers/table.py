"""The table of answers: where it stands, its columns, reading and joining."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError, file_error
from calque.data.files import named_file, replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ENDING = ".answers.parquet"


def answers_path(cube: str | os.PathLike[str]) -> Path:
    """Return where the answers to the questions of ``cube`` stand: ``results.answers.parquet`` for ``results.nc``."""
    path = named_file(cube)
    return path if path.name.endswith(ENDING) else path.with_name(path.name.removesuffix(".nc") + ENDING)


def read_answers(cube: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the answers that were logged with a cube.

    Parameters
    ----------
    cube : path
        The cube, or the file of answers beside it.

    Returns
    -------
    pandas.DataFrame
        Columns run, revision, step, tokens, and the fields of :class:`LoggedAnswer`; a row an item and checkpoint, in
        the order of training.

    Raises
    ------
    UserError
        When there is no such file, or it is none of answers.
    """
    path = answers_path(cube)
    with open_table(path) as opened:
        found: pd.DataFrame = opened.read().to_pandas()
    return found


def join_answers(files: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> dict[Path, str]:
    """Write the answers of several runs into one file, one checkpoint after the other.

    Parameters
    ----------
    files : sequence of path
        Files of answers.
    output : path
        The file to write; one that is there is replaced.

    Returns
    -------
    dict of Path to str
        Files that are damaged and left out, and why.

    Raises
    ------
    UserError
        When the output cannot be written.
    """
    import pyarrow.parquet as pq

    path, damaged = Path(output), dict[Path, str]()
    try:
        with replacing(path) as partial, pq.ParquetWriter(partial, schema(), compression="zstd") as writer:
            for file in map(Path, files):
                try:
                    one = open_table(file)
                except UserError as error:
                    damaged[file] = str(error)
                    continue
                with one:
                    for group in range(one.num_row_groups):
                        table = one.read_row_group(group).replace_schema_metadata(None)
                        writer.write_table(table, row_group_size=max(1, len(table)))
    except OSError as error:
        raise file_error(error, "write", path) from error
    return damaged


def schema() -> pa.Schema:
    """Return the columns of a table of answers."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([
        ("run", text), ("revision", text), ("step", pa.int64()), ("tokens", pa.int64()), ("checkpoint_sha256", text),
        ("task", text), ("source", text), ("target", text), ("concept", text), ("phenomenon", text),
        ("prompt", pa.string()), ("expected", pa.list_(pa.string())), ("answer", pa.string()), ("outcome", text),
        ("expected_logprob", pa.float32()), ("other_logprob", pa.float32()),
    ])  # fmt: skip


def open_table(path: str | os.PathLike[str]) -> Any:
    """Return the opened file of answers at ``path``, a ``pyarrow.parquet.ParquetFile``.

    Raises
    ------
    UserError
        When there is none, or it is no table of answers.
    """
    path = named_file(path)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise UserError(f"{path} needs the package 'pyarrow' to be read: pip install '.[formats]'") from None
    try:
        found = pq.ParquetFile(path)
    except FileNotFoundError:
        raise UserError(f"there are no answers at {path}; score with `log_answers` to keep what a model says") from None
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} is no table of answers ({' '.join(str(error).split())[:120]}); score again") from error
    missing = [name for name in schema().names if name not in found.schema_arrow.names]
    if missing:
        raise UserError(f"{path} is no table of answers: it has no column '{missing[0]}'; score with `log_answers`")
    return found
