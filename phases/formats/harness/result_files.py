"""The result files of lm-evaluation-harness: which they are, what they hold, and of which run and checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Request, brief
from calque.phases.formats.files import document, files_below, reading
from calque.phases.formats.harness.checkpoint_names import Named, named
from calque.phases.formats.parsing import JsonError, parse_json

STAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d.-]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultFile:
    """One result file."""

    path: Path
    tasks: dict[str, dict[str, Any]]
    whole: dict[str, Any]
    named: Named
    written: str

    def number(self, task: str, metric: str, ends: str = "") -> float:
        """Return a value of a task, such as that of ``acc,none``; ``ends`` is ``_stderr`` for its error.

        Parameters
        ----------
        task, metric : str
            Names of the harness, the metric with its filter.
        ends : str
            What stands between the metric's name and its filter.
        """
        return real(self._written(task, metric, ends))

    def endless(self, task: str, metric: str) -> bool:
        """Return whether the value of a task is infinite, or too large for a number.

        Parameters
        ----------
        task, metric : str
            Names of the harness, the metric with its filter.
        """
        value = self._written(task, metric)
        if isinstance(value, float):
            return bool(np.isinf(value))
        return isinstance(value, int) and not isinstance(value, bool) and bool(np.isnan(real(value)))

    def _written(self, task: str, metric: str, ends: str = "") -> Any:
        name, _, filter_ = metric.partition(",")
        result = self.tasks.get(task, {})
        return result.get(f"{name}{ends},{filter_}", result.get(name + ends) if filter_ == "none" else None)

    def shots(self, task: str) -> int | None:
        """Return how many examples a question of ``task`` came with; None where the file does not tell."""
        told = part(self.whole, "n-shot").get(task, part(self.whole, "config").get("num_fewshot"))
        return told if isinstance(told, int) and not isinstance(told, bool) else None

    def items(self, task: str) -> float:
        """Return how many items a task asked: its own number, or the sum over the tasks of a group, each once."""
        total, waiting, seen = 0.0, [task], {task}
        while waiting:
            one = waiting.pop()
            count = part(self.whole, "n-samples").get(one, self.tasks.get(one, {}).get("sample_len"))
            if isinstance(count, dict):
                count = count.get("effective", count.get("original"))
            if np.isfinite(real(count)):
                total += real(count)
                continue
            listed = part(self.whole, "group_subtasks").get(one)
            below = [str(t) for t in listed if str(t) not in seen] if isinstance(listed, list) else []
            if not below and (not isinstance(listed, list) or not listed):
                return np.nan
            seen.update(below)
            waiting += dict.fromkeys(below)
        return total if total > 0 else np.nan


def real(value: Any) -> float:
    """Return a ``value`` of JSON as a finite number; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    try:
        number = float(value)
    except OverflowError:
        return np.nan
    return number if np.isfinite(number) else np.nan


def part(whole: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object that stands in ``whole`` under ``name``; an empty one where there is none."""
    found = whole.get(name)
    return found if isinstance(found, dict) else {}


def result_files(request: Request, notes: list[str]) -> list[ResultFile]:
    """Return all result files of a folder that name a checkpoint.

    Parameters
    ----------
    request : Request
        What to read.
    notes : list of str
        Notes for the user; extended in place.

    Raises
    ------
    UserError
        When there is none, or none of them names its checkpoint.
    """
    path = request.path
    paths = [p for p in files_below(path, notes) if path.is_file() or p.name.endswith(".json")]
    count, nameless, out = 0, list[Path](), list[ResultFile]()
    for file in paths:
        if file.name.startswith(("samples_", ".")):
            continue
        whole = _whole(file)
        if whole is None:
            continue
        count += 1
        where = Path(file.name) if path.is_file() else file.relative_to(path)
        name = named(whole, where, request.checkpoint, path.resolve())
        if name is None:
            nameless.append(file)
            continue
        tasks = {str(t).lstrip(" -"): r for t, r in {**part(whole, "groups"), **whole["results"]}.items()
                 if isinstance(r, dict)}  # fmt: skip
        stamp, date = STAMP.search(file.name), real(whole.get("date"))
        written = f"{date:020.6f}" if np.isfinite(date) else stamp.group() if stamp else file.name
        out.append(ResultFile(path=file, tasks=tasks, whole=whole, named=name, written=written))
    if not count:
        raise UserError(
            f"{path} holds no result file of lm-evaluation-harness; expected …/results_*.json, no empty folder"
        )
    if not out:
        pattern = "" if request.checkpoint is None else f" matches `checkpoint`, {brief(request.checkpoint.pattern)!r},"
        raise UserError(
            f"{nameless[0]}: neither the revision in model_args nor a folder's name{pattern or ' names a checkpoint'}; "
            "give `checkpoint`, a regular expression with group step or tokens, such as '(?P<step>[0-9]+)$'"
        )
    if nameless:
        notes.append(
            f"{plural(len(nameless), 'result file')} without a checkpoint's name, such as {brief(nameless[0].name)}, "
            "left out"
        )
    return out


def _whole(path: Path) -> dict[str, Any] | None:
    """Return the harness's results in ``path``, or None when it is JSON of another kind."""
    try:
        with reading(path, "JSON"):
            whole = parse_json(document(path))
    except (JsonError, UserError) as error:
        if not path.name.startswith("results"):
            return None
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is no whole JSON file ({error}); evaluate that checkpoint again or drop it") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("results"), dict):
        return None
    return whole if {"config", "configs", "versions"} & set(whole) else None


def apart(files: Sequence[ResultFile], tasks: Sequence[str], notes: list[str]) -> list[ResultFile]:
    """Return the files with runs told apart by what else their checkpoints' names hold, and by the number of shots.

    A model whose revisions are ``stage1-step1000`` and ``stage2-step1000`` is two runs, and so is one that was asked
    with no examples and with five.

    Parameters
    ----------
    files : sequence of ResultFile
        Those that have a wanted metric.
    tasks : sequence of str
        Tasks of the wanted metrics.
    notes : list of str
        Notes for the user; extended in place.
    """
    variants: dict[str, set[str]] = {}
    for f in files:
        variants.setdefault(f.named.run, set()).add(f.named.variant)
    out = []
    for f in files:
        many = len(variants[f.named.run]) > 1 and f.named.variant
        out.append(replace(f, named=replace(f.named, run=f"{f.named.run}/{f.named.variant}")) if many else f)
    for run, found in variants.items():
        if len(found) > 1:
            words = ", ".join(brief(v) or "the others" for v in sorted(found))
            notes.append(f"run '{brief(run)}' is told apart by {words}: each is a run of its own")
    shots: dict[str, dict[str, set[int]]] = {}
    for f in out:
        for task in tasks:
            if task in f.tasks and (n := f.shots(task)) is not None:
                shots.setdefault(f.named.run, {}).setdefault(task, set()).add(n)
    result = []
    for f in out:
        differ = [task for task, found in shots.get(f.named.run, {}).items() if len(found) > 1 and task in f.tasks]
        counts = sorted({n for task in differ if (n := f.shots(task)) is not None})
        label = ",".join(map(str, counts))
        result.append(replace(f, named=replace(f.named, run=f"{f.named.run}/{label}-shot")) if counts else f)
    for run, by_task in shots.items():
        if any(len(found) > 1 for found in by_task.values()):
            words = " and ".join(str(n) for n in sorted(set().union(*by_task.values())))
            notes.append(
                f"run '{brief(run)}' was asked with {words} shots: each is a run of its own; `shots` chooses one"
            )
    return result
