"""Findings that begin where the schedule of training changes: they are marked, never taken back.

A change of the learning rate or of the batch can bend a curve by itself. A location is marked where its interval, from
the checkpoint before it on, holds a change. A delayed start is marked where the takeoff is, or where the checkpoints
before a change do not show it by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import FEWEST
from calque.phases.detection.judge import rows
from calque.phases.results import Outcome, Refusal, Transition
from calque.phases.schedules.words import change_words
from calque.phases.series.trajectory import Trajectory

PLACES = ("takeoff", "onset")
LATE = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)


def label_changes(
    a: Analysis | Refusal, found: Sequence[Transition], again: Callable[[Trajectory], Analysis | Refusal], level: float
) -> list[Transition]:
    """Return the rows of a series, those that begin at a change of the schedule marked.

    Parameters
    ----------
    a : Analysis or Refusal
        The series as analysed; its trajectory knows the changes.
    found : sequence of Transition
        Its rows.
    again : callable
        Analyses a trajectory with the same settings.
    level : float
        Coverage of the intervals, between 0 and 1.
    """
    t = a.trajectory
    if isinstance(a, Refusal) or not t.changes:
        return list(found)
    original = t if a.unit == 1.0 else replace(t, y=a.origin + a.unit * t.y)
    out = [replace(row, at_change=_within(row, t)) if row.estimand in PLACES else row for row in found]
    takeoff = next((row.at_change for row in out if row.estimand == "takeoff"), None)
    return [
        replace(row, at_change=takeoff or _not_before(original, again, level))
        if row.estimand == "delay" and row.outcome in LATE else row
        for row in out
    ]  # fmt: skip


def _within(row: Transition, t: Trajectory) -> str | None:
    """Return the change that the interval of a location holds, of several the first; None for an open interval."""
    if row.tokens is None or row.low is None or row.high is None:
        return None
    before = t.tokens[t.tokens < row.low]
    start = float(before[-1]) if before.size else 0.0
    inside = [(at, what) for at, what in t.changes if start <= at <= row.high and at > 0]
    return change_words(inside[0], t.axis) if inside else None


def _not_before(t: Trajectory, again: Callable[[Trajectory], Analysis | Refusal], level: float) -> str | None:
    """Return the first change before which the checkpoints show no delayed start; None where those of each do."""
    for change in t.changes:
        kept = np.flatnonzero(t.tokens <= change[0])
        if FEWEST <= kept.size < t.n:
            less = again(t.until(int(kept[-1])))
            delay = next((row for row in rows(less, level) if row.estimand == "delay"), None)
            if delay is None or delay.outcome not in LATE:
                return change_words(change, t.axis, shown=False)
    return None
