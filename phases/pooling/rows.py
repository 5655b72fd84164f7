"""Rows of pooled times: of each run, then of each mix and size with seeds as the replicates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from calque.data.quantities import format_count, format_estimate, plural
from calque.phases.pooling.mixed_model import MixedEffects
from calque.phases.pooling.pairs import PooledTimes
from calque.phases.pooling.questions import Question
from calque.phases.pooling.results import Method, Pooled, Pooling
from calque.phases.pooling.seeds import LEAST_DF, PooledRuns
from calque.phases.results import Outcome
from calque.phases.series.conditions import Condition
from calque.phases.stats.jackknife import Interval
from calque.phases.wording import ratio_text


def shown(q: Question, interval: Interval) -> str:
    """Return an interval as text, in tokens or as a ratio.

    Parameters
    ----------
    q : Question
        Whether the interval is of a takeoff or of a lag.
    interval : Interval
        In natural logarithms.
    """
    with np.errstate(over="ignore"):
        ends = [float(np.exp(v)) for v in (interval.estimate, interval.low, interval.high)]
    middle, low, high = ends[0], *(v if math.isfinite(v) else None for v in ends[1:])
    if q.first is None:
        return format_estimate(middle, low, high, "tokens")
    return f"{ratio_text(middle, low, high)} times the tokens of {q.first}"


def alone(q: Question, value: float) -> str:
    """Return an estimate that has no interval as text, in tokens or as a ratio.

    Parameters
    ----------
    q : Question
        Whether it is of a takeoff or of a lag.
    value : float
        Tokens, or the ratio.
    """
    return f"{format_count(value)} tokens" if q.first is None else f"{value:.3g} times the tokens of {q.first}"


def pooled_row(
    at: Pooling, q: Question, method: Method, outcome: Outcome, reason: str, interval: Interval | None, level: float,
    **more: Any,
) -> Pooled:  # fmt: skip
    """Return a row of pooled times.

    Parameters
    ----------
    at : {"run", "mix", "size"}
        Level of pooling.
    q : Question
        Estimand and metric.
    method : str
        What the interval generalises to, see :class:`Pooled`.
    outcome : Outcome
        What came of it.
    reason : str
        The same in words.
    interval : Interval, optional
        In natural logarithms.
    level : float
        Confidence level.
    **more
        Other fields of the row.
    """
    numbers: dict[str, Any] = {}
    if interval is not None:
        with np.errstate(over="ignore"):
            ends = [float(np.exp(v)) for v in (interval.estimate, interval.low, interval.high)]
        numbers = dict(zip(("estimate", "low", "high"), ends, strict=True)) | {"se": interval.se, "df": interval.df}
        if q.first is not None:
            numbers["p_value"] = interval.p_value()
    return Pooled(
        at=at, metric=q.metric, estimand=q.estimand, first=q.first, method=method, outcome=outcome, reason=reason,
        unit="tokens" if q.first is None else "ratio", level=level, **numbers, **more,
    )  # fmt: skip


def mean_row(
    at: Pooling, q: Question, method: Method, interval: Interval, reason: str, level: float, **more: Any
) -> Pooled:  # fmt: skip
    """Return the row of a mean over runs with its interval, or without one that stands on less than two runs' freedom.

    Parameters
    ----------
    at : {"run", "mix", "size"}
        Level of pooling.
    q : Question
        Estimand and metric.
    method : str
        What the interval generalises to.
    interval : Interval
        In natural logarithms.
    reason : str
        What stands behind the mean in words.
    level : float
        Confidence level.
    **more
        Other fields of the row.
    """
    if interval.df >= LEAST_DF:
        words = f"mean {q.estimand} {shown(q, interval)}{reason}"
        return pooled_row(at, q, method, Outcome.FOUND, words, interval, level, **more)
    estimate = math.exp(interval.estimate)
    wide = shown(q, interval).partition(" (")[2].partition(")")[0]
    words = (
        f"mean {q.estimand} {alone(q, estimate)}{reason}; no interval: so few runs do not show how much seeds scatter "
        f"(t interval, df {interval.df:.2g}: {wide})"
    )
    return pooled_row(at, q, method, Outcome.TOO_FEW_POINTS, words, None, level, estimate=estimate, **more)


def _of_run(d: Condition, one: PooledTimes, missing: int | None) -> dict[str, Any]:
    pairs = missing is not None
    return {
        "run": d.run, "size": d.size, "corpus": d.corpus, "mix": d.mix, "n_runs": 1, "n_languages": len(one.languages),
        "n_pairs": one.n_pairs if pairs else None, "n_censored": one.n_right + one.n_left if pairs else None,
        "n_missing": missing,
    }  # fmt: skip


def run_row(d: Condition, q: Question, one: PooledTimes, level: float, missing: int | None) -> Pooled:
    """Return the row of one run.

    Parameters
    ----------
    d : Condition
        The run.
    q : Question
        Estimand and metric.
    one : PooledTimes
        The run's pooled log time.
    level : float
        Confidence level.
    missing : int, optional
        Pairs with a series too short to use; None when the run was not split by pair.
    """
    reason = one.reason
    if one.interval is not None:
        reason = f"mean {q.estimand} {shown(q, one.interval)}; {one.reason}"
    if missing:
        reason += f"; {plural(missing, 'more pair says', 'more pairs say')} nothing: left out"
    return pooled_row("run", q, "jackknife_t", one.outcome, reason, one.interval, level, **_of_run(d, one, missing))


def mixed_row(d: Condition, q: Question, second: MixedEffects, one: PooledTimes, level: float, missing: int) -> Pooled:
    """Return the row of one run by crossed random effects.

    Parameters
    ----------
    d : Condition
        The run.
    q : Question
        Estimand and metric.
    second : MixedEffects
        The fit.
    one : PooledTimes
        The run's pooled log time, for its counts of pairs.
    level : float
        Confidence level.
    missing : int
        Pairs with a series too short to use.
    """
    reason = second.reason
    if second.interval is not None:
        reason = (
            f"mean {q.estimand} {shown(q, second.interval)}; {second.reason}; standard deviations of logs: source "
            f"{second.source_sd:.2g}, target {second.target_sd:.2g}, rest {second.residual_sd:.2g}"
        )
    return pooled_row(
        "run", q, "mixed_effects", second.outcome, reason, second.interval, level, **_of_run(d, one, missing)
    )


def size_rows(
    designs: Iterable[Condition], q: Question, pooled: Mapping[str, tuple[PooledTimes, tuple[str, ...]]], level: float
) -> list[Pooled]:
    """Return the rows of every mix (where a size has several) and of every size.

    Parameters
    ----------
    designs : iterable of Condition
        The runs.
    q : Question
        Estimand and metric.
    pooled : mapping of run to (PooledTimes, tuple of str)
        Pooled log time and names of the languages of each run.
    level : float
        Confidence level.
    """
    cells: dict[tuple[str | None, str | None], dict[str | None, list[Condition]]] = {}
    for d in designs:
        cells.setdefault((d.size, d.corpus), {}).setdefault(d.mix, []).append(d)
    out: list[Pooled] = []
    for (size, corpus), mixes in cells.items():
        where: dict[str, Any] = {"size": size, "corpus": corpus}
        if len(mixes) > 1:
            for mix, runs in mixes.items():
                out += _replicated("mix", q, [runs], pooled, level, where | {"mix": mix})
        only = next(iter(mixes)) if len(mixes) == 1 else None
        out += _replicated("size", q, list(mixes.values()), pooled, level, where | {"mix": only})
    return out


def _replicated(
    at: Pooling, q: Question, mixes: list[list[Condition]], pooled: Mapping[str, tuple[PooledTimes, tuple[str, ...]]],
    level: float, where: dict[str, Any],
) -> list[Pooled]:  # fmt: skip
    runs = [d for mix in mixes for d in mix]
    where = where | {"n_runs": len(runs), "n_languages": max(len(pooled[d.run][0].languages) for d in runs)}
    lost = [d.run for d in runs if pooled[d.run][0].interval is None]
    if lost:
        if len(lost) == len(runs):
            why = pooled[runs[0].run][0]
            reason = why.reason if len(runs) == 1 else f"none of {plural(len(runs), 'run')} has a pooled {q.estimand}"
            return [pooled_row(at, q, "jackknife_t", why.outcome, reason, None, level, **where)]
        reason = (
            f"{len(lost)} of {plural(len(runs), 'run')} without a pooled {q.estimand} ({', '.join(lost)}): the mean "
            "of the others would be a mean of those that had one"
        )
        return [pooled_row(at, q, "seed_t", Outcome.CENSORED, reason, None, level, **where)]
    same = len({pooled[d.run][1] for d in runs}) == 1
    values = PooledRuns([_logs(mix, pooled) for mix in mixes], [_deleted(m, pooled) for m in mixes] if same else None)
    out = []
    about = plural(len(runs), "run") + (f" of {plural(len(mixes), 'mix', 'mixes')}" if len(mixes) > 1 else "")
    kinds: tuple[tuple[Method, Interval | None, str, str], ...] = (
        ("jackknife_t", values.over_languages(level), "other languages, these runs", "runs differ in their languages"),
        ("seed_t", values.over_seeds(level), "other seeds, these languages", "a single seed has no spread"),
        ("seeds_and_languages", values.over_both(level), "other seeds and other languages", ""),
    )
    for method, interval, scope, why_not in kinds:
        if interval is not None:
            out.append(mean_row(at, q, method, interval, f" over {about}; for {scope}", level, **where))
        elif why_not:
            reason = f"no interval for {scope.split(',')[0]} over {about}: {why_not}"
            out.append(pooled_row(at, q, method, Outcome.TOO_FEW_POINTS, reason, None, level, **where))
    return out


def _logs(runs: list[Condition], pooled: Mapping[str, tuple[PooledTimes, tuple[str, ...]]]) -> np.ndarray:
    intervals = [pooled[d.run][0].interval for d in runs]
    return np.array([i.estimate for i in intervals if i is not None])


def _deleted(runs: list[Condition], pooled: Mapping[str, tuple[PooledTimes, tuple[str, ...]]]) -> np.ndarray:
    return np.array([pooled[d.run][0].deleted for d in runs])
