"""The sentences of a report, and its limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from calque.data.command_line.naming import named
from calque.data.quantities import format_counts, format_number, plural
from calque.phases.report.tables import changes, hanging, several_tests
from calque.phases.results import DetectionReport, Outcome, Transition
from calque.phases.schedules.words import AT_CHANGE
from calque.phases.wording import location, metric_words, outcome_words

LOCATED = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)
UNPLACED = (
    Outcome.NONE, Outcome.DECLINING, Outcome.TOO_FEW_POINTS, Outcome.NOT_CONVERGED, Outcome.NOISE_TOO_PERSISTENT,
)  # fmt: skip
"""Outcomes of a takeoff whose reason says all there is to say."""
LATER = (Outcome.FOUND, Outcome.CENSORED)
"""Outcomes of a lag whose interval may be above 0."""


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
    out = [_of_metric(report, metric) for metric in dict.fromkeys(t.metric for t in report.transitions)]
    out += [_of_lag(report, *pair) for pair in dict.fromkeys((lag.first, lag.second) for lag in report.lags)]
    sentences = (*hanging(report), *changes(report), *named(report.notes))
    return [*out, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)]


def _why(delays: list[Transition]) -> str:
    """Return the outcomes of delay tests; of too few points also which points are too few."""
    kinds = dict.fromkeys(sorted(outcome_words(t.outcome) for t in delays))
    few = dict.fromkeys(t.reason for t in delays if t.outcome == Outcome.TOO_FEW_POINTS)
    short = outcome_words(Outcome.TOO_FEW_POINTS)
    return ", ".join(f"{kind}: {next(iter(few))}" if kind == short and len(few) == 1 else kind for kind in kinds)


def _of_metric(report: DetectionReport, metric: str) -> str:
    """Return in how many series a delayed start is shown, by the rule for many tests, and where these take off."""
    delays = [t for t in report.transitions if t.metric == metric and t.estimand == "delay"]
    late = [t for t in delays if t.outcome in LOCATED]
    name = f"{metric_words(metric, begins=True)}{_role(delays) if several_tests(report) else ''}"
    takeoffs = [t for t in report.transitions if t.metric == metric and t.estimand == "takeoff"]
    if not late:
        where = f"; takeoff {location(takeoffs[0])}" if len(takeoffs) == 1 else f"; {_takeoffs(takeoffs)}"
        placeless = all(t.tokens is None and t.low is None and t.high is None for t in takeoffs)
        series = "the one series" if len(delays) == 1 else f"any of {len(delays)} series"
        return f"{name}: no delayed start shown in {series} ({_why(delays)}){'' if placeless else where}."
    shown = {(t.run, t.group) for t in late}
    placed = [t for t in takeoffs if (t.run, t.group) in shown]
    where = f"; takeoff {location(placed[0])}" if len(takeoffs) == 1 else f"; {_takeoffs(placed)}"
    others = Counter(outcome_words(t.outcome) for t in delays if t.outcome not in LOCATED)
    rest = f"; in the others {', '.join(f'{n} {word}' for word, n in others.items())}" if others else ""
    doubt = sum(t.outcome == Outcome.METRIC_DEPENDENT for t in late)
    note = f"; in {doubt} of them its log-probability shows none" if doubt else ""
    changed = sum(bool(t.at_change) for t in late)
    note += f"; {changed} of them {AT_CHANGE}" if changed else ""
    return f"{name}: a delayed start in {_of(len(late), len(delays))}{where}{note}{rest}."


def _role(delays: list[Transition]) -> str:
    """Return the role of the tests of a metric in brackets."""
    roles = {t.role for t in delays if t.role is not None}
    return f" ({roles.pop()})" if len(roles) == 1 else ""


def _of_lag(report: DetectionReport, first: str, second: str) -> str:
    rows = [lag for lag in report.lags if (lag.first, lag.second) == (first, second)]
    name = metric_words(second, begins=True)
    later = [lag for lag in rows if lag.outcome in LATER and lag.low is not None and lag.low > 0]
    factors = [math.exp(lag.log_ratio) for lag in rows if lag.log_ratio is not None]
    span = f" (factor {extent(factors)})" if factors else ""
    rest = Counter(outcome_words(lag.outcome) for lag in rows if lag not in later)
    note = f"; in the others {', '.join(f'{n} {word}' for word, n in rest.items())}" if rest else ""
    if not later:
        series = "the one series" if len(rows) == 1 else f"any of {len(rows)} series"
        kinds = Counter(outcome_words(lag.outcome) for lag in rows if lag.outcome not in LATER)
        others = ", ".join(f"{word} in {n}" for word, n in kinds.items())
        shown = f"{name} is not shown to take off later than {metric_words(first)} in {series}"
        return f"{shown}{f' ({others})' if others else ''}."
    return (
        f"{name} takes off later than {metric_words(first)} in {_of(len(later), len(rows))}{span}, "
        f"each by one joint interval above 0{note}."
    )


def _takeoffs(rows: list[Transition]) -> str:
    """Return the range of the takeoffs of series with a delayed start, and how many have no sharp place."""
    found = [t.tokens for t in rows if t.outcome in LOCATED and t.tokens is not None]
    others = Counter(outcome_words(t.outcome) for t in rows if t.outcome not in LOCATED)
    least, most = format_counts(min(found, default=None), max(found, default=None))
    span = [f"these take off from {least} to {most} tokens" if least != most else f"takeoff at {least} tokens"]
    span = span if found else []
    return ", ".join([*span, *(f"takeoff {word} in {n}" for word, n in others.items())])


def extent(values: Sequence[float]) -> str:
    """Return the range of ``values`` as text; one number where they read alike."""
    low, high = format_number(min(values)), format_number(max(values))
    return low if low == high else f"{low} to {high}"


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
        sentence = f"{metric_words(metric, begins=True)}: "
        delay, takeoff = mine.get("delay"), mine.get("takeoff")
        assert delay is not None and takeoff is not None
        if takeoff.outcome in UNPLACED:
            sentence += takeoff.reason
        else:
            said = takeoff.reason.split("; ")  # a dip, a misfit: parts that both reasons end with
            sentence += "; ".join([*said, *(part for part in delay.reason.split("; ") if part not in said)])
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
            f"{plural(runs, 'run')}: with fewer than 6 seeds no interval over seeds is exact (a percentile "
            "bootstrap of 5 seeds is a sign test with 126 atoms; a t interval takes log times to be normal). Every "
            "interval of a series is about its own run."
        )
    else:
        out.append("Every interval of a series is about its own run; those over runs stand under 'Across runs'.")
    roles = Counter(t.role for t in report.transitions if t.role is not None)
    if roles["exploratory"]:
        out.append(
            f"{roles['exploratory']} delay tests are exploratory: their outcomes follow p adjusted by "
            "Benjamini–Yekutieli over all of them, which holds for dependent tests. An outcome that is not established "
            "is not shown to be absent."
        )
    if roles["primary"] > 1:
        out.append(
            f"{plural(roles['primary'], 'run has', 'runs have')} a primary test each, which stands by its own "
            f"p: of runs without a delayed start, {100 * (1 - report.settings['level']):.3g} % are found nonetheless."
        )
    fine = 1 / (1 + int(report.settings["boot"]))
    out.append(
        f"No p-value can be below {fine:.2g}, which is what {plural(report.settings['boot'], 'replicate')} resolve, "
        "except of tests that were repeated with more."
    )
    out.append(
        "A corner is never claimed: smooth curves come arbitrarily near to one. The onset rows are conditional on "
        "there being a corner."
    )
    out.append("The scores are of these items: intervals do not cover the choice of other words.")
    return out
