"""A study's own design: its checkpoints, trials, noise and fitted curves simulated, and analysed again.

Of every series: the delay test's **size**, around the concave curve nearest to the data; its **power**, and takeoff's
coverage and width, around the fitted curve. Of every lag: its size, with the second curve moved along training until
it takes off with the first, and its power and coverage as fitted. The noise of each replicate is a draw from the
posterior that the series' own fit has; the two series of a lag share shocks as their residuals do. In a run whose
checkpoints were adaptive every replicate has checkpoints of its own (``calque.phases.calibration.adaptive``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calque.phases.adaptive.record import AdaptiveDesign
from calque.phases.calibration.adaptive import Source, drawn
from calque.phases.calibration.designs import (
    around,
    moved_to,
    nearest_concave,
    spread_of,
    takeoff_of,
    template,
    together,
)
from calque.phases.calibration.outcomes import Ask, Figure, Options, Truth, answer, columns, figures, reported
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.lag import lag
from calque.phases.generators import generator
from calque.phases.processes import Progress, spread
from calque.phases.results import Refusal
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

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
class Simulation:
    """One question to one series or pair: its replicates, and what is true of them."""

    question: Question
    ask: Ask
    replicates: tuple[tuple[Trajectory, ...], ...]
    truth: Truth


@dataclass(frozen=True, eq=False)
class Adaptive:
    """How a run's checkpoints were chosen, and the analysis of the metric that chose them."""

    design: AdaptiveDesign
    watched: Analysis

    def chose(self, t: Trajectory) -> bool:
        """Return whether the checkpoints of a series depend on scores: it was asked at further ones."""
        extra = {tokens for decision in self.design.decisions for tokens in decision.extra}
        return not extra.isdisjoint(map(int, t.tokens))


@dataclass(frozen=True)
class Work:
    """Some replicates of the design at position ``of``; it travels to another process."""

    of: int
    design: Simulation
    options: Options


def calibrate(
    series: Sequence[Trajectory], pairs: Sequence[tuple[str, str]], options: Options, *, replicates: int, jobs: int = 1,
    progress: Progress | None = None, adaptive: Mapping[str, tuple[AdaptiveDesign, Trajectory]] | None = None,
) -> list[Calibrated]:  # fmt: skip
    """Return the figures of every series, then of every pair of metrics that one run and group has.

    Parameters
    ----------
    pairs : sequence of (first, second)
        Metrics whose lag is asked for.
    adaptive : mapping of run to (AdaptiveDesign, Trajectory), optional
        Of runs whose checkpoints were adaptive: the record, and the series of the metric that was watched.
    """
    by_run = {run: _adaptive(design, t, options) for run, (design, t) in (adaptive or {}).items()}
    asked: list[tuple[Calibrated, list[Simulation]]] = []
    fits: dict[tuple[str, str, str], Analysis | Refusal] = {}
    for i, t in enumerate(series):
        if progress is not None:
            progress(i, len(series), f"fitting {t.run} {t.metric}")
        a = analyse(t, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed)
        fits[t.run, t.group, t.metric] = a
        row = Calibrated(run=t.run, group=t.group, metric=t.metric)
        if isinstance(a, Refusal):
            asked.append((replace(row, reason="too few checkpoints, or a score that never changes"), []))
        else:
            reason = "" if reported(a, options.level) else UNREPORTED
            asked.append((replace(row, reason=reason), of_series(a, options, replicates, by_run.get(t.run))))
    for run, group in dict.fromkeys((t.run, t.group) for t in series):
        for first, second in pairs:
            if (run, group, first) in fits and (run, group, second) in fits:
                both = fits[run, group, first], fits[run, group, second]
                designs, reason = of_pair(*both, options, replicates, by_run.get(run))
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


def _adaptive(design: AdaptiveDesign, watched: Trajectory, options: Options) -> Adaptive | None:
    a = analyse(watched, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed)
    return None if isinstance(a, Refusal) else Adaptive(design, a)


def of_series(a: Analysis, options: Options, replicates: int, adaptive: Adaptive | None = None) -> list[Simulation]:
    """Return both questions to one series."""
    t, fitted = a.trajectory, a.fit.curve
    rng = generator(options.seed, "calibrate", t.key)
    concave = nearest_concave(t, fitted, spread_of(a, rng))
    truth = Truth(takeoff_of(t, fitted, options.rise))
    if adaptive is not None and adaptive.chose(t):
        null, as_fitted = (
            [grown((source,), (a,), adaptive, rng, _name(t, question, i)) for i in range(replicates)]
            for question, source in (
                ("null", Source(template(t), a.fit.noise, concave, "tokens")),
                ("fitted", Source(template(t), a.fit.noise, fitted)),
            )
        )
    else:
        null, as_fitted = (
            named((template(t),), (around(a, curve, rng, replicates),), question)
            for question, curve in (("null", concave), ("fitted", fitted))
        )
    return [
        Simulation("null", "delay", tuple(null), Truth()),
        Simulation("fitted", "takeoff", tuple(as_fitted), truth),
    ]


