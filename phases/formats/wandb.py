"""Weights & Biases: the CSV that a chart exports, and run histories (JSON lines, JSON, CSV, Parquet).

A chart's CSV has the x axis, then for every run ``run - metric``, ``run - metric__MIN`` and ``run - metric__MAX``.
A history has ``_step`` and one column a metric; several runs are several files, or rows whose run a column names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats import delimited, parquet
from calque.phases.formats.base import LINES, Array, Log, Request, along_steps, brief, check_known, counts_steps
from calque.phases.formats.files import ROWS, by_run, document, files_below, lines, reading
from calque.phases.formats.parsing import JsonError, finite, flat, parse_json, shown
from calque.phases.formats.tables import Cells
from calque.phases.formats.timeline import MOST_RUNS, rows_by_run

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
    request.refuse("shots", "only lm-eval tells shots")
    path = request.path
    if path.is_file() and delimited.is_table(path) and STEP not in delimited.header(path):
        return _chart(request)
    return _histories(request)


Part = tuple[np.ndarray, Array, Array | None, dict[str, Array], Array, dict[str, np.ndarray]]


def _chart(request: Request) -> Log:
    path, notes = request.path, list[str]()
    request.refuse("run", "a chart's columns name the runs")
    request.refuse("coord", "a chart holds no coordinates of runs; `run_pattern` takes them from the names of runs")
    table = delimited.load(path)
    columns = table.columns
    x = request.tokens or "Step"
    lines_ = [c for c in columns if " - " in c and not c.endswith(ENDS)]
    known = tuple(dict.fromkeys(c.rsplit(" - ", 1)[1] for c in lines_))
    for m in request.metrics:
        if not any(c.endswith(f" - {m}") for c in lines_):
            check_known((m,), known, str(path), "chart of")
    runs = tuple(dict.fromkeys(c.removesuffix(f" - {m}") for m in request.metrics for c in lines_
                               if c.endswith(f" - {m}")))  # fmt: skip
    if len(runs) > MOST_RUNS:
        raise UserError(f"{path} holds {plural(len(runs), 'run')}; expected at most {MOST_RUNS}: export fewer at once")
    there = set(columns)
    if x not in there and not any(c.endswith(f" - {x}") for c in columns):
        check_known((x,), (columns[0], *known), str(path), "x axis")
    must = [f"{run} - {request.trials_column}" for run in runs] if request.trials_column else []
    must += [x] if x in there else [f"{run} - {x}" for run in runs]
    check_known(must, columns, str(path), "column")
    wanted = [*must, *(f"{run} - {m}" for run in runs for m in request.metrics if f"{run} - {m}" in there)]
    twice = next((c for c in wanted if columns.count(c) > 1), None) if len(there) < len(columns) else None
    if twice is not None:
        raise UserError(f"{path} has two columns '{brief(twice)}'; expected one: rename or drop the other")
    cells, _, told = table.get(tuple(dict.fromkeys(wanted)))
    notes += told
    n = len(next(iter(cells.values())))

    def column(name: str) -> Array:
        return finite(cells[name], name, notes) if name in cells else np.full(n, np.nan)

    parts = []
    for run in runs:
        trials = column(f"{run} - {request.trials_column}")
        values = {m: column(f"{run} - {m}") for m in request.metrics}
        label = np.full(n, run, object)
        parts.append(_kept(label, column(x if x in there else f"{run} - {x}"), None, values, trials, {}, notes))
    return _log(request, parts, counts_steps(x), notes)


def _histories(request: Request) -> Log:
    notes: list[str] = []
    files = [p for p in files_below(request.path, notes) if request.path.is_file() or p.name.lower().endswith(SUFFIXES)]
    if not files:
        raise UserError(
            f"{request.path} holds no Weights & Biases history that is not empty; expected {LINES[0]} or CSV"
        )
    parts: list[Part] = []
    seen: dict[str, None] = {}
    need = [n for n in (request.tokens, request.run, request.trials_column, *request.coord.values()) if n]
    for name, own in by_run(request.path, files, SUFFIXES).items():
        histories = [_history(f, {STEP, *request.metrics, *need}, notes) for f in own]
        columns = tuple(dict.fromkeys(c for known, _ in histories for c in known))
        seen |= dict.fromkeys(columns)
        if not set(request.metrics) & set(columns):
            notes.append(f"run '{brief(name)}' has none of the metrics and is left out")
            continue
        if STEP not in columns and request.tokens is None:
            raise UserError(f"{own[0]} has no column '{STEP}'; name the position with `tokens`")
        check_known(need, columns, str(own[0]), "column")
        lengths = [len(next(iter(cells.values()), ())) for _, cells in histories]
        data = {c: [v for (_, cells), n in zip(histories, lengths, strict=True) for v in cells.get(c, [None] * n)]
                for c in dict.fromkeys((STEP, *request.metrics, *need)) if c in columns}  # fmt: skip
        parts.append(_of_run(name, data, sum(lengths), request, notes))
    known = tuple(c for c in seen if not c.startswith("_") or c in request.metrics)
    check_known(request.metrics, known, str(request.path), "column")
    return _log(request, parts, request.tokens is None or counts_steps(request.tokens), notes)


def _of_run(name: str, data: Mapping[str, Sequence[Any]], n: int, request: Request, notes: list[str]) -> Part:
    def column(wanted: str | None) -> Array:
        return finite(data[wanted], wanted, notes) if wanted in data and wanted else np.full(n, np.nan)

    step = column(STEP) if STEP in data else None
    values = {m: column(m) for m in request.metrics}
    run = np.full(n, name, object)
    if request.run:
        run = np.array([str(v).strip() if v is not None else "" for v in data[request.run]], object)
        if (run == "").any():
            notes.append(f"{plural(int((run == '').sum()), 'row')} without '{brief(request.run)}' left out")
            values = {m: np.where(run == "", np.nan, v) for m, v in values.items()}
    coordinates = {c: _filled(run, data[source]) for c, source in request.coord.items()}
    place = column(request.tokens) if request.tokens else step
    assert place is not None
    if request.tokens and step is not None and np.isnan(place).any():
        place = _between(run, step, place, values, request, notes)
    return _kept(
        run, place, step if request.tokens else None, values, column(request.trials_column), coordinates, notes
    )


def _filled(run: np.ndarray, cells: Sequence[Any]) -> np.ndarray:
    """Return what a run's rows say of it; a history says it in some of its rows only."""
    texts = np.array(["" if v is None or v != v else str(v).strip() for v in cells], object)
    told: dict[Any, set[str]] = {}
    for name, text in zip(run, texts, strict=True):
        if text:
            told.setdefault(name, set()).add(text)
    only = {name: next(iter(words)) for name, words in told.items() if len(words) == 1}
    return np.array([text or only.get(name, "") for name, text in zip(run, texts, strict=True)], object)


