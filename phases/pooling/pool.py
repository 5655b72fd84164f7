"""Pooling a cube: over pairs, languages, mixes and sizes, with seeds as replicates and one primary test a size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from calque.data.cube import validate
from calque.data.errors import UserError, shown
from calque.data.metrics import LOGPROB_OF
from calque.phases.detection.detect import detect
from calque.phases.pooling.across_runs import last_tokens, own_row, run_ends, seed_rows, taken_as_replicates
from calque.phases.pooling.mixed_model import MixedEffects, pool_mixed
from calque.phases.pooling.modes import adjusted_modes, seed_modes
from calque.phases.pooling.pairs import FEWEST_LANGUAGES, PooledTimes, pool_deleted, pool_pairs
from calque.phases.pooling.questions import Question, check_poolable, firsts_of
from calque.phases.pooling.results import PairTest, Pooled, PoolReport, SeedModes, SizeTest
from calque.phases.pooling.rows import mixed_row, run_row, size_rows
from calque.phases.pooling.seeds import cannot_be_claimed
from calque.phases.pooling.tests import p_later, pair_tests, size_tests, sizes_out_of_reach
from calque.phases.pooling.times import collect, label, lags, pairs_by_group, takeoffs
from calque.phases.processes import Progress, one_thread
from calque.phases.results import DetectionReport, Transition
from calque.phases.series.conditions import Condition
from calque.phases.series.metric_series import item_mask
from calque.phases.series.metrics import available, chosen
from calque.phases.settings import Settings


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """Settings of pooling.

    Attributes
    ----------
    metrics : tuple of str
        Metrics with dimensions source and target.
    estimands : tuple of {"takeoff", "lag"}
        What is pooled of each metric.
    over : {"pair", "language", "seed"}
        ``pair``: every directed pair is a series, their log times are pooled. ``language``: the run's one series is
        located again without each language. ``seed``: the run's one series, of any metric; runs are the replicates.
    primary : Question
        The one test a size that is not adjusted for others.
    boot, seed, level, rise, scale
        As in :class:`calque.phases.detection.detect.Settings`.
    """

    metrics: tuple[str, ...] = ("translation",)
    estimands: tuple[str, ...] = ("takeoff",)
    over: str = "pair"
    primary: Question = Question("translation", "delay")
    boot: int = 99
    seed: int = 0
    level: float = 0.95
    rise: float = 0.05
    scale: str = "log"

    def detection(self, metrics: tuple[str, ...], by: tuple[str, ...]) -> Settings:
        """Return the settings of the detection of ``metrics``, split ``by`` run or pair."""
        return Settings(
            metrics=metrics, by=by, boot=self.boot, seed=self.seed, level=self.level, rise=self.rise,
            scale="linear" if self.scale == "linear" else "log",
        )  # fmt: skip

    def wanted(self) -> tuple[Question, ...]:
        """Return what is pooled: takeoffs, and lags from each first metric."""
        out = [Question(m, "takeoff") for m in self.metrics if "takeoff" in self.estimands]
        out += [Question(m, "lag", f) for m in self.metrics if "lag" in self.estimands for f in firsts_of(m)]
        if self.primary.estimand == "lag" and self.primary not in out:
            out.append(self.primary)
        return tuple(out)

    def questions(self) -> tuple[Question, ...]:
        """Return the tests, the primary one first: delay of every metric, and what is pooled."""
        out = [self.primary, *(Question(m, "delay") for m in self.metrics), *self.wanted()]
        return tuple(dict.fromkeys(out))


@one_thread
def pool(
    cube: xr.Dataset, settings: PoolSettings = PoolSettings(), progress: Progress | None = None, name: str = "cube",
    jobs: int = 1,
) -> PoolReport:  # fmt: skip
    """Pool the takeoffs and lags of a cube.

    Parameters
    ----------
    cube : xarray.Dataset
        Cube with metrics over source and target.
    settings : PoolSettings
        Metrics, estimands and the primary test.
    progress : callable, optional
        Called with series done, series in all, and what is located.
    name : str
        Name of the cube in the report and in errors.
    jobs : int
        Number of processes.

    Raises
    ------
    UserError
        When the cube has too few languages, or a metric no pairs.
    """
    cube = validate(cube, name)
    if settings.over not in ("pair", "language", "seed"):
        raise UserError(f"`over` is {shown(settings.over)}; expected pair, language or seed")
    for estimand in settings.estimands:
        if estimand not in ("takeoff", "lag"):
            raise UserError(f"`estimand` has {shown(estimand)}; expected takeoff or lag")
    wanted = settings.wanted()
    metrics = tuple(
        dict.fromkeys([*settings.metrics, settings.primary.metric, *(q.first for q in wanted if q.first is not None)])
    )
    if settings.over == "seed":
        chosen(cube, metrics)
    else:
        check_poolable(cube, metrics, FEWEST_LANGUAGES)
    # detection needs a metric's log-probability to label a delayed start as metric-dependent
    companions = [LOGPROB_OF[m] for m in metrics if LOGPROB_OF.get(m) in available(cube)]
    with_companions = tuple(dict.fromkeys([*metrics, *companions]))
    whole = detect(
        cube, settings.detection(with_companions, ("run",)), _named(progress, "whole runs"), name, jobs, False
    )
    designs = [Condition.of(cube, str(run)) for run in cube["run"].values]
    last = last_tokens(cube)
    rows: list[Pooled] = []
    pairs: list[PairTest] = []
    modes: list[SeedModes] = []
    notes_of_pairs: tuple[str, ...] = ()
    pooled: dict[tuple[str, Question], tuple[PooledTimes, tuple[str, ...]]] = {}
    later: dict[tuple[str, Question], float | None] = {}
    if settings.over == "seed":
        for q in wanted:
            rows += _own_rows(whole, designs, q, settings.level)
            ends = run_ends(whole, q, last)
            rows += seed_rows(designs, q, ends, settings.level)
            modes += seed_modes(designs, q, ends, settings.level)
            if q.first is not None:
                later |= {(run, q): p for run, p in _lags_later(whole, q).items()}
    elif settings.over == "pair":
        by_pair = detect(cube, settings.detection(metrics, ("pair",)), progress, name, jobs)
        groups, notes_of_pairs = pairs_by_group(cube), by_pair.notes
        at = {(t.run, t.metric, t.group): t for t in by_pair.transitions if t.estimand == "takeoff"}
        pairs = pair_tests(by_pair, settings.metrics, groups)
        for q in wanted:
            for d in designs:

                def takeoff(metric: str, group: str, run: str = d.run) -> Transition | None:
                    return at.get((run, metric, group))

                found = (
                    takeoffs(by_pair.transitions, d.run, q.metric, groups, last[d.run])
                    if q.first is None
                    else lags(by_pair.lags, d.run, q.first, q.metric, groups, last[d.run], takeoff)
                )
                times, missing, names = collect(found)
                one = pool_pairs(times, settings.level)
                pooled[d.run, q] = one, names
                rows.append(run_row(d, q, one, settings.level, missing))
                second: MixedEffects = pool_mixed(times, settings.level, settings.seed)
                rows.append(mixed_row(d, q, second, one, settings.level, missing))
    else:
        for d, q, one, names in _over_languages(cube, settings, metrics, whole, designs, wanted, progress, name, jobs):
            pooled[d.run, q] = one, names
            rows.append(run_row(d, q, one, settings.level, None))
    for q in wanted if pooled else ():
        rows += size_rows(designs, q, {d.run: pooled[d.run, q] for d in designs}, settings.level)
    later |= {(run, q): p_later(one.interval) for (run, q), (one, _) in pooled.items() if q.first is not None}
    tests: list[SizeTest] = size_tests(designs, settings.questions(), settings.primary, whole, later, settings.level)
    return PoolReport(
        cube=name,
        settings={
            "metrics": list(settings.metrics), "estimands": list(settings.estimands), "over": settings.over,
            "boot": settings.boot, "seed": settings.seed, "level": settings.level, "rise": settings.rise,
            "scale": settings.scale,
        },
        primary=str(settings.primary),
        pooled=tuple(rows),
        tests=tuple(tests),
        pairs=tuple(pairs),
        modes=adjusted_modes(modes, settings.level),
        cannot_be_claimed=_not_claimed(designs),
        notes=(
            *(whole.notes if settings.over == "seed" else notes_of_pairs),
            *taken_as_replicates(designs),
            *sizes_out_of_reach(tests, settings.boot, settings.level),
        ),
    )  # fmt: skip


def _own_rows(whole: DetectionReport, designs: list[Condition], q: Question, level: float) -> list[Pooled]:
    """Return the takeoff or lag of every run with its own interval."""
    if q.first is None:
        return [own_row(d, q, whole.of(d.run, q.metric, "takeoff"), level) for d in designs]
    lags = {lag.run: lag for lag in whole.lags if (lag.first, lag.second) == (q.first, q.metric)}
    return [own_row(d, q, lags.get(d.run), level) for d in designs]


def _lags_later(whole: DetectionReport, q: Question) -> dict[str, float | None]:
    """Return the p-value of a later second metric of every run; 1 where it is earlier."""
    of = [lag for lag in whole.lags if (lag.first, lag.second) == (q.first, q.metric)]
    return {lag.run: 1.0 if lag.log_ratio is not None and lag.log_ratio <= 0 else lag.p_value for lag in of}


def _over_languages(
    cube: xr.Dataset, settings: PoolSettings, metrics: tuple[str, ...], whole: DetectionReport,
    designs: list[Condition], wanted: tuple[Question, ...], progress: Progress | None, name: str, jobs: int,
) -> list[tuple[Condition, Question, PooledTimes, tuple[str, ...]]]:  # fmt: skip
    """Return the takeoffs and lags of every run, relocated without each of its languages and pooled."""
    languages = {d.run: languages_of(cube.sel(run=d.run), metrics[0]) for d in designs}
    all_names = tuple(sorted({n for names in languages.values() for n in names}))
    without: dict[str, DetectionReport] = {}
    for i, left_out in enumerate(all_names):
        runs = [d.run for d in designs if left_out in languages[d.run]]
        part = _drop_language(cube.sel(run=runs), left_out)
        shown = _named(progress, f"without {left_out} ({i + 1} of {len(all_names)})")
        without[left_out] = detect(part, settings.detection(metrics, ("run",)), shown, name, jobs, False)
    out = []
    for q in wanted:
        for d in designs:
            names = languages[d.run]
            deleted = np.array([_log_time(without[n], d.run, q) for n in names])
            out.append((d, q, pool_deleted(_log_time(whole, d.run, q), deleted, settings.level), names))
    return out


def languages_of(one: xr.Dataset, metric: str) -> tuple[str, ...]:
    """Return the sorted languages that are source or target of an item of ``metric`` in ``one``, a cube of one run."""
    mask = item_mask(one, metric) if "translation_outcome" in one else one[metric].notnull()
    names = set()
    for dim in ("source", "target"):
        used = np.asarray(mask.any([d for d in mask.dims if d != dim]))
        names |= {label(one, dim, int(i)) for i in np.flatnonzero(used)}
    return tuple(sorted(names))


def _drop_language(cube: xr.Dataset, name: str) -> xr.Dataset:
    for dim in ("source", "target"):
        keep = [i for i in range(cube.sizes[dim]) if label(cube, dim, i) != name]
        if dim not in cube.coords:
            cube = cube.assign_coords({dim: [str(i) for i in range(cube.sizes[dim])]})
        cube = cube.isel({dim: keep})
    return cube


def _log_time(report: DetectionReport, run: str, q: Question) -> float:
    if q.first is not None:
        for lag in report.lags:
            if (lag.run, lag.first, lag.second) == (run, q.first, q.metric) and lag.log_ratio is not None:
                return lag.log_ratio
        return math.nan
    row = report.of(run, q.metric, "takeoff")
    return math.log(row.tokens) if row is not None and row.tokens else math.nan


def _named(progress: Progress | None, what: str) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, series: progress(done, total, f"{what}: {series}")


def _not_claimed(designs: list[Condition]) -> tuple[str, ...]:
    seen: dict[tuple[str | None, str | None, str | None], int] = {}
    for d in designs:
        seen[d.cell] = seen.get(d.cell, 0) + 1
    out: list[str] = []
    for cell, n in seen.items():
        out += cannot_be_claimed(" ".join(str(v) for v in cell if v is not None) or "the cube", n)
    return tuple(out)
