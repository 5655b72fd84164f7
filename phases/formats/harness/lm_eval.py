"""lm-evaluation-harness: a folder of result files, one or several for every checkpoint, as the harness writes them.

Read are all JSON files that hold ``results`` beside ``config``, ``configs`` or ``versions``, at any depth:
``OUT/<model>/results_<date>.json`` of the current harness, one file a checkpoint of older ones. What is a checkpoint's
position is decided by ``checkpoint_names``, what a metric's trials are by ``item_counts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, brief, listing, near
from calque.phases.formats.harness.item_counts import whole_trials
from calque.phases.formats.harness.result_files import ResultFile, apart, part, result_files

Key = tuple[str, str]
"""Task and metric with its filter, such as ``piqa`` and ``acc,none``."""


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
        When no file is one of the harness, none names its checkpoint, or a metric is unknown or ambiguous.
    """
    request.refuse("tokens", "the checkpoint's name holds the position; `checkpoint` says where")
    request.refuse("run", "the model's name is the run; `checkpoint` may have a group 'run'")
    request.refuse("coord", "results hold no coordinates of runs; `run_pattern` takes them from the names of runs")
    if request.trials_column is not None:
        raise UserError(f"`trials` is '{request.trials}'; expected a number; the harness tells the trials by itself")
    notes: list[str] = []
    files = result_files(request, notes)
    keys = _keys(request, files)
    for m in request.metrics:
        if endless := sum(f.endless(*keys[m]) for f in files):
            notes.append(f"{brief(m)}: {plural(endless, 'infinite value')} taken as missing")
    files = [f for f in files if any(_has(f, keys[m]) for m in request.metrics)]
    if not files:
        raise UserError(f"{request.path}: no result file has a number for {listing(request.metrics)}")
    files = _with_shots(request, files, keys, notes)
    files = apart(files, tuple(dict.fromkeys(task for task, _ in keys.values())), notes)
    in_steps = request.tokens_per_step is not None or any(f.named.tokens is None for f in files)
    rows: dict[tuple[str, float], list[ResultFile]] = {}
    for f in files:
        place = f.named.step if in_steps else f.named.tokens
        if place is None:
            what = "`tokens_per_step` needs steps" if request.tokens_per_step else "others name steps only"
            raise UserError(f"{f.path} names its tokens but no step ('{brief(f.named.source)}'), and {what}; give "
                            "as `checkpoint` a pattern with group step or tokens")  # fmt: skip
        rows.setdefault((f.named.run, place), []).append(f)
    for group in rows.values():
        group.sort(key=lambda f: f.written)
        _one_checkpoint(group, keys, notes)
    values = {m: _gather(rows.values(), keys[m], _value) for m in request.metrics}
    trials: dict[str, Array | float] = {}
    for m in request.metrics:
        n = whole_trials(values[m], _gather(rows.values(), keys[m], _items), _gather(rows.values(), keys[m], _error))
        if request.trials_number is not None:
            trials[m] = request.trials_number
        elif n is not None:
            trials[m] = n
        else:
            notes.append(f"{m} is no count of right answers out of the samples; it has no trials")
    both = not in_steps and all(f.named.step is not None for f in files)
    return Log(
        run=np.array([run for run, _ in rows], object), place=np.array([place for _, place in rows]),
        in_steps=in_steps, values=values, trials=trials, ordered=False,
        step=np.array([g[0].named.step for g in rows.values()], float) if both else None,
        continuous=frozenset(m for m in request.metrics if _lower_is_better(files, *keys[m])), notes=tuple(notes),
    )  # fmt: skip


