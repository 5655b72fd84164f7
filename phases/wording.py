"""Results in words: the one place where a row becomes the text and the marks that people see.

Terminal, JSON (``reason``), report, explorer, notebook and pictures take their words from here. A location is never
shown without its outcome: it stands behind every location that is not ``found``, and alone where there is none.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from calque.data.metrics import METRICS
from calque.data.quantities import ABSENT, format_count, format_estimate, format_numbers, format_p, plural
from calque.phases.results import Lag, Outcome, Transition
from calque.phases.schedules.words import AT_CHANGE, UNITS

UNMARKED = "A location without a mark is found; any other outcome stands behind it."
"""The note under every table of locations."""
PLACED = "Across runs a takeoff counts wherever it has a place, whether or not a delayed start is shown."
"""Which runs are counted as located."""
OF_THE_RISE = ("t10", "t50", "width")
"""Estimands that are of the whole rise."""
STILL_RISING = (
    "Censored, of t10, t50 and width: the rise goes on at the last checkpoint, and the place is that of the part seen."
)
"""What censored means where a run ends before its rise."""
LOWEST = {"peak": "lowest point", "decline": "half way up from the lowest point"}
"""What these estimands are of a score that falls."""


class Extent(NamedTuple):
    """Where an interval is drawn: its ends on the axis, the estimate if there is one, and which ends are arrows."""

    low: float
    high: float
    at: float | None
    open_low: bool
    open_high: bool


def series_words(run: str, group: str, metric: str) -> str:
    """Return what a series is called in a sentence, such as ``loss of run small, source en``.

    Parameters
    ----------
    run, group, metric : str
        Names; the group is empty for the whole run. A run and a metric may share theirs: a log read from ``ppl.csv``.
    """
    return f"{metric} of run {run}{f', {group}' if group else ''}"


def metric_words(name: str, begins: bool = False) -> str:
    """Return a metric in words: ours with spaces, somebody else's as their tool wrote it.

    Parameters
    ----------
    name : str
        Of the metric.
    begins : bool
        Whether it begins a sentence; ours then has a capital letter.
    """
    if name not in METRICS:
        return name
    words = name.replace("_", " ")
    return words[0].upper() + words[1:] if begins else words


def delay_outcome(t: Transition) -> str:
    """Return the outcome of a row in words, with the mark of a change of the schedule.

    Parameters
    ----------
    t : Transition
        A row of delay.
    """
    return outcome_words(t.outcome) + (f", {AT_CHANGE}" if t.at_change else "")


def outcome_words(outcome: Outcome | str) -> str:
    """Return an outcome as people read it, such as ``not sharply located``.

    Parameters
    ----------
    outcome : Outcome or str
        What came of a question.
    """
    return str(getattr(outcome, "value", outcome)).replace("_", " ")


def with_mark(text: str, outcome: Outcome | str) -> str:
    """Return an estimate followed by its outcome, unless that is ``found``; the outcome alone where there is no text.

    Parameters
    ----------
    text : str
        The estimate with its interval; empty where there is none.
    outcome : Outcome or str
        What came of the question.
    """
    words = outcome_words(outcome)
    if not text:
        return words
    return text if words == Outcome.FOUND.value else f"{text}, {words}"


def estimate_words(
    value: float | None, low: float | None, high: float | None, outcome: Outcome | str, unit: str = ""
) -> str:
    """Return tokens with their interval and mark, such as ``12B (after 10B), censored``.

    Parameters
    ----------
    value : float or None
        Tokens.
    low, high : float or None
        Ends of the interval; None where open.
    outcome : Outcome or str
        What came of the question.
    unit : str
        Unit of a position that is not in tokens.
    """
    known = any(v is not None for v in (value, low, high))
    return with_mark(format_estimate(value, low, high, unit) if known else "", outcome)


def ratio_words(value: float | None, low: float | None, high: float | None, outcome: Outcome | str) -> str:
    """Return a ratio with its interval and mark, such as ``3.9 (above 3.6), censored``.

    Parameters
    ----------
    value : float or None
        The ratio.
    low, high : float or None
        Ends of the interval; None where open.
    outcome : Outcome or str
        What came of the question.
    """
    if value is None:
        return outcome_words(outcome)
    return with_mark(ratio_text(value, low, high), outcome)


def ratio_text(value: float, low: float | None, high: float | None) -> str:
    """Return a ratio with its interval, such as ``3.90 (3.63 to 4.22)``.

    Parameters
    ----------
    value : float
        The ratio.
    low, high : float or None
        Ends of the interval; None where open.
    """
    one, first, last = format_numbers(value, low, high)
    if low is None and high is None:
        return f"{one} (unbounded)"
    if low is None or high is None:
        return f"{one} ({'below' if low is None else 'above'} {last if low is None else first})"
    return f"{one} ({first} to {last})"


def location(t: Transition | None) -> str:
    """Return where a transition is, with its interval and its mark; a dash where the question was not asked.

    Parameters
    ----------
    t : Transition or None
        The row.

    Returns
    -------
    str
        Such as ``1.2B (1B to 1.5B)``, ``1.2B (after 1B), censored`` or ``none``.
    """
    if t is None:
        return ABSENT
    if t.estimand == "phases":
        return with_mark("" if t.phases is None else f"{t.phases}{' or more' * (t.phases == 3)}", t.outcome)
    at = (t.tokens, t.low, t.high) if t.axis == "tokens" else (t.position, t.position_low, t.position_high)
    text = estimate_words(*at, t.outcome, "" if t.axis == "tokens" else UNITS[t.axis])
    text += f", {AT_CHANGE}" if t.at_change else ""
    return f"{LOWEST[t.estimand]} {text}" if t.falls and t.estimand in LOWEST and at[0] is not None else text


def lag_ratio(lag: Lag) -> str:
    """Return a lag as a ratio of tokens, with its interval and its mark.

    Parameters
    ----------
    lag : Lag
        The row.
    """
    value, low, high = (None if v is None else math.exp(v) for v in (lag.log_ratio, lag.low, lag.high))
    return ratio_words(value, low, high, lag.outcome)


def growth(elasticity: float | None) -> str:
    """Return the elasticity bound, such as ``at least T^2``; a dash where there is none.

    Parameters
    ----------
    elasticity : float or None
        The bound.
    """
    return ABSENT if elasticity is None or not math.isfinite(elasticity) else f"at least T^{elasticity:.0f}"


def by_seeds(count: int) -> str:
    """Return that the runs of a condition together tell growth from noise that lasts as long as the run.

    Parameters
    ----------
    count : int
        Runs, this one included.
    """
    return f"told from noise that lasts as long as the run by the {plural(count, 'seed')} of the condition together"


def delay_words(delay: Transition | None) -> str:
    """Return the test of a delayed start: its outcome, p-value and elasticity bound.

    Parameters
    ----------
    delay : Transition or None
        The row.
    """
    if delay is None:
        return ABSENT
    rest = [f"p {format_p(delay.p_value)}"] if delay.p_value is not None else []
    rest += [f"adjusted {format_p(delay.p_adjusted)}"] if delay.role == "exploratory" else []
    rest += [growth(delay.elasticity)] if delay.elasticity is not None else []
    return delay_outcome(delay) + (f" ({', '.join(rest)})" if rest else "")


def answer(t: Transition) -> str:
    """Return the answer of a row in the fewest words: an outcome of the delay test, else a location with its mark.

    Parameters
    ----------
    t : Transition
        The row.
    """
    return delay_outcome(t) if t.estimand == "delay" else location(t)


def without(t: Transition) -> Transition | None:
    """Return a row as it is without the checkpoint that it hangs on; None where it hangs on none.

    Parameters
    ----------
    t : Transition
        A row of delay or takeoff.
    """
    if t.without_outcome is None:
        return None
    return replace(
        t, outcome=t.without_outcome, tokens=t.without_tokens, low=t.without_low, high=t.without_high,
        p_value=t.without_p_value, p_adjusted=None, elasticity=None, without_outcome=None, axis="tokens",
        at_change=None,
    )  # fmt: skip


def hangs(t: Transition) -> str:
    """Return the sentence part that an answer hangs on one checkpoint; empty where it does not.

    Parameters
    ----------
    t : Transition
        A row of delay or takeoff, its places still on its own axis.
    """
    less = without(t)
    if less is None:
        return ""
    if t.axis != "tokens":
        at = less.tokens, less.low, less.high
        less = replace(less, axis=t.axis, position=at[0], position_low=at[1], position_high=at[2])
    at_it = f"{format_count(t.without_checkpoint)} {UNITS[t.axis]}"
    return f"hangs on the one checkpoint at {at_it}: without it {answer(less)}"


def extent(
    value: float | None, low: float | None, high: float | None, first: float, last: float
) -> Extent | None:  # fmt: skip
    """Return where an interval is drawn on an axis; None where nothing is known of it.

    Parameters
    ----------
    value : float or None
        The estimate.
    low, high : float or None
        Ends of its interval; None where open.
    first, last : float
        Ends of the axis, which open intervals are drawn to.
    """
    if value is None and low is None and high is None:
        return None
    known = [v for v in (value, low, high) if v is not None]
    left = min([first, *known]) if low is None else low
    right = max([last, *known]) if high is None else high
    return Extent(left, right, value, low is None, high is None)
