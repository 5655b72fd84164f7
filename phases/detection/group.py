"""One group of a run: all its series, then their lags and crossovers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np

from calque.data.metrics import CROSSOVERS, LAGS, LOGPROB_OF
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.fit_marks import described, marked
from calque.phases.detection.fitting import rise_shown
from calque.phases.detection.influence import label_influence
from calque.phases.detection.judge import rows
from calque.phases.detection.judge_pair import crossover_row, lag_row
from calque.phases.detection.locations import takeoff_likelihood
from calque.phases.detection.schedule_marks import label_changes
from calque.phases.diagnosis import Diagnosis
from calque.phases.diagnostics.fit_test import diagnose
from calque.phases.dictionary.grid import Dictionary
from calque.phases.generators import generator
from calque.phases.isolation import isolated
from calque.phases.likelihood import TakeoffLikelihood
from calque.phases.results import Curve, Lag, Outcome, Refusal, Transition
from calque.phases.series.axis import Axis, Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.wording import hangs

Row = TypeVar("Row", Transition, Lag)


@dataclass(frozen=True)
class GroupResult:
    """What one group of a run gave; the fits behind it are not kept.

    ``told`` is, by metric, the share of the gain that tells growth from noise that lasts as long as the run;
    ``too_persistent`` are the metrics that are refused for such noise.
    """

    transitions: list[Transition]
    lags: list[Lag]
    curves: list[Curve]
    diagnostics: list[Diagnosis]
    likelihoods: list[TakeoffLikelihood]
    told: dict[str, float]
    too_persistent: tuple[str, ...]


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
    found = {m: d for m, a in by_metric.items() if (d := _diagnosis(a, settings)) is not None}
    transitions, lags = _of_group(by_metric, found, settings)
    asked = (_likelihood(a, transitions, settings.level) for a in by_metric.values())
    likelihoods = [one for one in asked if one is not None]
    shares = {m: _told(a) for m, a in by_metric.items()}
    refused = tuple(
        m for m, a in by_metric.items() if isinstance(a, Refusal) and a.outcome == Outcome.NOISE_TOO_PERSISTENT
    )
    return GroupResult(
        transitions, lags, [_curve(a) for a in by_metric.values()], list(found.values()), likelihoods,
        {m: share for m, share in shares.items() if share is not None}, refused,
    )  # fmt: skip


def _told(a: Analysis | Refusal) -> float | None:
    return a.told if isinstance(a, Refusal) else a.fit.told


def _diagnosis(a: Analysis | Refusal, settings: Settings) -> Diagnosis | None:
    """Return whether the model of a series fits; None where it was not fitted, or its numbers fail."""
    if isinstance(a, Refusal):
        return None
    rng = generator(settings.seed, "diagnostics", a.trajectory.key)
    return isolated(lambda: diagnose(a.fit, rng, settings.boot, a.unit), lambda _: None)


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


def _of_group(
    by_metric: dict[str, Analysis | Refusal], diagnostics: dict[str, Diagnosis], settings: Settings
) -> tuple[list[Transition], list[Lag]]:
    again = partial(analysed, settings=settings)
    found = {m: label_influence(a, rows(a, settings.level), again, settings.level) for m, a in by_metric.items()}
    found = {m: label_changes(by_metric[m], of, again, settings.level) for m, of in found.items()}
    for metric, companion in LOGPROB_OF.items():
        if metric in found and companion in found:
            found[metric] = _checked(found[metric], by_metric[companion], companion, settings.level)
    for metric, rows_of in found.items():
        found[metric] = marked(described(rows_of, by_metric[metric]), diagnostics.get(metric))
    transitions = [
        replace(row, reason="; ".join(part for part in (row.reason, row.at_change or "", hangs(row)) if part))
        for m in found for row in found[m]
    ]  # fmt: skip
    lags = []
    usable = {m for m in by_metric if _has_takeoff(found[m])}
    for first, second in CROSSOVERS:
        if first in by_metric and second in by_metric:
            transitions.append(pair_row(crossover_row, by_metric[first], by_metric[second], usable, settings))
    for first, second in LAGS if settings.lags is None else settings.lags:
        if first in by_metric and second in by_metric:
            lags.append(pair_row(lag_row, by_metric[first], by_metric[second], usable, settings))
    return transitions, lags


def pair_row(
    row: Callable[[Analysis | Refusal, Analysis | Refusal, Collection[str], Settings], Row], first: Analysis | Refusal,
    second: Analysis | Refusal, usable: Collection[str], settings: Settings,
) -> Row:  # fmt: skip
    """Return a row of two series; where their joint numbers fail, the row of series that failed.

    Parameters
    ----------
    row : callable
        Makes the row.
    first, second : Analysis or Refusal
        The two series.
    usable : collection of str
        Names of the series whose takeoff the report gives.
    settings : Settings
        What is asked of the cube.
    """

    def failed(why: str) -> Row:
        one, two = (
            Refusal(trajectory=a.trajectory, outcome=Outcome.NOT_CONVERGED, reason=why) for a in (first, second)
        )
        return replace(row(one, two, (), settings), outcome=Outcome.NOT_CONVERGED, reason=why)

    return isolated(lambda: row(first, second, usable, settings), failed)


def _likelihood(
    a: Analysis | Refusal, transitions: Sequence[Transition], level: float
) -> TakeoffLikelihood | None:  # fmt: skip
    """Return the likelihood of a takeoff that has a row with a time or a bound; none of a score without a rise."""
    name = a.trajectory.metric
    told = any(
        t.estimand == "takeoff" and t.metric == name and (t.tokens, t.low, t.high) != (None, None, None)
        for t in transitions
    )
    return takeoff_likelihood(a, level) if told and isinstance(a, Analysis) else None


def _has_takeoff(found: Sequence[Transition]) -> bool:
    return any(t.estimand == "takeoff" and t.tokens is not None for t in found)


def _checked(found: list[Transition], companion: Analysis | Refusal, name: str, level: float) -> list[Transition]:
    """Label a delayed start metric-dependent when the log-probability rises and no delayed start of it is shown."""
    if isinstance(companion, Refusal) or not rise_shown(companion.fit, companion.p_rise, level):
        return found
    delay = companion.delay
    if delay is None or delay.p_value <= 1 - level:
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
    whole = t if isinstance(a, Refusal) or a.dip is None else a.dip.whole
    y = sign * (origin + unit * whole.y)
    return Curve(
        run=t.run, group=t.group, metric=t.metric, tokens=whole.tokens, y=y, counts=t.proportion,
        fitted_tokens=fitted_tokens, fitted=fitted, units=t.units,
    )  # fmt: skip
