"""The sentences of a report, and its limits."""

from __future__ import annotations

import math
from collections import Counter

from calque.data.quantities import format_counts
from calque.phases.report.tables import hanging
from calque.phases.results import DetectionReport, Outcome, Transition
from calque.phases.wording import location, outcome_words

LOCATED = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)


def headline(report: DetectionReport) -> list[str]:
    """Return one or two sentences for each metric and each lag over all runs, what hangs on one checkpoint, and notes.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    list of str
        Sentences.
    """
    out = []
    metrics = list(dict.fromkeys(t.metric for t in report.transitions))
    for metric in metrics:
        delays = [t for t in report.transitions if t.metric == metric and t.estimand == "delay"]
        late = [t for t in delays if t.outcome in LOCATED]
        if not late:
            kinds = sorted({outcome_words(t.outcome) for t in delays})
            series = "the one series" if len(delays) == 1 else f"any of {len(delays)} series"
            out.append(f"{_name(metric)}: no delayed start shown in {series} ({', '.join(kinds)}).")
            continue
        placed = [t for t in report.transitions if t.metric == metric and t.estimand == "takeoff"]
        where = ""
        if len(placed) == 1:
            where = f"; takeoff {location(placed[0])}"
        elif placed:
            where = f"; {_takeoffs(placed)}"
        doubt = sum(t.outcome == Outcome.METRIC_DEPENDENT for t in late)
        note = f"; in {doubt} of them its log-probability shows none" if doubt else ""
        out.append(f"{_name(metric)}: a delayed start in {_of(len(late), len(delays))}{where}{note}.")
    pairs = list(dict.fromkeys((lag.first, lag.second) for lag in report.lags))
    for first, second in pairs:
        rows = [lag for lag in report.lags if (lag.first, lag.second) == (first, second)]
        later = [lag for lag in rows if lag.low is not None and lag.low > 0]
        factors = [math.exp(lag.log_ratio) for lag in rows if lag.log_ratio is not None]
        span = f" (factor {_span(factors)})" if factors else ""
        out.append(
            f"{_name(second)} takes off later than {first.replace('_', ' ')} in {_of(len(later), len(rows))}{span}, "
            "each by one joint interval above 0."
        )
    return [*out, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in (*hanging(report), *report.notes))]


def _takeoffs(rows: list[Transition]) -> str:
    """Return the range of several takeoffs that are found, and how many have other outcomes."""
    found = [t.tokens for t in rows if t.outcome == Outcome.FOUND and t.tokens is not None]
    others = Counter(outcome_words(t.outcome) for t in rows if t.outcome != Outcome.FOUND)
    least, most = format_counts(min(found, default=None), max(found, default=None))
    span = [f"takeoffs found from {least} to {most} tokens" if least != most else f"takeoff found at {least} tokens"]
    span = span if found else []
    return ", ".join([*span, *(f"{n} {word}" for word, n in others.items())])


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


def _name(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _of(some: int, all_: int) -> str:
    return f"{some} of {all_} series" if all_ != 1 else ("the one series" if some else "none of 1 series")


def by_run(report: DetectionReport, run: str, group: str) -> list[str]:
    """Return the sentences of one run and group: the reason of every located row.

    Parameters
    ----------
    report : DetectionReport
        The results.
    run : str
        Name of the run.
    group : str
        Part of the run; empty for all of it.

    Returns
    -------
    list of str
        A sentence for each metric.
    """
    out = []
    rows = [t for t in report.transitions if (t.run, t.group) == (run, group)]
    for metric in dict.fromkeys(t.metric for t in rows):
        mine = {t.estimand: t for t in rows if t.metric == metric}
        sentence = f"{_name(metric)}: "
        delay, takeoff = mine.get("delay"), mine.get("takeoff")
        assert delay is not None and takeoff is not None
        if takeoff.outcome in (Outcome.NONE, Outcome.TOO_FEW_POINTS, Outcome.NOT_CONVERGED):
            sentence += takeoff.reason
        else:
            sentence += f"{takeoff.reason}; {delay.reason}"
        if "peak" in mine and mine["peak"].tokens is not None:
            sentence += f"; {mine['peak'].reason}"
        if "crossover" in mine and mine["crossover"].tokens is not None:
            sentence += f"; {mine['crossover'].reason}"
        out.append(sentence + ".")
    return out


def caveats(report: DetectionReport) -> list[str]:
    """Return the limits of the results.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    list of str
        Sentences.
    """
    runs = len({t.run for t in report.transitions})
    out = []
    if runs < 6:
        out.append(
            f"{runs} run{'s' * (runs != 1)}: with fewer than 6 seeds no interval over seeds is exact (a percentile "
            "bootstrap of 5 seeds is a sign test with 126 atoms; a t interval takes log times to be normal). Every "
            "interval of a series is about its own run."
        )
    else:
        out.append("Every interval of a series is about its own run; those over runs stand under 'Across runs'.")
    tests = sum(t.estimand == "delay" and t.p_value is not None for t in report.transitions)
    if tests > 1:
        out.append(
            f"{tests} delay tests: p_adjusted (in the JSON) is Benjamini–Yekutieli over all of them, which holds for "
            "dependent tests; the outcomes use each test's own p."
        )
    fine = 1 / (1 + int(report.settings["boot"]))
    out.append(f"No p-value can be below {fine:.2g}: that is what {report.settings['boot']} replicates resolve.")
    out.append(
        "A corner is never claimed: smooth curves come arbitrarily near to one. The onset rows are conditional on "
        "there being a corner."
    )
    out.append("The scores are of these items: intervals do not cover the choice of other words.")
    return out
