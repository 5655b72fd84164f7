r"""Seeds as replicates of any metric: each run's own takeoff or lag, over the runs of one size, corpus and mix.

Two statements are made of n runs. The median with an interval of order statistics, :math:`(x_{(k)}, x_{(n+1-k)})` with
the largest k for which :math:`2 P(\mathrm{Bin}(n, 1/2) < k) \le 1 - level`: exact for other seeds whatever the law of
the times, and valid where some runs have no takeoff by their last checkpoint (their time lies beyond it). And the t
interval of the mean log time, which takes log times to be normal and needs a time of every run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import binom

from calque.data.quantities import format_estimate, plural
from calque.phases.pooling.questions import Question
from calque.phases.pooling.results import Pooled, Pooling
from calque.phases.pooling.rows import alone, mean_row, pooled_row
from calque.phases.pooling.seeds import ENOUGH_SEEDS, PooledRuns
from calque.phases.pooling.times import Ends, lag_ends, takeoff_ends
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from calque.phases.series.conditions import Condition
from calque.phases.stats.jackknife import Array
from calque.phases.wording import ratio_text


@dataclass(frozen=True)
class Median:
    """A median of log times with its interval; an end is infinite where it is open.

    Attributes
    ----------
    at, low, high : float
        Natural logarithms; ``low`` and ``high`` are NaN where so few runs give no interval.
    rank : int
        The interval runs from this value to the same one from above; 0 where there is no interval.
    coverage : float
        Least coverage of the interval.
    """

    at: float
    low: float
    high: float
    rank: int
    coverage: float


def median_of(low: Array, high: Array, level: float) -> Median:
    """Return the median of log times that are known, or known to lie between two ends.

    Parameters
    ----------
    low, high : array, shape (n,)
        Ends of each time, equal where it is known; ``high`` infinite where it was not reached.
    level : float
        Coverage.
    """
    n = len(low)
    first, last = np.sort(low), np.sort(high)
    with np.errstate(invalid="ignore"):
        lower, upper = float(np.median(first)), float(np.median(last))
    at = lower if lower == upper else math.inf if math.isinf(upper) else -math.inf if math.isinf(lower) else math.nan
    k = int(binom.ppf((1 - level) / 2, n, 0.5))
    k = k if 2 * binom.cdf(k - 1, n, 0.5) <= (1 - level) * (1 + 1e-12) else k - 1
    if k < 1:
        return Median(at, math.nan, math.nan, 0, 0.0)
    return Median(at, float(first[k - 1]), float(last[n - k]), k, float(1 - 2 * binom.cdf(k - 1, n, 0.5)))


def run_ends(report: DetectionReport, q: Question, last: Mapping[str, float]) -> dict[str, Ends | None]:
    """Return the ends of the log time, or log ratio, of every run; None where it could not be analysed.

    Parameters
    ----------
    report : DetectionReport
        Of whole runs.
    q : Question
        A takeoff or a lag.
    last : mapping of str to float
        Tokens at the last checkpoint of each run.
    """
    takeoffs = {(t.run, t.metric): t for t in report.transitions if t.estimand == "takeoff"}
    if q.first is None:
        rows = {run: takeoffs.get((run, q.metric)) for run in last}
        return {run: None if row is None else takeoff_ends(row, last[run]) for run, row in rows.items()}
    lags = {lag.run: lag for lag in report.lags if (lag.first, lag.second) == (q.first, q.metric)}
    return {run: lag_ends(lags[run], takeoffs.get((run, q.first)), last[run]) if run in lags else None for run in last}


def own_row(d: Condition, q: Question, found: Transition | Lag | None, level: float) -> Pooled:
    """Return the row of one run: its own takeoff or lag with its interval.

    Parameters
    ----------
    d : Condition
        The run.
    q : Question
        Estimand and metric.
    found : Transition, Lag or None
        What detection gave.
    level : float
        Coverage.
    """
    where: dict[str, Any] = {"run": d.run, "size": d.size, "corpus": d.corpus, "mix": d.mix, "n_runs": 1}
    if found is None:
        return pooled_row("run", q, "own", Outcome.TOO_FEW_POINTS, "the run lacks the metric", None, level, **where)
    if isinstance(found, Lag):
        ends = [None if v is None else math.exp(v) for v in (found.log_ratio, found.low, found.high)]
    else:
        ends = [found.tokens, found.low, found.high]
    numbers = dict(zip(("estimate", "low", "high"), ends, strict=True))
    return pooled_row("run", q, "own", found.outcome, found.reason, None, level, **where, **numbers)


def seed_rows(
    designs: Iterable[Condition], q: Question, ends: Mapping[str, Ends | None], level: float
) -> list[Pooled]:  # fmt: skip
    """Return the rows of every mix (where a size has several) and of every size, with runs as replicates.

    Parameters
    ----------
    designs : iterable of Condition
        The runs.
    q : Question
        Estimand and metric.
    ends : mapping of str to (float, float) or None
        Ends of the log time of each run.
    level : float
        Coverage.
    """
    cells: dict[tuple[str | None, str | None], dict[str | None, list[Condition]]] = {}
    for d in designs:
        cells.setdefault((d.size, d.corpus), {}).setdefault(d.mix, []).append(d)
    out: list[Pooled] = []
    for (size, corpus), mixes in cells.items():
        where: dict[str, Any] = {"size": size, "corpus": corpus}
        for mix, runs in mixes.items():
            at: Pooling = "mix" if len(mixes) > 1 else "size"
            out += _of_runs(at, q, [runs], ends, level, where | {"mix": mix})
        if len(mixes) > 1:
            out += _of_runs("size", q, list(mixes.values()), ends, level, where)
    return out


def _of_runs(
    at: Pooling, q: Question, mixes: Sequence[Sequence[Condition]], ends: Mapping[str, Ends | None], level: float,
    where: dict[str, Any],
) -> list[Pooled]:  # fmt: skip
    runs = [d.run for mix in mixes for d in mix]
    known = {run: e for run in runs if (e := ends[run]) is not None}
    located = [run for run, (low, high) in known.items() if low == high]
    counts = {"n_runs": len(runs), "n_censored": len(known) - len(located), "n_missing": len(runs) - len(known)}
    said = f"{q.estimand} located in {len(located)} of {plural(len(runs), 'run')}"
    if counts["n_missing"]:
        said += f", {counts['n_missing']} could not be analysed"
    out = [_median(at, q, known, said, level, where | counts)] if len(mixes) == 1 else []
    if len(located) < len(runs):
        lost = ", ".join(run for run in runs if run not in located)
        reason = f"{said}: the mean of the others would be a mean of those that had one (none: {lost})"
        if not located:
            reason = f"{said}, so there is no mean"
        return [*out, pooled_row(at, q, "seed_t", Outcome.CENSORED, reason, None, level, **where, **counts)]
    values = PooledRuns([np.array([known[d.run][0] for d in mix]) for mix in mixes], None)
    interval = values.over_seeds(level)
    if interval is None:
        reason = f"{said}; no interval for other seeds: a single seed has no spread"
        return [*out, pooled_row(at, q, "seed_t", Outcome.TOO_FEW_POINTS, reason, None, level, **where, **counts)]
    about = f" of {plural(len(mixes), 'mix', 'mixes')}" if len(mixes) > 1 else ""
    reason = f"; {said}{about}; for other seeds, log times taken to be normal"
    return [*out, mean_row(at, q, "seed_t", interval, reason, level, **where, **counts)]


def _median(
    at: Pooling, q: Question, known: Mapping[str, Ends], said: str, level: float, more: dict[str, Any]
) -> Pooled:  # fmt: skip
    if not known:
        return pooled_row(at, q, "seed_median", Outcome.TOO_FEW_POINTS, said, None, level, **more)
    low, high = (np.array([e[i] for e in known.values()]) for i in (0, 1))
    m = median_of(low, high, level)
    value, first, last = (math.exp(v) if math.isfinite(v) else None for v in (m.at, m.low, m.high))
    text = "" if value is None else f"median {q.estimand} {_text(q, value, first, last, m.rank > 0)}; "
    if not m.rank:
        why = f"an exact interval for other seeds needs {plural(fewest(level), 'run')}"
        outcome = Outcome.TOO_FEW_POINTS
    else:
        of = f"runs {m.rank} and {len(known) + 1 - m.rank} in order"
        why = f"exact for other seeds (at least {100 * m.coverage:.3g} %): {of}"
        outcome = Outcome.FOUND if value is not None and last is not None else Outcome.CENSORED
    numbers = {"estimate": value, "low": first, "high": last}
    return pooled_row(at, q, "seed_median", outcome, f"{text}{said}; {why}", None, level, **more, **numbers)


def _text(q: Question, value: float, low: float | None, high: float | None, interval: bool) -> str:
    if not interval:
        return alone(q, value)
    if q.first is None:
        return format_estimate(value, low, high, "tokens")
    return f"{ratio_text(value, low, high)} times the tokens of {q.first}"


def fewest(level: float) -> int:
    """Return the fewest runs of which a median has an exact interval at ``level``: ``2**(1 - n) <= 1 - level``."""
    return max(1, math.ceil(1 - math.log2(1 - level) - 1e-9))


def across_runs(report: DetectionReport, cube: xr.Dataset, level: float) -> tuple[tuple[Pooled, ...], tuple[str, ...]]:
    """Return statements across the runs of each size, corpus and mix, and notes; none where no two runs share these.

    Parameters
    ----------
    report : DetectionReport
        Results of a detection.
    cube : xarray.Dataset
        What was analysed.
    level : float
        Coverage.
    """
    designs = [Condition.of(cube, str(run)) for run in cube["run"].values]
    cells = [d.cell for d in designs]
    takeoffs = [t for t in report.transitions if t.estimand == "takeoff"]
    split = len({(t.run, t.metric) for t in takeoffs}) < len(takeoffs)
    if len(set(cells)) == len(cells) or split:
        return (), ()
    last = last_tokens(cube)
    rows: list[Pooled] = []
    for metric in dict.fromkeys(t.metric for t in takeoffs):
        q = Question(metric, "takeoff")
        ends = run_ends(report, q, last)
        rows += [row for row in seed_rows(designs, q, ends, level) if row.n_runs > 1]
    return tuple(rows), taken_as_replicates(designs)


def last_tokens(cube: xr.Dataset) -> dict[str, float]:
    """Return the tokens at the last checkpoint of every run.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube.
    """
    return {str(run): float(np.nanmax(np.asarray(cube["tokens"].sel(run=run), float))) for run in cube["run"].values}


def taken_as_replicates(designs: Sequence[Condition]) -> tuple[str, ...]:
    """Return the note that runs are taken as replicates because the cube does not say how they differ.

    Parameters
    ----------
    designs : sequence of Condition
        The runs.
    """
    if len(designs) < 2 or any(value is not None for d in designs for value in d.cell):
        return ()
    few = f"; with fewer than {ENOUGH_SEEDS} of them see what cannot be claimed" if len(designs) < ENOUGH_SEEDS else ""
    return (
        f"the cube has no size, corpus or mix of its runs: all {len(designs)} are taken as replicates that differ in "
        f"their seeds alone{few}",
    )
