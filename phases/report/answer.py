"""The answer in two sentences: what began when, and what cannot be claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from calque.data.quantities import format_counts, plural
from calque.phases.report.summary import LATER, extent
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from calque.phases.wording import metric_words

SHOWN = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)
"""Outcomes of a test of a delayed start that show one."""
MOST = 3
"""Metrics that the first sentence has room for; the primary one comes first."""
FEWEST_RUNS = 6
"""Runs of a design from which something is said of others like them."""


def answer(report: DetectionReport) -> tuple[str, str]:
    """Return which transitions there are, when, with which interval; and what these results do not show.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    tuple of str
        Two sentences.
    """
    delays = [t for t in report.transitions if t.estimand == "delay"]
    late = [t for t in delays if t.outcome in SHOWN]
    return _first(report, delays, late), _second(report, delays, late)


def _first(report: DetectionReport, delays: Sequence[Transition], late: Sequence[Transition]) -> str:
    if not late:
        return (
            f"No delayed start is shown in {'the one series' if len(delays) == 1 else f'any of {len(delays)} series'}."
        )
    primary = [t.metric for t in delays if t.role == "primary"]
    metrics = list(
        dict.fromkeys([*(m for m in primary if any(t.metric == m for t in late)), *(t.metric for t in late)])
    )
    parts = [_began(report, metric, [t for t in late if t.metric == metric], delays) for metric in metrics[:MOST]]
    more = [f"{plural(len(metrics) - MOST, 'more metric starts', 'more metrics start')} late"]
    text = "; ".join([*parts, *(more if len(metrics) > MOST else ())])
    lag = _later(report.lags)
    rest = text.removeprefix(metric_words(metrics[0]))
    return f"{metric_words(metrics[0], begins=True)}{rest}{f'; {lag}' if lag else ''}."


def _began(report: DetectionReport, metric: str, late: Sequence[Transition], delays: Sequence[Transition]) -> str:
    """Return where a metric takes off in the series in which it starts late."""
    of = [t for t in delays if t.metric == metric]
    rows = [report.of(t.run, metric, "takeoff", t.group) for t in late]
    placed = [row for row in rows if row is not None and row.tokens is not None]
    name = metric_words(metric)
    series = "" if len(of) == 1 else f" in {len(late)} of {len(of)} series"
    if not placed:
        return f"{name} starts late{series}, at no sharp place"
    ends = [*(row.low for row in placed), *(row.high for row in placed)]
    low = None if any(row.low is None for row in placed) else min(end for end in ends if end is not None)
    high = None if any(row.high is None for row in placed) else max(end for end in ends if end is not None)
    times = sorted({row.tokens for row in placed if row.tokens is not None})
    texts = format_counts(times[0], times[-1], low, high)
    where = texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"
    interval = f"{texts[2] if low is not None else 'open'} to {texts[3] if high is not None else 'open'}"
    kind = f"{100 * report.settings['level']:g} % interval" + ("" if len(placed) == 1 else "s within")
    return f"{name} starts late{series} and takes off at {where} tokens ({kind} {interval})"


def _later(lags: Sequence[Lag]) -> str:
    """Return in how many series the last metric takes off after another, of the pair that most series show."""
    shown: dict[tuple[str, str], list[Lag]] = {}
    for lag in lags:
        if lag.low is not None and lag.low > 0 and lag.outcome in LATER:
            shown.setdefault((lag.first, lag.second), []).append(lag)
    if not shown:
        return ""
    (first, second), rows = max(shown.items(), key=lambda item: len(item[1]))
    of = sum((lag.first, lag.second) == (first, second) for lag in lags)
    factors = [math.exp(lag.log_ratio) for lag in rows if lag.log_ratio is not None]
    factor = f", by a factor of {extent(factors)}" if factors else ""
    where = "" if of == 1 else f" in {len(rows)} of {of}"
    return f"{metric_words(second)} follows {metric_words(first)}{where}{factor}"


def _second(report: DetectionReport, delays: Sequence[Transition], late: Sequence[Transition]) -> str:
    runs = len({t.run for t in report.transitions})
    limits = []
    unknown = len(delays) - len(late)
    if unknown:
        limits.append(f"that the other {unknown} of {len(delays)} series begin without a delay" if late else
                      "that there is none")  # fmt: skip
    dependent = sum(t.outcome == Outcome.METRIC_DEPENDENT for t in late)
    if dependent:
        where = "its" if len(late) == 1 else f"in {dependent} of {len(late)} the"
        limits.append(f"that a late start is more than its metric's ({where} log-probability shows none)")
    if runs < FEWEST_RUNS:
        limits.append(f"anything of other seeds ({plural(runs, 'run')}, {FEWEST_RUNS} are the fewest)")
    limits.append("that there is a corner")
    listed = limits[0] if len(limits) == 1 else f"{', '.join(limits[:-1])}, or {limits[-1]}"
    return f"These results do not show {listed}."
