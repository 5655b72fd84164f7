"""lm-evaluation-harness: a folder of result files, one or several for every checkpoint, as the harness writes them.

Read are all JSON files that hold ``results`` beside ``config``, ``configs`` or ``versions``, at any depth:
``OUT/<model>/results_<date>.json`` of the current harness, one file a checkpoint of older ones. What is a checkpoint's
position is decided by ``calque.phases.formats.checkpoint_names``, what a metric's trials are by
``calque.phases.formats.item_counts``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError, nearest
from calque.phases.formats.base import Array, Log, Request, few, listing
from calque.phases.formats.checkpoint_names import Named, named
from calque.phases.formats.item_counts import whole_trials

STAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d.-]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """One result file."""

    path: Path
    tasks: dict[str, dict[str, Any]]
    whole: dict[str, Any]
    named: Named
    written: str


def read(request: Request) -> Log:
    """Return one row for every checkpoint that has a wanted metric.

    Files of one checkpoint are merged; where they hold the same value twice, the later file counts.

    Parameters
    ----------
    request : Request
        What to read; metrics are ``task/metric``.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When no file is one of the harness, none names its checkpoint, a metric is unknown or ambiguous, or one
        checkpoint has results with different numbers of shots.
    """
    request.refuse("tokens", "the checkpoint's name holds the position; `checkpoint` says where")
    request.refuse("run", "the model's name is the run; `checkpoint` may have a group 'run'")
    if request.trials_column is not None:
        raise UserError(f"`trials` is '{request.trials}'; expected a number; the harness tells the trials by itself")
    notes: list[str] = []
    files = list(_files(request, notes))
    keys = _keys(request, files)
    files = [f for f in files if any(_has(f, keys[m]) for m in request.metrics)]
    if not files:
        raise UserError(f"{request.path}: no result file has a number for {', '.join(request.metrics)}")
    in_steps = request.tokens_per_step is not None or any(f.named.tokens is None for f in files)
    places = [f.named.step if in_steps else f.named.tokens for f in files]
    for f, place in zip(files, places, strict=True):
        if place is None:
            what = "`tokens_per_step` needs steps" if request.tokens_per_step else "others name steps only"
            raise UserError(f"{f.path} names its tokens but no step ('{f.named.source}'), and {what}; give "
                            "as `checkpoint` a pattern with group step or tokens")  # fmt: skip
    rows: dict[tuple[str, float], list[Results]] = {}
    for f, place in zip(files, places, strict=True):
        rows.setdefault((f.named.run, float(place or 0.0)), []).append(f)
    for group in rows.values():
        group.sort(key=lambda f: f.written)
        _one_checkpoint(group, keys, notes)
    values = {m: _gather(rows.values(), keys[m], _value) for m in request.metrics}
    trials: dict[str, Array | float] = {}
    for m in request.metrics:
        n = whole_trials(values[m], _gather(rows.values(), keys[m], _samples), _gather(rows.values(), keys[m], _error))
        if request.trials_number is not None:
            trials[m] = request.trials_number
        elif n is not None:
            trials[m] = n
        else:
            notes.append(f"{m} is no count of right answers out of the samples; it has no trials")
    both = not in_steps and all(f.named.step is not None for f in files)
    return Log(
        run=np.array([run for run, _ in rows], object), place=np.array([place for _, place in rows]),
        in_steps=in_steps, values=values, trials=trials,
        step=np.array([g[0].named.step for g in rows.values()], float) if both else None,
        continuous=frozenset(m for m in request.metrics if _lower_is_better(files, *keys[m])), notes=tuple(notes),
    )  # fmt: skip


def _files(request: Request, notes: list[str]) -> Iterator[Results]:
    path = request.path
    paths = [path] if path.is_file() else sorted(p for p in path.rglob("*.json") if p.is_file())
    found, nameless = 0, []
    for p in paths:
        if p.name.startswith(("samples_", ".")):
            continue
        whole = _json(p)
        if whole is None:
            continue
        found += 1
        where = Path(p.name) if path.is_file() else p.relative_to(path)
        name = named(whole, where, request.checkpoint, path.resolve())
        if name is None:
            nameless.append(p)
            continue
        tasks = {str(t).lstrip(" -"): r for t, r in {**_part(whole, "groups"), **whole["results"]}.items()
                 if isinstance(r, dict)}  # fmt: skip
        stamp = STAMP.search(p.name)
        date = whole.get("date")
        written = f"{float(date):020.6f}" if isinstance(date, int | float) else stamp.group() if stamp else p.name
        yield Results(path=p, tasks=tasks, whole=whole, named=name, written=written)
    if not found:
        raise UserError(f"{path} holds no result file of lm-evaluation-harness; expected …/results_*.json")
    if len(nameless) == found:
        pattern = "" if request.checkpoint is None else f" matches `checkpoint`, {request.checkpoint.pattern!r},"
        raise UserError(
            f"{nameless[0]}: neither the revision in model_args nor a folder's name{pattern or ' names a checkpoint'}; "
            "give `checkpoint`, a regular expression with group step or tokens, such as '(?P<step>[0-9]+)$'"
        )
    if nameless:
        notes.append(
            f"{few(len(nameless), 'result file')} without a checkpoint's name, such as {nameless[0].name}, left out"
        )


def _json(path: Path) -> dict[str, Any] | None:
    """Return the harness's results in ``path``, or None when it is JSON of another kind."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        if not path.name.startswith("results"):
            return None
        raise UserError(f"{path} is no whole JSON file ({error}); evaluate that checkpoint again or drop it") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("results"), dict):
        return None
    return whole if {"config", "configs", "versions"} & set(whole) else None


