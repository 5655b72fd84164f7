"""The answers of one run, rewritten whole with every checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.answers.answer import LoggedAnswer
from calque.data.answers.table import open_table, schema
from calque.data.errors import UserError, file_error
from calque.data.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("run", "revision", "step", "tokens")
"""Columns that say which checkpoint answered."""


class AnswersFile:
    """The answers of a run's checkpoints, a row group each; rewritten atomically with every checkpoint.

    Parameters
    ----------
    path : path
        The file; what stands in it is kept.
    sample : mapping, optional
        What identifies the run and the logged items, JSON-ready; that of an existing file must be the same. None takes
        the existing file's.

    Raises
    ------
    UserError
        When the existing file holds answers of another run or to other items, or is none of answers.
    """

    def __init__(self, path: str | os.PathLike[str], sample: Mapping[str, Any] | None = None) -> None:
        self.path, self.sample = Path(path), json.dumps(dict(sample or {}), sort_keys=True)
        self.keys: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        with open_table(self.path) as old:
            theirs = (old.schema_arrow.metadata or {}).get(b"calque_sample", b"").decode()
            self.sample = theirs if sample is None else self.sample
            if theirs != self.sample:
                raise UserError(
                    f"{self.path} holds answers of another run or to other items; remove it, or choose another cube"
                )
            for group in range(old.num_row_groups):
                first = old.read_row_group(group, columns=[*KEYS, "checkpoint_sha256"]).slice(0, 1).to_pylist()
                self.keys |= {one["revision"]: one | {"group": group} for one in first}

    def has(self, revision: str, sha256: str) -> bool:
        """Return whether answers of ``revision`` with the weights ``sha256`` are there."""
        return revision in self.keys and self.keys[revision]["checkpoint_sha256"] == sha256

    def put(
        self, revision: str, answers: Iterable[LoggedAnswer], *, run: str, step: int | None, tokens: int, sha256: str
    ) -> None:  # fmt: skip
        """Set or replace the answers of a checkpoint.

        Parameters
        ----------
        revision : str
            Its name.
        answers : iterable of LoggedAnswer
            What it said.
        run : str
            The run's name in the cube.
        step : int, optional
            Optimizer steps taken, where they are known.
        tokens : int
            Tokens seen.
        sha256 : str
            Of its weights.
        """
        key = {"run": run, "revision": revision, "step": step, "tokens": tokens, "checkpoint_sha256": sha256}
        rows = [key | asdict(one) for one in sorted(answers, key=_order)]
        self._write({**self.keys, revision: key}, {revision: rows})

    def copy(self, revision: str, of: str, *, step: int | None, tokens: int) -> None:
        """Give ``revision``, at ``step`` and ``tokens``, the answers ``of`` another with the same weights."""
        key = self.keys[of] | {"revision": revision, "step": step, "tokens": tokens}
        self._write({**self.keys, revision: key}, {})

    def place(self, positions: Mapping[str, tuple[int | None, int]]) -> None:
        """Move checkpoints to other positions.

        Parameters
        ----------
        positions : mapping of str to tuple
            Step and tokens by revision.
        """
        moved = {
            name: key | dict(zip(("step", "tokens"), positions[name], strict=True)) if name in positions else key
            for name, key in self.keys.items()
        }
        if moved != self.keys:
            self._write(moved, {})

    def _write(self, keys: Mapping[str, dict[str, Any]], new: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Write the file: groups of ``keys`` in the order of training, ``new`` rows in place of what stood there."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = schema().with_metadata({"calque_sample": self.sample})
        order = sorted(keys, key=lambda name: (keys[name]["tokens"], name))
        old = open_table(self.path) if self.path.exists() else None
        try:
            with replacing(self.path) as partial, pq.ParquetWriter(partial, columns, compression="zstd") as writer:
                for name in order:
                    if name in new:
                        table = pa.Table.from_pylist(list(new[name]), columns)
                    else:
                        assert old is not None, "a checkpoint without new rows stands in the file"
                        table = _keyed(old.read_row_group(keys[name]["group"]), keys[name], columns)
                    writer.write_table(table, row_group_size=max(1, len(table)))
        except OSError as error:
            raise file_error(error, "write", self.path) from error
        finally:
            if old is not None:
                old.close()
        self.keys = {name: {**keys[name], "group": i} for i, name in enumerate(order)}


def _order(one: LoggedAnswer) -> tuple[str, ...]:
    """Return by what the answers of a checkpoint are sorted: models answer in batches, in no fixed order."""
    return one.task, one.source, one.target, one.concept or "", one.phenomenon or "", one.prompt, *one.expected


def _keyed(table: pa.Table, key: Mapping[str, Any], columns: pa.Schema) -> pa.Table:
    """Return the rows of a checkpoint under another key."""
    import pyarrow as pa

    for name in ("revision", "step", "tokens"):
        field = columns.field(name)
        column = pa.array([key[name]] * len(table), field.type)
        table = table.set_column(columns.get_field_index(name), field, column)
    return table.replace_schema_metadata(columns.metadata)