def of_pair(
    a: Analysis | Refusal, b: Analysis | Refusal, options: Options, replicates: int, adaptive: Adaptive | None = None
) -> tuple[list[Simulation], str]:
    """Return both questions to the lag of two series, and why any is left out."""
    if (
        isinstance(a, Refusal)
        or isinstance(b, Refusal)
        or not (reported(a, options.level) and reported(b, options.level))
    ):
        return [], "the report gives no takeoff of one of the two"
    t = b.trajectory
    start, second = (takeoff_of(s.trajectory, s.fit.curve, options.rise) for s in (a, b))
    found = lag(a, b, boot=options.boot, level=options.level, seed=options.seed)
    if found is None or not np.isfinite(start + second):
        return [], "one of the two never takes off"
    rng = generator(options.seed, "calibrate lag", a.trajectory.key, t.key)
    curves: dict[Question, Array] = {"null": moved_to(t, b.fit.curve, start, options.rise), "fitted": b.fit.curve}
    both = template(a.trajectory), template(t)
    designs, reason = [], ""
    for question, curve in curves.items():
        apart = takeoff_of(t, curve, options.rise) - start
        if question == "null" and not abs(apart) <= TOGETHER:
            reason = "no size: the second curve, moved to the first one's takeoff, does not rise within the run"
            continue
        if adaptive is not None and adaptive.chose(a.trajectory) and adaptive.chose(t):
            sources = Source(both[0], a.fit.noise, a.fit.curve), Source(both[1], b.fit.noise, curve)
            made = [
                grown(sources, (a, b), adaptive, rng, _name(a.trajectory, question, i), found.correlation)
                for i in range(replicates)
            ]
        else:
            made = named(both, together(a, b, curve, found.correlation, rng, replicates), question)
        designs.append(Simulation(question, "lag", tuple(made), Truth(lag=float(np.log(10.0) * apart))))
    return designs, reason


def grown(
    sources: tuple[Source, ...], of: tuple[Analysis, ...], adaptive: Adaptive, rng: np.random.Generator, name: str,
    correlation: float = 0.0,
) -> tuple[Trajectory, ...]:  # fmt: skip
    """Draw one replicate of a run with adaptive checkpoints; ``of`` are the analyses that the sources come from."""
    watched = adaptive.watched
    own = next((s for s, a in zip(sources, of, strict=True) if a.trajectory.key == watched.trajectory.key), None)
    deciding = own or Source(template(watched.trajectory), watched.fit.noise, watched.fit.curve)
    return drawn(adaptive.design, sources, deciding, rng, name, correlation)


def named(series: tuple[Trajectory, ...], scores: tuple[Array, ...], question: str) -> list[tuple[Trajectory, ...]]:
    """Return the replicates that scores (n, B) at the series' own checkpoints are."""
    return [
        tuple(replace(t, run=_name(series[0], question, i), y=y[:, i]) for t, y in zip(series, scores, strict=True))
        for i in range(scores[0].shape[1])
    ]


def _name(t: Trajectory, question: str, i: int) -> str:
    """Return the name of a replicate, which its generators follow from."""
    return f"{t.run} {question} {i}"


def answered(
    designs: Sequence[Simulation], options: Options, jobs: int, progress: Progress | None
) -> Iterator[dict[str, Figure]]:
    """Yield the figures of each design, in order, once all are worked off."""
    tasks = []
    for i, design in enumerate(designs):
        for first in range(0, len(design.replicates), BLOCK):
            part = design.replicates[first : first + BLOCK]
            tasks.append(Work(i, replace(design, replicates=part), options))
    done, total = 0, sum(len(design.replicates) for design in designs)
    found: list[list[dict[str, float]]] = [[] for _ in designs]
    for i, answers in spread(worked, tasks, jobs):
        found[i] += answers
        done += len(answers)
        if progress is not None:
            last = designs[i].replicates[0][-1]
            progress(done, total, f"{last.run.partition(f' {designs[i].question} ')[0]} {last.metric}")
    for design, answers in zip(designs, found, strict=True):
        yield figures(columns(answers), design.ask, design.truth, options.level)


def worked(work: Work) -> tuple[int, list[dict[str, float]]]:
    """Analyse some replicates."""
    return work.of, [answer(series, work.design.ask, work.options) for series in work.design.replicates]
