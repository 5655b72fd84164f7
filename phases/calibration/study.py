"""A study's own design: its checkpoints, trials, noise and fitted curves simulated, and analysed again.

Of every series: the delay test's **size**, around the concave curve nearest to the data; its **power**, and takeoff's
coverage and width, around the fitted curve. Of every lag: its size, with the second curve moved along training until
it takes off with the first, and its power and coverage as fitted. The noise of each replicate is a draw from the
posterior that the series' own fit has; the two series of a lag share shocks as their residuals do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from phases.analyse import Analysis, analyse
from phases.axis import Array
from phases.calibration.designs import around, moved_to, nearest_concave, spread_of, takeoff_of, template, together
from phases.calibration.outcomes import Ask, Figure, Options, Truth, answer, columns, figures, reported
from phases.calibration.run import generator
from phases.lag import lag
from phases.processes import Progress, spread
from phases.trajectory import Trajectory

Question = Literal["null", "fitted"]
TOGETHER = 0.01
"""Decades within which two curves count as taking off at the same time."""
BLOCK = 10
UNREPORTED = "the report gives no takeoff here: power and coverage are those of the fitted curve, were it true"


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Figures of one series, or of one lag (``second`` set); ``reason`` says why some are absent."""

    run: str
    group: str
    metric: str
    second: str | None = None
    null: dict[str, Figure] | None = None
    fitted: dict[str, Figure] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Design:
    """One question to one series or pair: replicates (n, B) to put in place of the scores, and what is true of them."""

    question: Question
    ask: Ask
    series: tuple[Trajectory, ...]
    scores: tuple[Array, ...]
    truth: Truth


@dataclass(frozen=True)
class Work:
    """Some replicates of the design at position ``of``; it travels to another process."""

    of: int
    first: int
    design: Design
    options: Options


def calibrate(
    series: Sequence[Trajectory], pairs: Sequence[tuple[str, str]], options: Options, *, replicates: int, jobs: int = 1,
    progress: Progress | None = None,
) -> list[Calibrated]:  # fmt: skip
    """Return the figures of every series, then of every pair of metrics that one run and group has.

    Parameters
    ----------
    pairs : sequence of (first, second)
        Metrics whose lag is asked for.
    """
    asked: list[tuple[Calibrated, list[Design]]] = []
    fits: dict[tuple[str, str, str], Analysis] = {}
    for i, t in enumerate(series):
        if progress is not None:
            progress(i, len(series), f"fitting {t.run} {t.metric}")
        a = analyse(t, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed)
        fits[t.run, t.group, t.metric] = a
        row = Calibrated(run=t.run, group=t.group, metric=t.metric)
        if a.fit is None:
            asked.append((replace(row, reason="too few checkpoints, or a score that never changes"), []))
        else:
            reason = "" if reported(a, options.level) else UNREPORTED
            asked.append((replace(row, reason=reason), of_series(a, options, replicates)))
    for run, group in dict.fromkeys((t.run, t.group) for t in series):
        for first, second in pairs:
            if (run, group, first) in fits and (run, group, second) in fits:
                designs, reason = of_pair(fits[run, group, first], fits[run, group, second], options, replicates)
                row = Calibrated(run=run, group=group, metric=first, second=second, reason=reason)
                asked.append((row, designs))
    found = answered([design for _, designs in asked for design in designs], options, jobs, progress)
    rows = []
    for row, designs in asked:
        for design in designs:
            made = next(found)
            row = replace(row, null=made) if design.question == "null" else replace(row, fitted=made)
        rows.append(row)
    return rows


def of_series(a: Analysis, options: Options, replicates: int) -> list[Design]:
    """Return both questions to one series."""
    assert a.fit is not None
    t, fitted = a.trajectory, a.fit.curve
    rng = generator(options.seed, "calibrate", t.key)
    concave = nearest_concave(t, fitted, spread_of(a, rng))
    drawn = [around(a, curve, rng, replicates) for curve in (concave, fitted)]
    whole = (template(t),)
    return [
        Design("null", "delay", whole, (drawn[0],), Truth()),
        Design("fitted", "takeoff", whole, (drawn[1],), Truth(takeoff_of(t, fitted, options.rise))),
    ]


def of_pair(a: Analysis, b: Analysis, options: Options, replicates: int) -> tuple[list[Design], str]:
    """Return both questions to the lag of two series, and why any is left out."""
    if a.fit is None or b.fit is None or not (reported(a, options.level) and reported(b, options.level)):
        return [], "the report gives no takeoff of one of the two"
    t = b.trajectory
    start, second = (takeoff_of(s.trajectory, s.fit.curve, options.rise) for s in (a, b) if s.fit is not None)
    found = lag(a, b, boot=options.boot, level=options.level, seed=options.seed)
    if found is None or not np.isfinite(start + second):
        return [], "one of the two never takes off"
    rng = generator(options.seed, "calibrate lag", a.trajectory.key, t.key)
    curves: dict[Question, Array] = {"null": moved_to(t, b.fit.curve, start, options.rise), "fitted": b.fit.curve}
    designs, reason = [], ""
    for question, curve in curves.items():
        apart = takeoff_of(t, curve, options.rise) - start
        if question == "null" and not abs(apart) <= TOGETHER:
            reason = "no size: the second curve, moved to the first one's takeoff, does not rise within the run"
            continue
        scores = together(a, b, curve, found.correlation, rng, replicates)
        truth = Truth(lag=float(np.log(10.0) * apart))
        designs.append(Design(question, "lag", (template(a.trajectory), template(t)), scores, truth))
    return designs, reason


def answered(
    designs: Sequence[Design], options: Options, jobs: int, progress: Progress | None
) -> Iterator[dict[str, Figure]]:
    """Yield the figures of each design, in order, once all are worked off."""
    tasks = []
    for i, design in enumerate(designs):
        for first in range(0, design.scores[0].shape[1], BLOCK):
            part = tuple(s[:, first : first + BLOCK] for s in design.scores)
            tasks.append(Work(i, first, replace(design, scores=part), options))
    done, total = 0, sum(design.scores[0].shape[1] for design in designs)
    found: list[list[dict[str, float]]] = [[] for _ in designs]
    for i, answers in spread(worked, tasks, jobs):
        found[i] += answers
        done += len(answers)
        if progress is not None:
            progress(done, total, f"{designs[i].series[0].run} {designs[i].series[-1].metric}")
    for design, answers in zip(designs, found, strict=True):
        yield figures(columns(answers), design.ask, design.truth, options.level)


def worked(work: Work) -> tuple[int, list[dict[str, float]]]:
    """Analyse some replicates."""
    design, out = work.design, []
    for i in range(design.scores[0].shape[1]):
        name = f"{design.series[0].run} {design.question} {work.first + i}"
        drawn = [replace(t, run=name, y=y[:, i]) for t, y in zip(design.series, design.scores, strict=True)]
        out.append(answer(drawn, design.ask, work.options))
    return work.of, out
