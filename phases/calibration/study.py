"""A study's own design: its checkpoints, trials, noise and fitted curves simulated, and analysed again.

Of every series: the delay test's **size**, around the concave curve nearest to the data; its **power**, and takeoff's
coverage and width, around the fitted curve. Of every lag: its size, with the second curve moved along training until
it takes off with the first, and its power and coverage as fitted (:mod:`calque.phases.calibration.simulations`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from calque.phases.adaptive.record import AdaptiveDesign
from calque.phases.calibration.cost import in_words
from calque.phases.calibration.outcomes import Figure, Options, answer, columns, figures, reported
from calque.phases.calibration.simulations import Adaptive, Simulation, of_pair, of_series
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.processes import Progress, spread
from calque.phases.results import Refusal
from calque.phases.series.trajectory import Trajectory
from calque.phases.wording import series_words

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
class Work:
    """Some replicates of the design at position ``of``: the task of another process."""

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
    series : sequence of Trajectory
        Series of the study.
    pairs : sequence of (first, second)
        Metrics whose lag is calibrated.
    options : Options
        Seed, and settings of the statistics.
    replicates : int
        Simulated series a question.
    jobs : int
        Number of processes.
    progress : callable, optional
        Called with the number done, the number in all, and the name of the series.
    adaptive : mapping of run to (AdaptiveDesign, Trajectory), optional
        Of runs whose checkpoints were adaptive: the record, and the series of the metric that was watched.
    """
    by_run = {run: _adaptive(design, t, options) for run, (design, t) in (adaptive or {}).items()}
    planned: list[tuple[Calibrated, list[Simulation]]] = []
    fits: dict[tuple[str, str, str], Analysis | Refusal] = {}
    for i, t in enumerate(series):
        if progress is not None:
            progress(i, len(series), f"fitting {series_words(t.run, t.group, t.metric)}")
        a = analyse(t, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed)
        fits[t.run, t.group, t.metric] = a
        row = Calibrated(run=t.run, group=t.group, metric=t.metric)
        if isinstance(a, Refusal):
            planned.append((replace(row, reason="too few checkpoints, or a score that never changes"), []))
        else:
            reason = "" if reported(a, options.level) else UNREPORTED
            planned.append((replace(row, reason=reason), of_series(a, options, replicates, by_run.get(t.run))))
    for run, group in dict.fromkeys((t.run, t.group) for t in series):
        for first, second in pairs:
            if (run, group, first) in fits and (run, group, second) in fits:
                both = fits[run, group, first], fits[run, group, second]
                designs, reason = of_pair(*both, options, replicates, by_run.get(run))
                row = Calibrated(run=run, group=group, metric=first, second=second, reason=reason)
                planned.append((row, designs))
    found = answered([design for _, designs in planned for design in designs], options, jobs, progress)
    rows = []
    for row, designs in planned:
        for design in designs:
            made = next(found)
            row = replace(row, null=made) if design.question == "null" else replace(row, fitted=made)
        rows.append(row)
    return rows


def _adaptive(design: AdaptiveDesign, watched: Trajectory, options: Options) -> Adaptive | None:
    a = analyse(watched, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed)
    return None if isinstance(a, Refusal) else Adaptive(design, a)


def answered(
    designs: Sequence[Simulation], options: Options, jobs: int, progress: Progress | None
) -> Iterator[dict[str, Figure]]:
    """Yield the figures of each design, in order, once all are analysed.

    Parameters
    ----------
    designs : sequence of Simulation
        Questions with their simulated replicates.
    options : Options
        Seed, and settings of the statistics.
    jobs : int
        Number of processes.
    progress : callable, optional
        Called with replicates done, replicates in all, and the name of the series.
    """
    tasks = []
    for i, design in enumerate(designs):
        for first in range(0, len(design.replicates), BLOCK):
            part = design.replicates[first : first + BLOCK]
            tasks.append(Work(i, replace(design, replicates=part), options))
    done, total = 0, sum(len(design.replicates) for design in designs)
    found: list[list[dict[str, float]]] = [[] for _ in designs]
    if progress is not None:
        once = [partial(answer, design.replicates[0], design.ask, options) for design in designs]
        work = [(d.ask, len(d.replicates), first) for d, first in zip(designs, once, strict=True)]
        progress(0, total, in_words(work, jobs))
    for i, answers in spread(analysed, tasks, jobs):
        found[i] += answers
        done += len(answers)
        if progress is not None:
            last = designs[i].replicates[0][-1]
            progress(done, total, f"{last.run.partition(f' {designs[i].question} ')[0]} {last.metric}")
    for design, answers in zip(designs, found, strict=True):
        yield figures(columns(answers), design.ask, design.truth, options.level)


def analysed(work: Work) -> tuple[int, list[dict[str, float]]]:
    """Analyse the replicates of ``work``; return the position of its design, and a dict of answers a replicate."""
    return work.of, [answer(series, work.design.ask, work.options) for series in work.design.replicates]
