"""Detecting the transitions of a cube: every series of every run, then the lags within each run."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube import validate
from calque.phases.adaptive.record import with_noise_in_tokens
from calque.phases.detection.group import GroupResult, judge_group
from calque.phases.detection.repeated import by_key, decided_lags, decided_rows, lags_between
from calque.phases.processes import Progress, spread
from calque.phases.results import DetectionReport
from calque.phases.schedules.positions import (
    Positions,
    back_in_tokens,
    curves_in_tokens,
    diagnoses_in_tokens,
    lags_without_tokens,
    placed,
    positions_of,
)
from calque.phases.schedules.reading import schedules_of, unreached, with_changes
from calque.phases.series.conditions import replicated
from calque.phases.series.lag_pairs import lag_pairs, metrics_of_lags
from calque.phases.series.metrics import chosen, left_whole, splitting, trajectories
from calque.phases.series.names import by_written_names
from calque.phases.series.parts import averaged_over, averaging_note
from calque.phases.series.prepared import prepared
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.many_tests import primary_metric
from calque.phases.stats.replicates import told_together

DEFAULT = Settings()
WORTH_SPREADING = 40
"""Series that are worth the start of further processes."""


def detect(
    cube: xr.Dataset, settings: Settings = DEFAULT, progress: Progress | None = None, name: str = "cube",
    jobs: int = 1, adjust: bool = True,
) -> DetectionReport:  # fmt: skip
    """Find the transitions and lags of a cube.

    Parameters
    ----------
    cube : xarray.Dataset
        Schema 1; validated here.
    settings : Settings
    progress : callable, optional
        Called with (done, total, what) as series are finished.
    name : str
        How the report names the cube.
    jobs : int
        Processes to spread runs and groups over; the numbers do not depend on it.
    adjust : bool
        Whether outcomes follow p-values adjusted for all tests of the report; pooling makes fewer tests of them, and
        adjusts those.

    Raises
    ------
    UserError
        When the cube or the settings cannot be used.
    """
    cube = validate(cube, name)
    declared, listed = settings.primary, settings.metrics
    if settings.lags is not None:
        needed = metrics_of_lags(cube, settings.lags)
        settings = replace(settings, metrics=tuple(dict.fromkeys((*chosen(cube, listed), *needed))))
    series = trajectories(cube, settings.metrics, settings.by)
    primary = primary_metric(declared, listed, tuple(dict.fromkeys(t.metric for t in series)))
    pairs = lag_pairs(cube, settings.lags, series)
    asked, notes = _asked(cube, replace(settings, primary=primary), {t.metric for t in series})
    dictionary = settings.family == "dictionary"
    if dictionary:
        series = with_noise_in_tokens(series, cube, name)
    series, more = prepared(series, average=dictionary)
    notes += more
    provenance = {str(k): str(v) for k, v in cube.attrs.items()}
    if not dictionary:
        from calque.phases.classical.detect import detect_classical

        classical = detect_classical(series, settings, progress, name, provenance)
        rows, more = decided_rows(classical.transitions, primary, declared is not None, None, settings, jobs)
        return replace(classical, transitions=tuple(rows), settings=asked, notes=(*notes, *more), parts=_parts(series))
    schedules = schedules_of(cube, settings.schedule)
    series = with_changes(series, schedules)
    if settings.schedule is not None:
        notes += tuple(unreached(cube, next(iter(schedules.values()))))
    positions = {} if settings.axis == "tokens" else positions_of(cube, settings.axis, schedules)
    series = [placed(t, positions[t.run], settings.axis) for t in series] if positions else series
    asked_of_groups = replace(settings, lags=pairs.within)
    found = _of_groups(series, asked_of_groups, progress, jobs)
    told = {(*key, metric): share for key, one in found.items() for metric, share in one.told.items()}
    refused = {(*key, metric) for key, one in found.items() for metric in one.too_persistent}
    series, more = told_together(series, told, refused, replicated(cube))
    again = {(t.run, t.group) for t in series if t.told_by}
    found |= _of_groups([t for t in series if (t.run, t.group) in again], asked_of_groups, None, jobs)
    notes += more
    inorder = [one if not positions else in_tokens(one, positions) for one in found.values()]
    named = by_key(series)
    transitions = [row for one in inorder for row in one.transitions]
    lags = [*(lag for one in inorder for lag in one.lags), *lags_between(pairs, named, settings, jobs)]
    if adjust:
        transitions, of_tests = decided_rows(transitions, primary, declared is not None, named, settings, jobs)
        lags, of_lags = decided_lags(lags, named, pairs, settings, jobs)
        notes = (*notes, *of_tests, *of_lags)
    lags = lags_without_tokens(lags) if positions else lags
    return DetectionReport(
        cube=name,
        settings=asked,
        notes=notes,
        parts=_parts(series),
        transitions=tuple(transitions),
        lags=tuple(lags),
        curves=tuple(curve for one in inorder for curve in one.curves),
        diagnostics=tuple(d for one in inorder for d in one.diagnostics),
        likelihoods=tuple(likelihood for one in inorder for likelihood in one.likelihoods),
        provenance=provenance,
    )


def _of_groups(
    series: Sequence[Trajectory], settings: Settings, progress: Progress | None, jobs: int
) -> dict[tuple[str, str], GroupResult]:  # fmt: skip
    """Return what the groups of runs give, by run and group, in their order."""
    tasks = [
        (i, tuple(of_group), settings)
        for i, (_, of_group) in enumerate(groupby(series, key=lambda t: (t.run, t.group)))
    ]
    found: dict[int, GroupResult] = {}
    done = 0
    if progress is not None:
        progress(0, len(series), "series")
    # a process takes seconds to start: worth it for dozens of series
    for i, one in spread(numbered, tasks, jobs if len(series) >= WORTH_SPREADING else 1):
        found[i] = one
        done += len(tasks[i][1])
        if progress is not None:
            progress(done, len(series), f"{tasks[i][1][0].run} {tasks[i][1][0].group}".strip())
    return {(of_group[0].run, of_group[0].group): found[i] for i, of_group, _ in tasks}


def in_tokens(found: GroupResult, positions: Mapping[str, Positions]) -> GroupResult:
    """Return what a group gave on another axis with its places in tokens; likelihoods are not carried over.

    Parameters
    ----------
    found : GroupResult
        In positions.
    positions : mapping of str to Positions
        By run.
    """
    return GroupResult(
        back_in_tokens(found.transitions, positions), lags_without_tokens(found.lags),
        curves_in_tokens(found.curves, positions), diagnoses_in_tokens(found.diagnostics, positions), [],
        found.told, found.too_persistent,
    )  # fmt: skip


def _asked(cube: xr.Dataset, settings: Settings, found: Container[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings with what scores were averaged over, and notes on what was decided by that.

    A metric that none of the runs has an item of is not ``found``, and so in no table.
    """
    _, along = splitting(cube, settings.by)
    lacking = left_whole(cube, settings.metrics, along)
    analysed = [name for name in chosen(cube, settings.metrics) if name in found and name not in lacking]
    over = averaged_over(by_written_names(cube), analysed, along)
    notes = [*averaging_note(over), *_infinite(by_written_names(cube), analysed)]
    if lacking:
        notes.append(f"left out, for they are not split by {' and '.join(along)}: {', '.join(lacking)}")
    return asdict(settings) | {"averaged_over": over}, tuple(notes)


def _infinite(cube: xr.Dataset, names: Sequence[str]) -> Iterator[str]:
    """Yield a note for every variable with infinite values: they are taken as missing."""
    for name in names:
        if name in cube.variables and cube[name].dtype.kind == "f":
            by_run = np.isinf(cube[name].values).sum(axis=tuple(i for i, d in enumerate(cube[name].dims) if d != "run"))
            where = [f"{run} {n}" for run, n in zip(cube["run"].values, by_run, strict=True) if n]
            if where:
                more = ", ..." if len(where) > 6 else ""
                yield f"{name}: infinite values are taken as missing: {', '.join(where[:6])}{more}"


def _parts(series: Sequence[Trajectory]) -> dict[str, dict[str, str]]:
    return {t.group: dict(t.part) for t in series if t.group}


def numbered(task: tuple[int, tuple[Trajectory, ...], Settings]) -> tuple[int, GroupResult]:
    """Judge the group of a task; its rank comes back with it, for results arrive as they finish."""
    i, series, settings = task
    return i, judge_group(series, settings)
