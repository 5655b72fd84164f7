"""Weights & Biases: the CSV that a chart exports, and run histories (JSON lines, JSON, CSV, Parquet).

A chart's CSV has the x axis, then for every run ``run - metric``, ``run - metric__MIN`` and ``run - metric__MAX``.
A history has ``_step`` and one column a metric; several runs are several files, or rows whose run a column names.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calque.data.errors import UserError
from calque.phases.formats import delimited, parquet
from calque.phases.formats.base import LINES, Array, Log, Request, along_steps, check_known, counts_steps, few, finite
from calque.phases.formats.tables import Table

STEP = "_step"
ENDS = ("__MIN", "__MAX")
SUFFIXES = (*parquet.SUFFIXES, *delimited.SUFFIXES, *LINES, ".json")


def read(request: Request) -> Log:
    """Return the rows of all runs at which a wanted metric was logged.

    Parameters
    ----------
    request : Request
        What to read; metrics are columns.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When a column is unknown, the files are of another kind, or nothing is left.
    """
    request.refuse("checkpoint", "Weights & Biases logs the step")
    path = request.path
    if path.is_file() and path.name.lower().endswith(delimited.SUFFIXES) and STEP not in delimited.header(path):
        return _chart(request)
    return _histories(request)


def _chart(request: Request) -> Log:
    path, notes = request.path, list[str]()
    request.refuse("run", "a chart's columns name the runs")
    data = delimited.frame(path)
    columns = tuple(data.columns)
    x = request.tokens or "Step"
    lines = [c for c in columns if " - " in c and not c.endswith(ENDS)]
    known = tuple(dict.fromkeys(c.rsplit(" - ", 1)[1] for c in lines))
    for m in request.metrics:
        if not any(c.endswith(f" - {m}") for c in lines):
            check_known((m,), known, str(path), "chart of")
    runs = tuple(dict.fromkeys(c.removesuffix(f" - {m}") for m in request.metrics for c in lines
                               if c.endswith(f" - {m}")))  # fmt: skip
    own = tuple(c for c in columns if c.endswith(f" - {x}"))
    if x not in columns and not own:
        check_known((x,), (columns[0], *known), str(path), "x axis")
    trials_column = request.trials_column
    parts = []
    for run in runs:
        place = finite(data[x if x in columns else f"{run} - {x}"], x, notes)
        values = {m: _column(data, f"{run} - {m}", notes) for m in request.metrics}
        trials = np.full(len(data), np.nan)
        if trials_column is not None:
            check_known((f"{run} - {trials_column}",), columns, str(path), "column")
            trials = _column(data, f"{run} - {trials_column}", notes)
        parts.append(_kept(run, place, None, values, trials, notes))
    return _joined(request, parts, counts_steps(x), notes)


def _histories(request: Request) -> Log:
    notes: list[str] = []
    parts = []
    seen: tuple[str, ...] = ()
    for name, files in _runs(request.path).items():
        tables = [_history(f) for f in files]
        columns = tuple(dict.fromkeys(c for table in tables for c in table.columns))
        seen = tuple(dict.fromkeys((*seen, *columns)))
        if not set(request.metrics) & set(columns):
            notes.append(f"run '{name}' has none of the metrics and is left out")
            continue
        if STEP not in columns and request.tokens is None:
            raise UserError(f"{files[0]} has no column '{STEP}'; name the position with `tokens`")
        wanted = [STEP, *request.metrics, *(n for n in (request.tokens, request.run, request.trials_column) if n)]
        must = [n for n in wanted if n not in request.metrics and n != STEP]
        check_known(must, columns, str(files[0]), "column")
        have = [[n for n in dict.fromkeys(wanted) if n in table.columns] for table in tables]
        data = pd.concat([t.get(names) for t, names in zip(tables, have, strict=True)], ignore_index=True)
        labels = data[request.run].astype(str) if request.run else pd.Series(name, index=data.index)
        for run, rows in data.groupby(labels, sort=False):
            parts.append(_of_run(str(run), rows, request, notes))
    known = tuple(c for c in seen if not c.startswith("_") or c in request.metrics)
    check_known(request.metrics, known, str(request.path), "column")
    return _joined(request, parts, request.tokens is None or counts_steps(request.tokens), notes)


Part = tuple[str, Array, Array | None, dict[str, Array], Array]


def _of_run(run: str, rows: pd.DataFrame, request: Request, notes: list[str]) -> Part:
    step = finite(rows[STEP], STEP, notes) if STEP in rows else None
    values = {m: _column(rows, m, notes) for m in request.metrics}
    trials = np.full(len(rows), np.nan)
    if request.trials_column is not None:
        trials = _column(rows, request.trials_column, notes)
    if request.tokens is None:
        assert step is not None
        return _kept(run, step, None, values, trials, notes)
    place = finite(rows[request.tokens], request.tokens, notes)
    if step is not None and np.isnan(place).any():
        table = pd.DataFrame({"step": step, "place": place}).dropna().drop_duplicates("step").sort_values("step")
        filled, between = along_steps(step, table["step"].to_numpy(float), table["place"].to_numpy(float))
        used = np.isnan(place) & np.isfinite(filled) & np.any([np.isfinite(v) for v in values.values()], axis=0)
        place = np.where(np.isfinite(place), place, filled)
        if between and used.any():
            here = few(int(used.sum()), "row")
            notes.append(f"run '{run}': '{request.tokens}' of {here} is on the line between the steps that log it")
    return _kept(run, place, step, values, trials, notes)


def _kept(run: str, place: Array, step: Array | None, values: dict[str, Array], trials: Array,
          notes: list[str]) -> Part:  # fmt: skip
    some = np.any([np.isfinite(v) for v in values.values()], axis=0)
    keep = some & np.isfinite(place)
    if (some & ~keep).any():
        notes.append(f"run '{run}': {few(int((some & ~keep).sum()), 'row')} without a position left out")
    if not keep.any():
        notes.append(f"run '{run}' has no value of the metrics and is left out")
    return run, place[keep], None if step is None else step[keep], {m: v[keep] for m, v in values.items()}, trials[keep]


def _joined(request: Request, parts: Sequence[Part], in_steps: bool, notes: list[str]) -> Log:
    parts = [p for p in parts if len(p[1])]
    if not parts:
        raise UserError(f"{request.path}: no row has both a position and one of {', '.join(request.metrics)}")
    steps = [p[2] for p in parts]
    trials: float | Array | None = request.trials_number
    if request.trials_column is not None:
        trials = np.concatenate([p[4] for p in parts])
    return Log(
        run=np.concatenate([np.full(len(p[1]), p[0], object) for p in parts]),
        place=np.concatenate([p[1] for p in parts]),
        step=None if any(s is None for s in steps) else np.concatenate([s for s in steps if s is not None]),
        in_steps=in_steps, values={m: np.concatenate([p[3][m] for p in parts]) for m in request.metrics},
        trials={} if trials is None else dict.fromkeys(request.metrics, trials), merge=True,
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _column(data: pd.DataFrame, name: str, notes: list[str]) -> Array:
    return finite(data[name], name, notes) if name in data else np.full(len(data), np.nan)


def _runs(path: Path) -> dict[str, list[Path]]:
    """Return the files by run: one file, one sub-folder, or one folder of numbered parts for each."""
    if path.is_file():
        return {_stem(path): [path]}
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(SUFFIXES))
    out: dict[str, list[Path]] = {}
    for file in files:
        folder = file.parent.relative_to(path).as_posix()
        parts = _stem(file).isdigit()
        name = folder if folder != "." else path.resolve().name if parts else _stem(file)
        out.setdefault(name, []).append(file)
    if not out:
        raise UserError(f"{path} holds no Weights & Biases history; expected {', '.join(SUFFIXES)}")
    return out


def _stem(path: Path) -> str:
    name = path.name
    return name[: -len(next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(s)), ""))]


def _history(path: Path) -> Table:
    name = path.name.lower()
    if name.endswith(parquet.SUFFIXES):
        return parquet.load(path)
    if name.endswith(delimited.SUFFIXES):
        return delimited.load(path)
    rows = _json_rows(path)
    nested = any(isinstance(value, dict) for row in rows for value in row.values())
    data = pd.json_normalize(rows, sep=".") if nested else pd.DataFrame.from_records(rows)
    return Table(columns=tuple(map(str, data.columns)), get=lambda names: data[list(names)])


def _json_rows(path: Path) -> list[dict[str, Any]]:
    try:
        if path.name.endswith(".gz"):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                text = file.read()
        else:
            text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if text.lstrip().startswith("[") else _lines(text)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); expected one object a line") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path} holds no JSON objects; expected one a line, each with '{STEP}' and metrics")
    return rows


def _lines(text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    return rows