def _between(
    run: np.ndarray, step: Array, place: Array, values: dict[str, Array], request: Request, notes: list[str]
) -> Array:  # fmt: skip
    """Return positions, those that were logged at other steps than the metrics by interpolation."""
    out = place.copy()
    some = np.any([np.isfinite(v) for v in values.values()], axis=0)
    for own in rows_by_run(run):
        known = own[np.isfinite(step[own]) & np.isfinite(place[own])]
        first = np.unique(step[known], return_index=True)[1]
        steps, places = step[known][first], place[known][first]
        if np.any(np.diff(places) < 0):  # the counter began again: nothing lies on a line between its values
            continue
        filled, _ = along_steps(step[own], steps, places)
        out[own] = np.where(np.isfinite(place[own]), place[own], filled)
        used = int((some[own] & np.isnan(place[own]) & np.isfinite(out[own])).sum())
        if used:
            where = f"run '{brief(str(run[own[0]]))}': '{request.tokens}' of {plural(used, 'row')}"
            notes.append(f"{where} is on the line between the steps that log it")
    return out


def _kept(
    run: np.ndarray, place: Array, step: Array | None, values: dict[str, Array], trials: Array,
    coordinates: dict[str, np.ndarray], notes: list[str],
) -> Part:  # fmt: skip
    some = np.any([np.isfinite(v) for v in values.values()], axis=0)
    keep = some & np.isfinite(place)
    lacking = some & ~keep
    for own in rows_by_run(run):
        name = str(run[own[0]])
        if lost := int(lacking[own].sum()):
            notes.append(f"run '{brief(name)}': {plural(lost, 'row')} without a position left out")
        if name and not keep[own].any():
            notes.append(f"run '{brief(name)}' has no value of the metrics and is left out")
    return (run[keep], place[keep], None if step is None else step[keep], {m: v[keep] for m, v in values.items()},
            trials[keep], {c: v[keep] for c, v in coordinates.items()})  # fmt: skip


