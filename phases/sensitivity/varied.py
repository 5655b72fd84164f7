"""Analysing the variations of every series, and whether its answer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.phases.adaptive.record import with_noise_in_tokens
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.group import analysed
from calque.phases.detection.judge import rows
from calque.phases.isolation import isolated
from calque.phases.processes import Progress, spread
from calque.phases.results import Refusal, Transition, VariedAnswer
from calque.phases.schedules.positions import Positions, back_in_tokens, positions_of
from calque.phases.schedules.reading import schedules_of
from calque.phases.sensitivity.one_left_out import most_moving
from calque.phases.sensitivity.variations import Variation, one_left_out, variations
from calque.phases.series.metrics import trajectories
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import AXES, Settings

WORTH_SPREADING = 3
"""Series, of some fifteen variations each, that are worth the start of further processes."""


def sensitivity(
    cube: xr.Dataset,
    settings: Settings,
    name: str = "cube",
    progress: Progress | None = None,
    jobs: int = 1,
    found: Sequence[Transition] = (),
) -> tuple[list[VariedAnswer], list[str]]:
    """Return the answers of every series of a cube under each variation, and notes on what could not be varied.

    Outcomes are those of each series by itself, but for what the seeds of its condition tell.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    settings : Settings
        As asked.
    name : str
        Name of the cube in errors.
    progress : callable, optional
        Called with (done, total, what).
    jobs : int
        Processes; the numbers do not depend on it.
    found : sequence of Transition
        Rows of the report: series that seeds tell from persistent noise (``told_by``) are told in each variation.

    Raises
    ------
    UserError
        As ``detect``.
    """
    series = with_noise_in_tokens(trajectories(cube, settings.metrics, settings.by), cube, name)
    told = {(row.run, row.group, row.metric): row.told_by for row in found}
    series = [replace(t, told_by=told.get((t.run, t.group, t.metric), 0)) for t in series]
    axes, notes = _axes(cube, settings)
    tasks = [(i, t, settings, {axis: of[t.run] for axis, of in axes.items()}) for i, t in enumerate(series)]
    done: dict[int, list[VariedAnswer]] = {}
    if progress is not None:
        progress(0, len(series), "sensitivity")
    for i, answers in spread(_of_series, tasks, jobs if len(series) >= WORTH_SPREADING else 1):
        done[i] = answers
        if progress is not None:
            progress(len(done), len(series), f"sensitivity: {series[i].run} {series[i].metric}")
    return [answer for i in range(len(tasks)) for answer in done[i]], notes


def _axes(cube: xr.Dataset, settings: Settings) -> tuple[dict[str, dict[str, Positions]], list[str]]:
    """Return positions by axis and run, where every run has them; the axis asked for must be known."""
    schedules = schedules_of(cube, settings.schedule)
    out: dict[str, dict[str, Positions]] = {}
    notes = []
    for axis in AXES:
        if axis == "tokens":
            continue
        try:
            out[axis] = positions_of(cube, axis, schedules)
        except UserError as error:
            if axis == settings.axis:
                raise
            notes.append(f"sensitivity leaves the axis out: {error}")
    return out, notes


def _of_series(task: tuple[int, Trajectory, Settings, Mapping[str, Positions]]) -> tuple[int, list[VariedAnswer]]:
    """Analyse all variations of one series; its rank comes back with them."""
    i, t, settings, axes = task
    answers: list[VariedAnswer] = []
    every = variations(t, settings, axes)
    asked = next(every)
    analysis = analysed(asked.trajectory, asked.settings)
    left_out = {} if isinstance(analysis, Refusal) else isolated(partial(most_moving, analysis), lambda _: {})
    for one in chain([asked], every, one_left_out(asked, left_out)):
        delay, takeoff = _answers(one, analysis if one is asked else analysed(one.trajectory, one.settings))
        answer = VariedAnswer(
            run=t.run, group=t.group, metric=t.metric, variation=one.name, kind=one.kind, delay=delay.outcome,
            p_value=delay.p_value, outcome=takeoff.outcome, tokens=takeoff.tokens, low=takeoff.low, high=takeoff.high,
            n_checkpoints=one.trajectory.n, holds=True,
        )  # fmt: skip
        answers.append(replace(answer, holds=holds(answers[0], answer)) if answers else answer)
    return i, answers


def _answers(one: Variation, analysis: Analysis | Refusal) -> tuple[Transition, Transition]:
    found = [row for row in rows(analysis, one.settings.level) if row.estimand in ("delay", "takeoff")]
    if one.positions is not None:
        found = back_in_tokens(found, {one.trajectory.run: one.positions})
    by_name = {row.estimand: row for row in found}
    return by_name["delay"], by_name["takeoff"]


def holds(asked: VariedAnswer, other: VariedAnswer) -> bool:
    """Return whether a variation gives the same answer.

    The outcome of the delay test is the same, a takeoff is given by both or by neither, and one of the two takeoffs
    lies in the interval of the other. Where the height is varied, takeoffs are of different heights and are not
    compared.

    Parameters
    ----------
    asked, other : VariedAnswer
        As asked, and varied.
    """
    if asked.delay != other.delay or (asked.tokens is None) != (other.tokens is None):
        return False
    if asked.tokens is None or other.tokens is None or other.kind == "height":
        return True
    return _within(asked.tokens, other) or _within(other.tokens, asked)


def _within(tokens: float, of: VariedAnswer) -> bool:
    return (of.low or 0.0) <= tokens <= (np.inf if of.high is None else of.high)


def by_series(answers: Sequence[VariedAnswer]) -> dict[tuple[str, str, str], list[VariedAnswer]]:
    """Return answers by run, group and metric, each series as asked first.

    Parameters
    ----------
    answers : sequence of VariedAnswer
        Of any series.
    """
    out: dict[tuple[str, str, str], list[VariedAnswer]] = {}
    for answer in answers:
        out.setdefault((answer.run, answer.group, answer.metric), []).append(answer)
    return out