def _part(whole: dict[str, Any], name: str) -> dict[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, dict) else {}


def _keys(request: Request, files: Sequence[Results]) -> dict[str, tuple[str, str]]:
    """Return task and key (``acc,none``, ``acc``) of every wanted ``task/metric``."""
    known: dict[str, set[str]] = {}
    for f in files:
        for task, result in f.tasks.items():
            known.setdefault(task, set()).update(k for k, v in result.items() if _is_metric(k, v))
    names = [f"{t}/{k.removesuffix(',none')}" for t in sorted(known) for k in sorted(known[t])]
    out: dict[str, tuple[str, str]] = {}
    for m in request.metrics:
        task, _, metric = m.rpartition("/")
        name, _, wanted = metric.partition(",")
        filters = {k.partition(",")[2] or "none" for k in known.get(task, ()) if k.partition(",")[0] == name}
        filters &= {wanted} if wanted else filters
        if not filters:
            own = [n for n in names if n.startswith(f"{task}/")]
            near = nearest(m, names) or nearest(f"{m}/acc", names)
            raise UserError(f"{request.path} has no metric '{m}'; expected task/metric, it has "
                            f"{listing(own or names)}{near}")  # fmt: skip
        if len(filters) > 1 and "none" not in filters:
            options = ", ".join(f"{task}/{name},{f}" for f in sorted(filters))
            raise UserError(f"metric '{m}' stands under several filters; name one: {options}")
        out[m] = (task, f"{name},{'none' if 'none' in filters else min(filters)}")
    return out


def _is_metric(key: str, value: Any) -> bool:
    name = key.partition(",")[0]
    return not name.endswith("_stderr") and name not in ("alias", "name", "sample_len", "samples") and (
        isinstance(value, int | float) or value in ("N/A", "NaN"))  # fmt: skip


def _has(f: Results, key: tuple[str, str]) -> bool:
    return np.isfinite(_value(f, *key))


def _number(f: Results, task: str, metric: str, ends: str) -> float:
    name, _, filter_ = metric.partition(",")
    result = f.tasks.get(task, {})
    value = result.get(f"{name}{ends},{filter_}", result.get(name + ends) if filter_ == "none" else None)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else np.nan


def _value(f: Results, task: str, metric: str) -> float:
    return _number(f, task, metric, "")


def _error(f: Results, task: str, metric: str) -> float:
    return _number(f, task, metric, "_stderr")


def _samples(f: Results, task: str, metric: str = "") -> float:
    """Return how many items a task asked: its own number, or the sum over a group's tasks."""
    sample_count = _part(f.whole, "n-samples").get(task, f.tasks.get(task, {}).get("sample_len"))
    if isinstance(sample_count, dict):
        sample_count = sample_count.get("effective", sample_count.get("original"))
    if isinstance(sample_count, int | float):
        return float(sample_count)
    listed = _part(f.whole, "group_subtasks").get(task)
    parts = [str(t) for t in listed if t != task] if isinstance(listed, list) else []
    return float(sum(_samples(f, t) for t in parts)) if parts else np.nan


def _gather(rows: Any, key: tuple[str, str], of: Any) -> Array:
    """Return one number a checkpoint: that of the last file which has the metric."""
    return np.array([next((of(f, *key) for f in reversed(group) if _has(f, key)), np.nan) for group in rows], float)


def _one_checkpoint(group: Sequence[Results], keys: dict[str, tuple[str, str]], notes: list[str]) -> None:
    """Refuse results of one checkpoint that answer different questions; note those that are replaced."""
    for m, key in keys.items():
        have = [f for f in group if _has(f, key)]
        sources = sorted({f.named.source for f in have})
        if len(sources) > 1:
            raise UserError(
                f"'{sources[0]}' and '{sources[1]}' stand at the same place of run '{have[0].named.run}'; tell them "
                "apart by a group 'run' of `checkpoint`, or give `tokens_per_step` if their tokens are rounded"
            )
        shots = {str(_shots(f, key[0])) for f in have}
        if len(shots) > 1:
            raise UserError(
                f"{have[0].path} and {have[-1].path} hold {m} of one checkpoint with {' and '.join(sorted(shots))} "
                "shots; import them apart, or tell them apart by a group 'run' of `checkpoint`"
            )
        if len(have) > 1:
            notes.append(f"{m} of {have[-1].named.source} stands in {len(have)} files; the latest counts")


def _shots(f: Results, task: str) -> Any:
    return _part(f.whole, "n-shot").get(task, _part(f.whole, "config").get("num_fewshot"))


def _lower_is_better(files: Sequence[Results], task: str, metric: str) -> bool:
    higher = (_part(f.whole, "higher_is_better").get(task) for f in files)
    return any(isinstance(h, dict) and h.get(metric.partition(",")[0]) is False for h in higher)
