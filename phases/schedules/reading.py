"""Where a schedule comes from: the configuration in the cube, a few words, or a table of learning rates."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data.errors import UserError, shown
from calque.data.quantities import format_count, parse_count, plural
from calque.phases.schedules.schedule import DECAY, WARM, Change, Schedule, changes_of
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

WORDS = {"warmup": WARM, "decay": DECAY, "batch": "the batch changes"}
"""Names of changes that have a sentence of their own."""
MOST = 200_000
"""Rows of a table of learning rates."""
COLUMNS = ("tokens", "learning_rate", "batch_tokens")


def read_schedule(given: str) -> Schedule:
    """Return the schedule that a user gave.

    Parameters
    ----------
    given : str
        Changes as ``decay@30B,batch@18B``, or the path of a CSV file with the columns tokens, learning_rate and
        batch_tokens (tokens of a step), of which one of the last two may be missing.

    Raises
    ------
    UserError
        When it is neither.
    """
    path = Path(given)
    if "@" in given and not _is_file(path):
        return Schedule(changes=tuple(sorted(map(_change, given.split(",")), key=lambda c: c.tokens)))
    if not _is_file(path):
        raise UserError(
            f"`schedule` is {shown(given)}, which is no file; expected changes such as decay@30B,batch@18B, or a CSV "
            f"file with the columns {', '.join(COLUMNS)}"
        )
    return _table(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a path: then it is none
        return False


def _change(text: str) -> Change:
    name, at, tokens = text.strip().rpartition("@")
    try:
        count = parse_count(tokens)
    except ValueError as error:
        raise UserError(f"`schedule` has {shown(text)}: {error}") from None
    if not at or not name.strip():
        raise UserError(f"`schedule` has {shown(text)}; expected what changes and where, such as decay@30B")
    return Change(float(count), WORDS.get(name.strip(), name.strip()))


def _table(path: Path) -> Schedule:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            heads = [str(name).strip() for name in reader.fieldnames or ()]
            rows = [[row.get(name) for name in heads] for row in _limited(reader, heads, path)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV ({' '.join(str(error).split())[:80]})") from None
    if "tokens" not in heads or not {"learning_rate", "batch_tokens"} & set(heads):
        raise UserError(
            f"{path} has the columns {', '.join(heads[:8]) or 'none'}; expected tokens, and learning_rate or "
            "batch_tokens (tokens of a step)"
        )
    found = {name: _numbers(path, name, [row[i] for row in rows]) for i, name in enumerate(heads) if name in COLUMNS}
    tokens = found["tokens"]
    if len(tokens) < 2 or (np.diff(tokens) <= 0).any() or tokens[0] < 0:
        raise UserError(f"{path}: tokens must increase from 0 or more, in at least two rows; sort it, drop repeats")
    rate, batch = found.get("learning_rate"), found.get("batch_tokens")
    if rate is not None and (rate.min() < 0 or rate.max() <= 0):
        raise UserError(f"{path}: learning_rate ranges from {rate.min():g} to {rate.max():g}; expected 0 or more")
    if batch is not None and batch.min() <= 0:
        raise UserError(f"{path}: batch_tokens has {batch.min():g}; expected more than 0")
    return Schedule(changes_of(tokens, rate, batch), tokens, rate, batch)


def _limited(reader: Any, heads: list[str], path: Path) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for row in reader:
        if len(out) == MOST:
            raise UserError(f"{path} has more than {MOST} rows; keep those where something changes")
        out.append({str(k).strip(): v for k, v in row.items()})
    return out


def _numbers(path: Path, name: str, texts: list[str | None]) -> Array:
    out = []
    for line, text in enumerate(texts, 2):
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"{path}, line {line}: {name} is {shown(text)}; expected a number")
        out.append(value)
    return np.array(out)


def schedules_of(cube: xr.Dataset, given: str | None) -> dict[str, Schedule]:
    """Return the schedule of every run for which one is known: the given one, or that of its configuration.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    given : str, optional
        See :func:`read_schedule`; it holds for all runs.

    Raises
    ------
    UserError
        As :func:`read_schedule`.
    """
    runs = [str(run) for run in cube["run"].values]
    if given is not None:
        return dict.fromkeys(runs, read_schedule(given))
    if "config_json" not in cube.variables:
        return {}
    texts = [str(text) for text in cube["config_json"].values.ravel()]
    found = {run: _configured(text) for run, text in zip(runs, texts, strict=True)}
    return {run: one for run, one in found.items() if one is not None}


def with_changes(series: Iterable[Trajectory], schedules: Mapping[str, Schedule]) -> list[Trajectory]:
    """Return series that know where the schedule of their run changes.

    Parameters
    ----------
    series : iterable of Trajectory
        In tokens.
    schedules : mapping of str to Schedule
        By run, where known.
    """
    known = {run: tuple((c.tokens, c.what) for c in one.changes) for run, one in schedules.items()}
    return [replace(t, changes=known.get(t.run, ())) for t in series]


def unreached(cube: xr.Dataset, schedule: Schedule) -> Iterator[str]:
    """Yield a note for every change of a given schedule that lies after the last checkpoint of a run.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    schedule : Schedule
        Of all its runs.
    """
    tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    last = dict(zip(map(str, cube["run"].values), np.nanmax(tokens, axis=1).tolist(), strict=True))
    for at, what in ((c.tokens, c.what) for c in schedule.changes):
        short = [run for run, end in last.items() if end < at]
        if short:
            runs = "every run" if len(short) == len(last) else f"{plural(len(short), 'run')} ({', '.join(short[:4])}"
            runs += "" if len(short) == len(last) else ", ...)" if len(short) > 4 else ")"
            end = format_count(max(last[run] for run in short))
            yield (
                f"`schedule`: {what} at {format_count(at)} tokens, after the last checkpoint of {runs}, at {end}: "
                "nothing is marked there"
            )


def _configured(text: str) -> Schedule | None:
    """Return the schedule of a run of Calque: linear up, constant, linearly down to 0; None for another's text."""
    try:
        training = json.loads(text)["training"]
        total, warm, share, rate = (
            float(training[name]) for name in ("tokens", "warmup_tokens", "decay_fraction", "learning_rate")
        )
        batch = float(training["context"]) * float(training["batch_size"])
    except (ValueError, TypeError, KeyError):
        return None
    decay = (1 - share) * total
    if not (0 < total < math.inf and 0 <= warm < decay <= total and batch > 0 and 0 < rate < math.inf):
        return None
    knots = [(0.0, 0.0 if warm else rate), (warm, rate), (decay, rate), (total, 0.0 if share else rate)]
    kept = [k for i, k in enumerate(knots) if i == 0 or k[0] > knots[i - 1][0]]
    tokens, rates = (np.array(column) for column in zip(*kept, strict=True))
    changes = [Change(warm, WARM)] * (warm > 0) + [Change(decay, DECAY)] * (share > 0)
    return Schedule(tuple(changes), tokens, rates, np.full(len(tokens), batch))