def _with_shots(
    request: Request, files: list[ResultFile], keys: dict[str, Key], notes: list[str]
) -> list[ResultFile]:  # fmt: skip
    """Return the files with the number of shots that was asked for."""
    if request.shots is None:
        return files
    tasks = {task for task, _ in keys.values()}
    kept = [f for f in files if any(f.shots(t) == request.shots for t in tasks & set(f.tasks))]
    if not kept:
        known = sorted({n for f in files for t in tasks & set(f.tasks) if (n := f.shots(t)) is not None})
        raise UserError(f"`shots` is {request.shots}; the results have {', '.join(map(str, known)) or 'none stated'}")
    if len(kept) < len(files):
        notes.append(f"{plural(len(files) - len(kept), 'result file')} without {request.shots} shots left out")
    return kept


def _keys(request: Request, files: Sequence[ResultFile]) -> dict[str, Key]:
    """Return task and key (``acc,none``, ``acc``) of every wanted ``task/metric``."""
    known: dict[str, set[str]] = {}
    for f in files:
        for task, result in f.tasks.items():
            known.setdefault(task, set()).update(k for k, v in result.items() if _is_metric(k, v))
    names = [f"{t}/{k.removesuffix(',none')}" for t in sorted(known) for k in sorted(known[t])]
    out: dict[str, Key] = {}
    for m in request.metrics:
        task, _, metric = m.rpartition("/")
        name, _, wanted = metric.partition(",")
        filters = {k.partition(",")[2] or "none" for k in known.get(task, ()) if k.partition(",")[0] == name}
        filters &= {wanted} if wanted else filters
        if not filters:
            own = [n for n in names if n.startswith(f"{task}/")]
            question = near(m, names) or near(f"{m}/acc", names)
            raise UserError(f"{brief(str(request.path), 80)} has no metric '{brief(m)}'; expected task/metric, it has "
                            f"{listing(own or names, 100)}{question}")  # fmt: skip
        if len(filters) > 1 and "none" not in filters:
            options = listing([f"{task}/{name},{f}" for f in sorted(filters)])
            raise UserError(f"metric '{brief(m)}' stands under several filters; name one: {options}")
        out[m] = (task, f"{name},{'none' if 'none' in filters else min(filters)}")
    return out


def _is_metric(key: str, value: Any) -> bool:
    name = key.partition(",")[0]
    return not name.endswith("_stderr") and name not in ("alias", "name", "sample_len", "samples") and (
        (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("N/A", "NaN"))  # fmt: skip


def _has(f: ResultFile, key: Key) -> bool:
    return bool(np.isfinite(f.number(*key)))


def _value(f: ResultFile, task: str, metric: str) -> float:
    return f.number(task, metric)


def _error(f: ResultFile, task: str, metric: str) -> float:
    return f.number(task, metric, "_stderr")


def _items(f: ResultFile, task: str, metric: str) -> float:
    del metric
    return f.items(task)


def _gather(rows: Iterable[list[ResultFile]], key: Key, of: Callable[[ResultFile, str, str], float]) -> Array:
    """Return one number a checkpoint: that of the last file which has the metric."""
    return np.array([next((of(f, *key) for f in reversed(group) if _has(f, key)), np.nan) for group in rows], float)


def _one_checkpoint(group: Sequence[ResultFile], keys: dict[str, Key], notes: list[str]) -> None:
    """Refuse results of two checkpoints at one place; note those that are replaced."""
    for m, key in keys.items():
        have = [f for f in group if _has(f, key)]
        sources = sorted({f.named.source for f in have})
        if len(sources) > 1:
            raise UserError(
                f"'{brief(sources[0])}' and '{brief(sources[1])}' stand at the same place of run "
                f"'{brief(have[0].named.run)}'; tell them apart by a group 'run' of `checkpoint`, or give "
                "`tokens_per_step` if their tokens are rounded"
            )
        if len(have) > 1:
            notes.append(
                f"{m} of {brief(have[-1].named.source)} stands in {plural(len(have), 'file')}; the latest counts"
            )


def _lower_is_better(files: Sequence[ResultFile], task: str, metric: str) -> bool:
    higher = (part(f.whole, "higher_is_better").get(task) for f in files)
    return any(isinstance(h, dict) and h.get(metric.partition(",")[0]) is False for h in higher)
