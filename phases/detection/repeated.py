"""Tests asked once more: with as many replicates as adjusting for many tests needs, and lags between parts of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from calque.phases.detection.fitting import delay_alone
from calque.phases.detection.group import analysed, dictionary_of, pair_row
from calque.phases.detection.judge import rows
from calque.phases.detection.judge_pair import lag_row
from calque.phases.isolation import isolated
from calque.phases.processes import spread
from calque.phases.results import Lag, Refusal, Transition
from calque.phases.series.lag_pairs import LagPairs, shown_name
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.many_tests import Key, Raised, SeriesTests, raised, with_adjusted_lags, with_roles
from calque.phases.wording_of_tests import many_tests_note, replicates_note, with_p

WORTH_SPREADING = 10
"""Repeated tests that are worth the start of further processes."""
SeriesByKey = Mapping[Key, Trajectory]


@dataclass(frozen=True)
class LagTask:
    """A lag of two series of one run: what is asked, the replicates of the lag itself, and its names if not metrics."""

    first: Trajectory
    second: Trajectory
    settings: Settings
    boot: int
    names: tuple[str, str] | None = None


def by_key(series: Sequence[Trajectory]) -> dict[Key, Trajectory]:
    """Return series by run, group and metric.

    Parameters
    ----------
    series : sequence of Trajectory
        Of a cube.
    """
    return {(t.run, t.group, t.metric): t for t in series}


def decided_rows(
    found: Sequence[Transition], primary: str, declared: bool, series: SeriesByKey | None, settings: Settings, jobs: int
) -> tuple[list[Transition], tuple[str, ...]]:  # fmt: skip
    """Return the rows of a report with the outcomes that follow from adjusted p-values, and notes.

    Parameters
    ----------
    found : sequence of Transition
        Rows with the outcomes that follow from each p-value by itself.
    primary : str
        The metric whose test is primary.
    declared : bool
        Whether it was declared; else it is the default.
    series : mapping of (run, group, metric) to Trajectory, optional
        What they are of; no test is repeated with more replicates when None.
    settings : Settings
        What was asked.
    jobs : int
        Processes.
    """
    result = Raised([], {})
    if series is not None:
        found, result = repeated_delays(found, primary, series, settings, jobs)
    tests = SeriesTests.of(found, primary)
    count, first = len(tests.exploratory), primary if tests.has_primary else None
    notes = many_tests_note(first, declared, count, result.counts) if count > (first is None) else ()
    return with_roles(found, primary, settings.level), notes


def decided_lags(
    found: Sequence[Lag], series: SeriesByKey, pairs: LagPairs, settings: Settings, jobs: int
) -> tuple[list[Lag], tuple[str, ...]]:  # fmt: skip
    """Return the lags of a report with the outcomes that follow from adjusted p-values, and notes.

    Parameters
    ----------
    found : sequence of Lag
        Lags with the outcomes that follow from each interval by itself.
    series : mapping of (run, group, metric) to Trajectory
        What they are between.
    pairs : LagPairs
        What was asked.
    settings : Settings
        What was asked of the cube.
    jobs : int
        Processes.
    """
    lags, result = repeated_lags(found, series, pairs, settings, jobs)
    return with_adjusted_lags(lags, settings.level), replicates_note("lag", result.counts)


def repeated_delays(
    found: Sequence[Transition], primary: str, series: SeriesByKey, settings: Settings, jobs: int
) -> tuple[list[Transition], Raised]:
    """Return rows whose exploratory delay tests have as many replicates as adjusting needs, and what was repeated.

    Parameters
    ----------
    found : sequence of Transition
        Rows of a report.
    primary : str
        The metric whose test is primary.
    series : mapping of (run, group, metric) to Trajectory
        What they are of.
    settings : Settings
        What was asked.
    jobs : int
        Processes.
    """
    tests = SeriesTests.of(found, primary)
    keys = tests.exploratory

    def again(positions: Sequence[int], boot: int) -> dict[int, float]:
        tasks = [(i, series[keys[i]], replace(settings, boot=boot)) for i in positions]
        done = spread(_delay, tasks, jobs if len(tasks) >= WORTH_SPREADING else 1)
        return {i: p for i, p in done if p is not None}

    result = raised([tests.p_values[key] for key in keys], settings.boot, settings.level, again)
    new = {keys[i]: result.p_values[i] for i in result.replicates}
    out = [
        with_p(row, p) if row.estimand == "delay" and (p := new.get((row.run, row.group, row.metric))) else row
        for row in found
    ]
    return out, result


def _delay(task: tuple[int, Trajectory, Settings]) -> tuple[int, float | None]:
    i, t, s = task

    def p_value() -> float | None:
        grid = dictionary_of(t.tokens.tobytes(), s.scale)
        found = delay_alone(t, boot=s.boot, level=s.level, seed=s.seed, dictionary=grid)
        return None if found is None or isinstance(found, Refusal) else found.p_value

    return i, isolated(p_value, lambda _: None)


def lags_between(pairs: LagPairs, series: SeriesByKey, settings: Settings, jobs: int) -> list[Lag]:
    """Return the lags between two parts of a run, for every run that has both.

    Parameters
    ----------
    pairs : LagPairs
        What is asked.
    series : mapping of (run, group, metric) to Trajectory
        What is analysed.
    settings : Settings
        What was asked of the cube.
    jobs : int
        Processes.
    """
    tasks = [
        (i, LagTask(series[run, *one], series[run, *other], settings, settings.boot, _names(one, other)))
        for i, (run, one, other) in enumerate(
            (run, one, other)
            for one, other in pairs.between
            for run in dict.fromkeys(run for run, _, _ in series)
            if (run, *one) in series and (run, *other) in series
        )
    ]
    done = dict(spread(_lag, tasks, jobs if len(tasks) >= WORTH_SPREADING else 1))
    return [done[i] for i in range(len(tasks))]


def _names(one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
    return shown_name(one), shown_name(other)


def _lag(task: tuple[int, LagTask]) -> tuple[int, Lag]:
    i, asked = task
    first, second = (analysed(t, asked.settings) for t in (asked.first, asked.second))
    usable = {
        shown_name((a.trajectory.group, a.trajectory.metric)) if asked.names else a.trajectory.metric
        for a in (first, second)
        if any(r.estimand == "takeoff" and r.tokens is not None for r in rows(a, asked.settings.level))
    }
    settings = replace(asked.settings, boot=asked.boot)
    return i, pair_row(partial(lag_row, names=asked.names), first, second, usable, settings)


def repeated_lags(
    found: Sequence[Lag], series: SeriesByKey, pairs: LagPairs, settings: Settings, jobs: int
) -> tuple[list[Lag], Raised]:
    """Return lags with as many replicates as adjusting for all of them needs, and what was repeated.

    Parameters
    ----------
    found : sequence of Lag
        Lags of a report.
    series : mapping of (run, group, metric) to Trajectory
        What they are between.
    pairs : LagPairs
        What was asked.
    settings : Settings
        What was asked of the cube.
    jobs : int
        Processes.
    """
    parts = {_names(one, other): (one, other) for one, other in pairs.between}
    tested = [i for i, lag in enumerate(found) if lag.p_value is not None]
    out = list(found)

    def task(lag: Lag, boot: int) -> LagTask:
        names = (lag.first, lag.second)
        if names in parts and not lag.group:
            one, other = parts[names]
            return LagTask(series[lag.run, *one], series[lag.run, *other], settings, boot, names)
        first, second = (series[lag.run, lag.group, name] for name in names)
        return LagTask(first, second, settings, boot)

    def again(positions: Sequence[int], boot: int) -> dict[int, float]:
        tasks = [(i, task(found[tested[i]], boot)) for i in positions]
        new: Iterator[tuple[int, Lag]] = spread(_lag, tasks, jobs if len(tasks) >= WORTH_SPREADING else 1)
        p = {}
        for i, lag in new:
            if lag.p_value is not None:
                out[tested[i]], p[i] = lag, lag.p_value
        return p

    result = raised([found[i].p_value or 0.0 for i in tested], settings.boot, settings.level, again)
    return out, result