def _log(request: Request, parts: Sequence[Part], in_steps: bool, notes: list[str]) -> Log:
    parts = [p for p in parts if len(p[1])]
    if not parts:
        raise UserError(f"{request.path}: no row has both a position and one of {', '.join(request.metrics)}")
    steps = [p[2] for p in parts]
    trials: float | Array | None = request.trials_number
    if request.trials_column is not None:
        trials = np.concatenate([p[4] for p in parts])
    return Log(
        run=np.concatenate([p[0] for p in parts]), place=np.concatenate([p[1] for p in parts]),
        step=None if any(s is None for s in steps) else np.concatenate([s for s in steps if s is not None]),
        in_steps=in_steps, values={m: np.concatenate([p[3][m] for p in parts]) for m in request.metrics},
        trials={} if trials is None else dict.fromkeys(request.metrics, trials), merge=True,
        coordinates={c: np.concatenate([p[5][c] for p in parts]) for c in request.coord},
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _history(path: Path, wanted: set[str], notes: list[str]) -> tuple[tuple[str, ...], Cells]:
    """Return the columns of one file, and the cells of those that are wanted."""
    if parquet.is_table(path) or delimited.is_table(path):
        table = parquet.load(path) if parquet.is_table(path) else delimited.load(path)
        names = [c for c in dict.fromkeys(table.columns) if c in wanted]
        twice = next((c for c in names if table.columns.count(c) > 1), None)
        if twice is not None:
            raise UserError(f"{path} has two columns '{brief(twice)}'; expected one: rename or drop the other")
        if not names:
            return table.columns, {}
        cells, _, told = table.get(names)
        notes += told
        return table.columns, cells
    columns: dict[str, None] = {}
    cells_: dict[str, list[Any]] = {name: [] for name in wanted}
    for number, row in enumerate(_json_rows(path)):
        if number == ROWS:
            raise UserError(f"{path} has more than {ROWS} rows; keep the rows that hold the metrics")
        if not row.keys() <= columns.keys():
            columns |= dict.fromkeys(row)
        for name, column in cells_.items():
            column.append(row.get(name))
    if not columns:
        raise UserError(f"{path} holds no JSON objects; expected one a line, each with '{STEP}' and metrics")
    return tuple(columns), cells_


def _json_rows(path: Path) -> Any:
    """Yield the objects of JSON lines, or of a list of them."""
    with reading(path, "one JSON object a line"):
        first = next((line for line in lines(path) if line.strip()), "")
        whole = first.lstrip().startswith("[")
        texts = [(0, document(path))] if whole else enumerate(lines(path), 1)
        for number, text in texts:
            if not text.strip():
                continue
            try:
                found = parse_json(text)
            except JsonError as error:
                where = f"line {number}: " if number else ""
                raise UserError(
                    f"{path} cannot be read as JSON ({where}{error}); expected one object a line: drop cut lines"
                ) from error
            for row in found if whole else [found]:
                if not isinstance(row, dict):
                    raise UserError(f"{path} holds '{shown(row)}' where one JSON object a line was expected")
                yield flat(row)
