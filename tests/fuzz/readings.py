"""A second reading of every format, with the plainest reader there is: what a log's rows are, to the bit.

A reading is lenient: rows that it cannot make out are left away. What is imported must be among its rows; and all of
its rows must be imported, unless a note says what was left out.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Reading = set[tuple[float, float]]
"""Positions in tokens, and values; runs are compared by their number only."""


def number(cell: Any) -> float:
    """Return a cell as a number; NaN where it is none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return math.nan
    try:
        return float(cell)
    except (ValueError, OverflowError):
        return math.nan


def pairs(rows: Iterator[tuple[Any, Any]], per_step: float = 1.0) -> Reading:
    """Return the rows that have a finite position and value."""
    found = {(number(place) * per_step, number(value)) for place, value in rows}
    return {(place, value) for place, value in found if math.isfinite(place) and math.isfinite(value)}


def _rows(path: Path, separator: str) -> Iterator[dict[str, str]]:
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""), delimiter=separator))
    rows = [r for r in rows if r]
    header = [h.strip() for h in rows[0]]
    for row in rows[1:]:
        yield dict(zip(header, row, strict=False))


def table(path: Path, separator: str, run: str, tokens: str, metric: str) -> Reading:
    """CSV with the csv module."""
    del run
    return pairs((r.get(tokens), r.get(metric)) for r in _rows(path, separator))


def folder(path: Path, tokens: str, metric: str) -> Reading:
    """All CSV files below a folder."""
    return set().union(*(table(p, ",", "", tokens, metric) for p in sorted(path.rglob("*.csv"))))


def chart(path: Path, x: str, metric: str, per_step: float) -> Reading:
    """All columns of a chart that end in the metric's name."""
    out: Reading = set()
    for row in _rows(path, ","):
        out |= pairs(((row.get(x), v) for k, v in row.items() if k.endswith(f" - {metric}")), per_step)
    return out


def _json(text: str) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def history(path: Path, tokens: str, metric: str, per_step: float) -> Reading:
    """JSON lines, one at a time; a position that is not logged lies on the line between the steps that log it."""
    rows = [_json(line) for line in path.read_bytes().decode("utf-8", "replace").split("\n")]
    dicts = [r for r in rows if isinstance(r, dict)]
    known = {number(r.get("_step")): number(r.get(tokens)) for r in reversed(dicts)}
    steps = sorted(s for s, place in known.items() if math.isfinite(s) and math.isfinite(place))

    def place(row: dict[str, Any]) -> float:
        found, step = number(row.get(tokens)), number(row.get("_step"))
        if math.isfinite(found) or not steps or not steps[0] <= step <= steps[-1]:
            return found
        return float(np.interp(step, steps, [known[s] for s in steps]))

    return pairs(((place(r), r.get(metric)) for r in dicts), per_step)


def trainer(path: Path, metric: str, per_step: float) -> Reading:
    """The log_history of a trainer_state.json."""
    whole = _json(path.read_bytes().decode("utf-8", "replace"))
    log = whole.get("log_history") if isinstance(whole, dict) else None
    dicts = [r for r in log or [] if isinstance(r, dict)] if isinstance(log, list) else []
    return pairs(((r.get("step"), r.get(metric)) for r in dicts), per_step)


def harness(path: Path, task: str, metric: str, per_step: float) -> Reading:
    """All result files; the position is the revision's number."""
    out: Reading = set()
    for file in sorted(path.rglob("*.json")):
        whole = _json(file.read_bytes().decode("utf-8", "replace"))
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            digits = "".join(c for c in whole["config"]["model_args"].rpartition("step")[2] if c.isdigit())
            result = whole["results"][task]
            out |= pairs(((digits, v) for k, v in result.items() if k.partition(",")[0] == metric), per_step)
    return out


def parquet(path: Path, run: str, tokens: str, metric: str) -> Reading:
    """A Parquet file with pyarrow."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    del run
    try:
        read = pq.ParquetFile(path).read(columns=[tokens, metric]).to_pydict()
    except (ArrowException, OSError, ValueError):
        return set()
    cells = [[_plain(v) for v in read.get(name, [])] for name in (tokens, metric)]
    return pairs(zip(*cells, strict=False))  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else value


def tensorboard(path: Path, tag: str, per_step: float) -> Reading:
    """Event files with TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.util import tensor_util

    out: Reading = set()
    for file in sorted(path.rglob("*tfevents*")):
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag != tag:
                    continue
                if value.WhichOneof("value") == "simple_value":
                    out |= pairs(iter([(event.step, value.simple_value)]), per_step)
                elif value.WhichOneof("value") == "tensor" and all(
                    0 <= d.size < 2 for d in value.tensor.tensor_shape.dim
                ):
                    with contextlib.suppress(TypeError, ValueError, KeyError):
                        array = tensor_util.make_ndarray(value.tensor)
                        if array.size == 1 and array.dtype.kind in "iuf":
                            out |= pairs(iter([(event.step, float(array.reshape(-1)[0]))]), per_step)
    return out
