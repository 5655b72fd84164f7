"""One group of a run: all its series, then their lags and crossovers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np

from calque.data.metrics import CROSSOVERS, LAGS, LOGPROB_OF
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.influence import label_influence
from calque.phases.detection.judge import rows
from calque.phases.detection.judge_pair import crossover_row, lag_row
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Curve, Lag, Outcome, Refusal, Transition, isolated
from calque.phases.series.axis import Axis, Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.wording import hangs

Row = TypeVar("Row", Transition, Lag)


@dataclass(frozen=True)
class GroupResult:
    """What one group of a run gave; the fits behind it are not kept."""

    transitions: list[Transition]
    lags: list[Lag]
    curves: list[Curve]


def judge_group(series: Sequence[Trajectory], settings: Settings) -> GroupResult:
    """Analyse the series of one group of a run and judge them together.

    Parameters
    ----------
    series : sequence of Trajectory
        Its metrics, at most one of each.
    settings : Settings
        What is asked of the cube.
    """
    by_metric = {t.metric: analysed(t, settings) for t in series}
    transitions, lags = _of_group(by_metric, settings)
    return GroupResult(transitions, lags, [_curve(a) for a in by_metric.values()])


def analysed(t: Trajectory, settings: Settings) -> Analysis | Refusal:
    """Analyse one series, with the dictionary of its schedule.

    A failure of its numbers is its own outcome, ``not_converged``: the other series of a cube do not depend on it.

    Parameters
    ----------
    t : Trajectory
        The series.
    settings : Settings
        What is asked of the cube.
    """

    def work() -> Analysis | Refusal:
        grid = dictionary_of(t.tokens.tobytes(), settings.scale) if t.n >= 2 else None
        return analyse(
            t, rise=settings.rise, boot=settings.boot, level=settings.level, seed=settings.seed, scale=settings.scale,
            dictionary=grid,
        )  # fmt: skip

    return isolated(work, lambda why: Refusal(trajectory=t, outcome=Outcome.NOT_CONVERGED, reason=why))


@lru_cache(maxsize=8)
def dictionary_of(tokens: bytes, scale: Scale) -> Dictionary:
    """Return the dictionary of one schedule, built once a process.

    Parameters
    ----------
    tokens : bytes
        Tokens of the checkpoints, the buffer of an array of float64, (n,).
    scale : {"log", "linear"}
        Axis that shapes live on.
    """
    return Dictionary(Axis.of(np.frombuffer(tokens), scale))


def _of_group(by_metric: dict[str, Analysis | Refusal], settings: Settings) -> tuple[list[Transition], list[Lag]]:
    again = partial(analysed, settings=settings)
    found = {m: label_influence(a, rows(a, settings.level), again, settings.level) for m, a in by_metric.items()}
    for metric, companion in LOGPROB_OF.items():
        if metric in found and companion in found:
            found[metric] = _checked(found[metric], by_metric[companion], companion, settings.level)
    transitions = [
        replace(row, reason=f"{row.reason}; {hangs(row)}") if hangs(row) else row for m in found for row in found[m]
    ]
    lags = []
    usable = {m for m in by_metric if _has_takeoff(found[m])}
    for first, second in CROSSOVERS:
        if first in by_metric and second in by_metric:
            transitions.append(_pair(crossover_row, by_metric[first], by_metric[second], usable, settings))
    for first, second in LAGS:
        if first in by_metric and second in by_metric:
            lags.append(_pair(lag_row, by_metric[first], by_metric[second], usable, settings))
    return transitions, lags


def _pair(
    row: Callable[[Analysis | Refusal, Analysis | Refusal, Collection[str], Settings], Row], first: Analysis | Refusal,
    second: Analysis | Refusal, usable: Collection[str], settings: Settings,
) -> Row:  # fmt: skip
    """Return a row of two series; where their joint numbers fail, the row of series that failed."""

    def failed(why: str) -> Row:
        one, two = (
            Refusal(trajectory=a.trajectory, outcome=Outcome.NOT_CONVERGED, reason=why) for a in (first, second)
        )
        return replace(row(one, two, (), settings), outcome=Outcome.NOT_CONVERGED, reason=why)

    return isolated(lambda: row(first, second, usable, settings), failed)


def _has_takeoff(found: Sequence[Transition]) -> bool:
    return any(t.estimand == "takeoff" and t.tokens is not None for t in found)


def _checked(found: list[Transition], companion: Analysis | Refusal, name: str, level: float) -> list[Transition]:
    """Label a delayed start metric-dependent when the log-probability rises and no delayed start of it is shown."""
    delay = None if isinstance(companion, Refusal) else companion.delay
    if delay is None or delay.p_rise > 1 - level or delay.p_value <= 1 - level:
        return found
    out = []
    for t in found:
        if t.estimand in ("delay", "takeoff") and t.outcome == Outcome.FOUND:
            note = f"; but {name} rises and shows no delayed start (p = {delay.p_value:.2g}): depends on the metric"
            t = replace(t, outcome=Outcome.METRIC_DEPENDENT, reason=t.reason + note)
        if t.estimand in ("delay", "takeoff") and t.without_outcome == Outcome.FOUND:
            t = replace(t, without_outcome=Outcome.METRIC_DEPENDENT)
        out.append(t)
    return out


def _curve(a: Analysis | Refusal) -> Curve:
    t = a.trajectory
    sign = -1.0 if t.falls else 1.0
    fitted_tokens = fitted = None
    origin, unit = 0.0, 1.0
    if isinstance(a, Analysis):
        origin, unit = a.origin, a.unit
        x = a.fit.axis.dense()
        x = x[x >= a.fit.axis.first]
        fitted_tokens = a.fit.axis.to_tokens(x)
        shape = a.fit.candidates.at(x, np.array([a.fit.best]))[:, 0]
        scaled = float(a.fit.curve[0]) + a.fit.amplitude[a.fit.best] * shape
        fitted = sign * (origin + unit * scaled)
    y = sign * (origin + unit * t.y)
    return Curve(
        run=t.run, group=t.group, metric=t.metric, tokens=t.tokens, y=y, counts=t.proportion,
        fitted_tokens=fitted_tokens, fitted=fitted, units=t.units,
    )  # fmt: skip
