"""One primary test a size; everything else adjusted by Benjamini and Yekutieli, pairs among themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from calque.data.quantities import plural
from calque.phases.pooling.questions import Question
from calque.phases.pooling.results import PairTest, SizeTest
from calque.phases.pooling.seeds import majority, partial_conjunction
from calque.phases.pooling.times import Pair
from calque.phases.results import DetectionReport, Outcome
from calque.phases.series.conditions import Condition
from calque.phases.stats.jackknife import Interval
from calque.phases.stats.many_tests import test_p
from calque.phases.stats.multiplicity import benjamini_yekutieli


def size_tests(
    designs: Sequence[Condition], questions: Sequence[Question], primary: Question, whole: DetectionReport,
    lags: Mapping[tuple[str, Question], float | None], level: float,
) -> list[SizeTest]:  # fmt: skip
    """Test every question at every size and corpus; p-values are adjusted for all but the primary question.

    Parameters
    ----------
    designs : sequence of Condition
        The runs.
    questions : sequence of Question
        Hypotheses to test.
    primary : Question
        The one declared in advance.
    whole : DetectionReport
        Transitions of whole runs.
    lags : mapping of (run, Question) to float or None
        p-values of a later second metric; None where there is none.
    level : float
        Confidence level; tests are at 1 - level.
    """
    cells: dict[tuple[str | None, str | None], list[Condition]] = {}
    for d in designs:
        cells.setdefault((d.size, d.corpus), []).append(d)
    out = [
        _size_test(size, corpus, runs, q, q == primary, whole, lags, level)
        for q in questions
        for (size, corpus), runs in cells.items()
    ]
    secondary = [i for i, t in enumerate(out) if t.role == "secondary" and t.p_value is not None]
    adjusted = benjamini_yekutieli([out[i].p_value or 0.0 for i in secondary])
    for i, p in zip(secondary, adjusted, strict=True):
        found = out[i].outcome
        if p > 1 - level and found in (Outcome.FOUND, Outcome.METRIC_DEPENDENT):
            found = Outcome.NONE
        out[i] = replace(out[i], p_adjusted=p, outcome=found)
    return out


def _size_test(
    size: str | None, corpus: str | None, runs: Sequence[Condition], q: Question, primary: bool, whole: DetectionReport,
    lags: Mapping[tuple[str, Question], float | None], level: float,
) -> SizeTest:  # fmt: skip
    rows = [whole.of(d.run, q.metric, q.estimand) for d in runs] if q.first is None else []
    p_values = (
        [None if t is None else test_p(t) for t in rows] if q.first is None else [lags.get((d.run, q)) for d in runs]
    )  # fmt: skip
    silent = sum(p is None for p in p_values)
    u = majority(len(runs))
    p = None
    if silent < len(runs):
        p = partial_conjunction([1.0 if v is None else v for v in p_values], u)
    scope = f"at least {u} of {plural(len(runs), 'run')}" if len(runs) > 1 else "this run"
    if p is None:
        outcome, reason = Outcome.TOO_FEW_POINTS, "no run can be tested"
    elif p > 1 - level:
        outcome, reason = Outcome.NONE, f"not shown in {scope} (p = {p:.2g}): {q.claim}"
    else:
        outcome, reason = Outcome.FOUND, f"{q.claim}, in {scope} (p = {p:.2g})"
        if sum(t is not None and t.outcome == Outcome.METRIC_DEPENDENT for t in rows) > len(runs) - u:
            outcome = Outcome.METRIC_DEPENDENT
            reason += "; not so by the log-probability, so it depends on the metric"
    if silent and p is not None:
        reason += f"; {silent} of {plural(len(runs), 'run')} cannot be tested and count against it"
    return SizeTest(
        role="primary" if primary else "secondary", size=size, corpus=corpus, metric=q.metric, estimand=q.estimand,
        first=q.first, outcome=outcome, reason=reason, p_value=p, n_runs=len(runs), at_least=u,
    )  # fmt: skip


def p_later(interval: Interval | None) -> float | None:
    """Return the two-sided p-value of a lag's ``interval``, 1 when it goes the other way."""
    if interval is None:
        return None
    return interval.p_value() if interval.estimate > 0 else 1.0


def pair_tests(report: DetectionReport, metrics: Sequence[str], groups: Mapping[str, Pair]) -> list[PairTest]:
    """Return takeoff and delay test of every pair of different languages, as the report decided them.

    Parameters
    ----------
    report : DetectionReport
        Transitions by pair; its outcomes follow p-values adjusted over all of them.
    metrics : sequence of str
        Metrics to list.
    groups : mapping of str to Pair
        Pairs by group label, see :func:`pairs_by_group`.
    """
    delays = {(t.run, t.group, t.metric): t for t in report.transitions if t.estimand == "delay"}
    out = []
    for t in report.transitions:
        if t.estimand != "takeoff" or t.group not in groups or t.metric not in metrics:
            continue
        delay, pair = delays.get((t.run, t.group, t.metric)), groups[t.group]
        out.append(
            PairTest(
                run=t.run, source=pair.source, target=pair.target, metric=t.metric, outcome=t.outcome, reason=t.reason,
                tokens=t.tokens, low=t.low, high=t.high, p_value=None if delay is None else test_p(delay),
                p_adjusted=None if delay is None else delay.p_adjusted,
            )
        )  # fmt: skip
    return out


def sizes_out_of_reach(tests: Sequence[SizeTest], boot: int, level: float) -> tuple[str, ...]:
    """Return a note for each number of runs n whose smallest p-value, ``(n - u + 1)/(boot + 1)``, is above 1 - level.

    Parameters
    ----------
    tests : sequence of SizeTest
        Tests that at least u of n runs show the effect.
    boot : int
        Bootstrap replicates of the test of a run.
    level : float
        Confidence level; tests are at 1 - level.
    """
    out = {}
    for t in tests:
        least = (t.n_runs - t.at_least + 1) / (boot + 1)
        if t.first is None and least > (1 - level) * (1 + 1e-9):
            out[t.n_runs] = (
                f"with `boot` {boot} the test of {plural(t.n_runs, 'run')} cannot fall below p = {least:.2g}: raise "
                f"`boot` to {math.ceil((t.n_runs - t.at_least + 1) / (1 - level) - 1e-9) - 1} or more"
            )
    return tuple(out.values())
