"""The parquet files of a data set: at which revision, in which order, and how much is taken of each."""

from __future__ import annotations

import atexit
import gc
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset_builder
from huggingface_hub import HfApi

from calque.data.corpora.hub.config import HubConfig, HubDataset
from calque.data.corpora.hub.network import first_line, with_retries
from calque.data.errors import UserError
from calque.data.home import home
from calque.data.json_files import read_json, write_json

ROWS_AT_ONCE = 256
SETTLE_SECONDS = 0.2
TEXT = ("string", "large_string", "string_view")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A parquet file.

    Attributes
    ----------
    name : str
        Path within the data set.
    place : int
        Its place among all the files of the split, from 0.
    text_bytes : int, optional
        To take of it; None takes all.
    sha256 : str, optional
        Of a local file; a file on the hub is fixed by the revision.
    """

    name: str
    place: int
    text_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is read of a data set.

    Attributes
    ----------
    revision : str
        Commit of a data set on the hub; hash over the files read of a local one.
    parts : tuple of Part
    """

    revision: str
    parts: tuple[Part, ...]


def plan(source: HubDataset, config: HubConfig, text_bytes: int | None) -> Plan:
    """Return what is to be read, and keep it under ``CALQUE_HOME`` for a data set on the hub.

    A branch moves. The commit that was found first is kept, with the files, so that an interrupted preparation goes
    on with the same text, and without asking the hub again; another is found when the file is removed or the
    data set is named with ``@REVISION``.

    Parameters
    ----------
    source : HubDataset
        A data set on the hub, or a folder laid out like one.
    config : HubConfig
        Split, text column, and attempts.
    text_bytes : int, optional
        How much to take; None takes all.

    Returns
    -------
    Plan
        The revision, and the files in order with the bytes to take from each.

    Raises
    ------
    UserError
        When the data set, configuration, split or column does not exist, it is not in parquet files, or the hub
        cannot be reached.
    """
    if source.is_folder:
        parts = tuple(_parts(source, None, config, text_bytes))
        hashes = json.dumps([[part.name, part.sha256] for part in parts])
        return Plan(revision="sha256:" + hashlib.sha256(hashes.encode()).hexdigest(), parts=parts)
    wanted = [str(source), source.revision, config.split, config.field, text_bytes]
    path = home() / "hub" / f"{hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:24]}.json"
    if path.exists():
        values = read_json(path)
        return Plan(revision=values["revision"], parts=tuple(Part(**part) for part in values["parts"]))
    what = f"the data set {source.name}" + (f" at {source.revision}" if source.revision else "")
    info = with_retries(what, config.attempts, lambda: HfApi().dataset_info(source.name, revision=source.revision))
    found = Plan(revision=str(info.sha), parts=tuple(_parts(source, info.sha, config, text_bytes)))
    write_json(path, {"dataset": str(source), "asked": source.revision, **asdict(found)})
    return found


@cache
def _end_quietly() -> None:
    """Let Arrow's threads finish before the interpreter does: one that is late aborts it (apache/arrow#45214)."""

    def settle() -> None:
        gc.collect()
        time.sleep(SETTLE_SECONDS)

    atexit.register(settle)


def values(
    source: HubDataset, revision: str | None, part: Part, config: HubConfig, after: int = 0
) -> Iterator[str | None]:
    """Yield the text column of a parquet file, row by row.

    Parameters
    ----------
    source : HubDataset
        A data set on the hub, or a folder laid out like one.
    revision : str or None
        The commit to read; ignored for a folder.
    part : Part
        The file.
    config : HubConfig
        Text column.
    after : int
        Rows to leave out; row groups that hold no others are not read.
    """
    _end_quietly()
    with fsspec.open(_address(source, revision, part.name), "rb") as stream:
        file, passed = pq.ParquetFile(stream), 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if passed + rows > after:
                batches = file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[config.field])
                yield from islice((value for each in batches for value in each.column(0).to_pylist()),
                                  max(0, after - passed), None)  # fmt: skip
            passed += rows


def _address(source: HubDataset, revision: str | None, name: str) -> str:
    """Return where a file is read; the inverse of :func:`_name`."""
    return os.path.join(source.place, name) if source.is_folder else f"hf://datasets/{source.name}@{revision}/{name}"


def _parts(source: HubDataset, revision: str | None, config: HubConfig, left: int | None) -> Iterator[Part]:
    files = with_retries(f"the data set {source}", config.attempts, lambda: _files(source, revision, config))
    for place, file in enumerate(files):
        name = _name(file, source)
        size = with_retries(f"{name} of {source}", config.attempts, partial(_column_bytes, file, source, config))
        cut = None if left is None or size <= left else left
        yield Part(name=name, place=place, text_bytes=cut, sha256=_sha256(file) if source.is_folder else None)
        if left is not None:
            left -= size
            if left <= 0:
                return


def _files(source: HubDataset, revision: str | None, config: HubConfig) -> list[str]:
    """Return the files of the split as addresses, in the order of the data set's shards."""
    if source.is_folder and not Path(source.place).is_dir():
        raise UserError(f"the folder {source.place} is missing; expected a data set laid out as on the hub")
    try:
        builder = load_dataset_builder(
            source.place, source.config, revision=None if source.is_folder else revision,
            cache_dir=str(home() / "hub" / "cache"),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UserError(
            f"no data set {source} with files that can be read ({first_line(error)}); look at the name"
        ) from error
    except ValueError as error:  # the library's word for a configuration that does not exist, or is needed
        raise UserError(
            f"the data set {source.name} has no '{source.config or 'default'}' ({first_line(error)})"
        ) from error
    splits = builder.config.data_files or {}
    if config.split not in splits:
        has = ", ".join(map(str, splits)) or "none"
        raise UserError(f"the data set {source} has no split '{config.split}' (it has {has}); set hub.split")
    files = [str(file) for file in splits[config.split]]
    other = next((file for file in files if not file.endswith(".parquet")), None)
    if other is not None:
        raise UserError(f"the data set {source} holds {_name(other, source)}; expected parquet files alone")
    return files


def _column_bytes(file: str, source: HubDataset, config: HubConfig) -> int:
    """Return the bytes of the text in a parquet file, from its footer."""
    try:
        with fsspec.open(file, "rb") as stream:
            metadata = pq.read_metadata(stream)
    except pa.ArrowException as error:
        raise UserError(f"{_name(file, source)} of {source} is no parquet file ({first_line(error)})") from error
    schema = metadata.schema.to_arrow_schema()
    if config.field not in schema.names:
        has = ", ".join(schema.names)
        raise UserError(f"the data set {source} has no column '{config.field}' (it has {has}); set hub.field")
    if str(schema.field(config.field).type) not in TEXT:
        kind = schema.field(config.field).type
        raise UserError(f"the column '{config.field}' of {source} is {kind}; expected text: set hub.field")
    column = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == config.field)
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(group).column(column).total_uncompressed_size for group in groups)


def _name(file: str, source: HubDataset) -> str:
    if source.is_folder:
        return os.path.relpath(file, source.place)
    return file.split("@", 1)[-1].split("/", 1)[-1]


def _sha256(file: str) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
