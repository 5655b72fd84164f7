"""What a model said: the answers kept beside a cube, read as far as they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from calque.data.answers.table import open_table
from calque.data.errors import UserError

if TYPE_CHECKING:
    import pyarrow.dataset as ds

FILTERS = ("run", "tokens", "task", "source", "target", "concept", "outcome")
"""Columns by which answers are chosen; a concept is missing where a task has none."""
SHOWN = ("prompt", "expected", "answer", "expected_logprob", "other_logprob")
MOST_ROWS = 500


@dataclass(frozen=True, eq=False)
class Found:
    """Answers that were asked for.

    Attributes
    ----------
    rows : DataFrame
        The first of them, at most ``MOST_ROWS``.
    outcomes : dict of str to int
        How many there are by outcome, the most frequent first; of all, not only of ``rows``.
    """

    rows: pd.DataFrame
    outcomes: dict[str, int]

    @property
    def total(self) -> int:
        """How many answers there are."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, eq=False)
class Answers:
    """A table of answers, a row an item and checkpoint, of which only what is asked for is in memory.

    Parameters
    ----------
    path : Path
        Of the Parquet file, see :mod:`calque.data.answers`.
    """

    path: Path

    @cached_property
    def choices(self) -> pd.DataFrame:
        """Every run and checkpoint with its tasks, sources, targets, concepts and outcomes, each once.

        Raises
        ------
        UserError
            When the file cannot be read, or is no table of answers.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        file, groups = open_table(self.path), []
        try:
            with file:
                for i in range(file.num_row_groups):
                    table = file.read_row_group(i, columns=list(FILTERS))
                    plain = [pc.cast(c, pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
                    groups.append(pa.table(dict(zip(table.column_names, plain, strict=True))).to_pandas())
                    groups[-1] = groups[-1].drop_duplicates()
        except (OSError, pa.ArrowException) as error:
            raise self._broken(error) from error
        return pd.concat(groups, ignore_index=True) if groups else pd.DataFrame(columns=list(FILTERS))

    def find(self, chosen: Mapping[str, str | float]) -> Found:
        """Return the answers with given values.

        Parameters
        ----------
        chosen : mapping
            Values by column of ``FILTERS``; columns that are not named do not matter.

        Raises
        ------
        UserError
            When the file cannot be read.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        wanted: Any = None
        for name, value in chosen.items():
            column = ds.field(name)
            same = (column.cast(pa.string()) if isinstance(value, str) else column) == value
            wanted = same if wanted is None else wanted & same
        try:
            data: ds.Dataset = ds.dataset(self.path, format="parquet")
            rows = data.scanner(columns=[*FILTERS, *SHOWN], filter=wanted).head(MOST_ROWS)
            outcome = data.to_table(columns=["outcome"], filter=wanted)["outcome"]
            counts = pc.value_counts(outcome.cast(pa.string())).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise self._broken(error) from error
        found = {str(one["values"]): int(one["counts"]) for one in counts}
        return Found(rows.to_pandas(), dict(sorted(found.items(), key=lambda pair: -pair[1])))

    def _broken(self, error: Exception) -> UserError:
        reason = " ".join(str(error).split())[:100]
        return UserError(f"{self.path.name} cannot be read as a table of answers ({reason}); score again")


def text(value: object, most: int = 400) -> str:
    """Return a text of a model on one line, its end if it is longer than ``most`` letters; empty for a missing one.

    Parameters
    ----------
    value : object
        A text, or None.
    most : int
        Letters.
    """
    if not isinstance(value, str):
        return ""
    line = "".join(c if c.isprintable() else " ⏎ " if c == "\n" else f"\\x{ord(c):02x}" for c in value)
    return line if len(line) <= most else f"…{line[-most:]}"


def listed(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return answers as a page lists them.

    Parameters
    ----------
    rows : DataFrame
        Of :class:`Found`.
    columns : sequence of str
        Columns of ``FILTERS`` to show beside the texts.
    """
    out = pd.DataFrame({"prompt": [text(v) for v in rows["prompt"]]})
    out["expected"] = [" | ".join(text(one, 100) for one in v) if v is not None else "" for v in rows["expected"]]
    out["answer"] = [text(v) for v in rows["answer"]]
    for name in columns:
        out[name] = ["" if pd.isna(v) else str(v) for v in rows[name]]
    out["log p(expected)"] = rows["expected_logprob"].astype(float).round(2).to_numpy()
    out["log p(other)"] = rows["other_logprob"].astype(float).round(2).to_numpy()
    return out
