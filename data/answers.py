"""What a model said: a table of answers beside the cube, ``results.answers.parquet``, a row an item and checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError, file_error
from calque.data.files import replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ENDING = ".answers.parquet"
KEYS = ("run", "revision", "step", "tokens")
"""Columns that say which checkpoint answered."""


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """One item and what a model made of it.

    Attributes
    ----------
    task : str
        words, nonce or minimal_pairs.
    source, target : str
        Codes of the languages; equal for invented words and minimal pairs.
    concept : str, optional
        Of a word question.
    phenomenon : str, optional
        Of a minimal pair.
    prompt : str
        What the model read, without the token that begins a document; empty for a minimal pair.
    expected : tuple of str
        Accepted answers, the headword first; of a minimal pair the good text.
    answer : str, optional
        What the model generated up to the sign that ends an answer; of a minimal pair the text it finds more probable.
        None where its numbers are not finite.
    outcome : str
        wrong, translated, copied, other_language; correct or wrong of a minimal pair; not_finite.
    expected_logprob, other_logprob : float, optional
        Log-probabilities in nats: of the accepted answers together and of the source word; of a minimal pair, of its
        good and its bad text. None where not computed or not finite.
    """

    task: str
    source: str
    target: str
    concept: str | None = None
    phenomenon: str | None = None
    prompt: str
    expected: tuple[str, ...]
    answer: str | None
    outcome: str
    expected_logprob: float | None = None
    other_logprob: float | None = None


def answers_path(cube: str | os.PathLike[str]) -> Path:
    """Return where the answers to the questions of ``cube`` stand: ``results.answers.parquet`` for ``results.nc``."""
    path = Path(cube)
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
    table = _open(path).read()
    return table.to_pandas()


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
        with _open(self.path) as old:
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

        schema = _schema().with_metadata({"calque_sample": self.sample})
        order = sorted(keys, key=lambda name: (keys[name]["tokens"], name))
        old = _open(self.path) if self.path.exists() else None
        try:
            with replacing(self.path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
                for name in order:
                    if name in new:
                        table = pa.Table.from_pylist(list(new[name]), schema)
                    else:
                        assert old is not None, "a checkpoint without new rows stands in the file"
                        table = _keyed(old.read_row_group(keys[name]["group"]), keys[name], schema)
                    writer.write_table(table, row_group_size=max(1, len(table)))
        except OSError as error:
            raise file_error(error, "write", self.path) from error
        finally:
            if old is not None:
                old.close()
        self.keys = {name: {**keys[name], "group": i} for i, name in enumerate(order)}


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
        with replacing(path) as partial, pq.ParquetWriter(partial, _schema(), compression="zstd") as writer:
            for file in map(Path, files):
                try:
                    one = _open(file)
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


def _order(one: LoggedAnswer) -> tuple[str, ...]:
    """Return by what the answers of a checkpoint are sorted: models answer in batches, in no fixed order."""
    return one.task, one.source, one.target, one.concept or "", one.phenomenon or "", one.prompt, *one.expected


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([
        ("run", text), ("revision", text), ("step", pa.int64()), ("tokens", pa.int64()), ("checkpoint_sha256", text),
        ("task", text), ("source", text), ("target", text), ("concept", text), ("phenomenon", text),
        ("prompt", pa.string()), ("expected", pa.list_(pa.string())), ("answer", pa.string()), ("outcome", text),
        ("expected_logprob", pa.float32()), ("other_logprob", pa.float32()),
    ])  # fmt: skip


def _keyed(table: pa.Table, key: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Return the rows of a checkpoint under another key."""
    import pyarrow as pa

    for name in ("revision", "step", "tokens"):
        field = schema.field(name)
        column = pa.array([key[name]] * len(table), field.type)
        table = table.set_column(schema.get_field_index(name), field, column)
    return table.replace_schema_metadata(schema.metadata)


def _open(path: Path) -> Any:
    """Return the opened file of answers."""
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
    missing = [name for name in _schema().names if name not in found.schema_arrow.names]
    if missing:
        raise UserError(f"{path} is no table of answers: it has no column '{missing[0]}'; score with `log_answers`")
    return found
