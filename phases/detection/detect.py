"""Detecting the transitions of a cube: every series of every run, then the lags within each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube import validate
from calque.phases.adaptive.record import with_noise_in_tokens
from calque.phases.detection.group import GroupResult, judge_group
from calque.phases.processes import Progress, spread
from calque.phases.results import DetectionReport, Transition
from calque.phases.series.metrics import chosen, left_whole, splitting, trajectories
from calque.phases.series.names import by_written_names
from calque.phases.series.parts import averaged_over, averaging_note
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.multiplicity import benjamini_yekutieli

DEFAULT = Settings()
WORTH_SPREADING = 40
"""Series that are worth the start of further processes."""


def detect(
    cube: xr.Dataset, settings: Settings = DEFAULT, progress: Progress | None = None, name: str = "cube",
    jobs: int = 1,
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

    Raises
    ------
    UserError
        When the cube or the settings cannot be used.
    """
    cube = validate(cube, name)
    series = trajectories(cube, settings.metrics, settings.by)
    asked, notes = _asked(cube, settings)
    provenance = {str(k): str(v) for k, v in cube.attrs.items()}
    if settings.family != "dictionary":
        from calque.phases.classical.detect import detect_classical

        return replace(
            detect_classical(series, settings, progress, name, provenance), settings=asked, notes=notes,
            parts=_parts(series),
        )  # fmt: skip
    series = with_noise_in_tokens(series, cube, name)
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
    inorder = [found[i] for i in range(len(tasks))]
    return DetectionReport(
        cube=name,
        settings=asked,
        notes=notes,
        parts=_parts(series),
        transitions=tuple(adjusted([row for one in inorder for row in one.transitions])),
        lags=tuple(lag for one in inorder for lag in one.lags),
        curves=tuple(curve for one in inorder for curve in one.curves),
        provenance=provenance,
    )


def _asked(cube: xr.Dataset, settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings with what scores were averaged over, and notes on what was decided by that."""
    _, along = splitting(cube, settings.by)
    lacking = left_whole(cube, settings.metrics, along)
    analysed = [name for name in chosen(cube, settings.metrics) if name not in lacking]
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


def adjusted(transitions: Sequence[Transition]) -> list[Transition]:
    """Fill p_adjusted: Benjamini-Yekutieli over the delay tests of the report.

    Parameters
    ----------
    transitions : sequence of Transition
        Rows of a report.
    """
    at = [i for i, t in enumerate(transitions) if t.estimand == "delay" and t.p_value is not None]
    out = list(transitions)
    p = benjamini_yekutieli([transitions[i].p_value or 0.0 for i in at])
    for i, value in zip(at, p, strict=True):
        out[i] = replace(out[i], p_adjusted=value)
    return out
