"""From estimates to rows: the outcome of an analysis, and its reason as a sentence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from calque.data.quantities import format_count, format_estimate
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import FEWEST, RISE_EVIDENCE, rise_shown
from calque.phases.detection.phase_count import PhaseCount
from calque.phases.detection.terms import Terms
from calque.phases.dictionary.location import Location
from calque.phases.results import Estimand, Outcome, Refusal, Transition, finite
from calque.phases.schedules.words import UNITS
from calque.phases.wording import by_seeds, growth
from calque.phases.wording_of_tests import p_words

BLUNT = math.log(10.0)
"""An interval that spans more than a factor of ten does not locate anything sharply."""
LATER = 3.0
"""A start this many times later than the takeoff must be seen with ``POWER`` before growth is called smooth."""
NEAR = 1.1
"""A start less than this many times later than the takeoff is near it."""
POWER = 0.8


ASKED = ("delay", "takeoff")
"""Estimands whose sentence says that a score dips, and what the other seeds tell."""


def rows(a: Analysis | Refusal, level: float) -> list[Transition]:
    """Return the rows of one series: delay and takeoff always, the others where there is something to locate.

    Parameters
    ----------
    a : Analysis or Refusal
        What :func:`calque.phases.detection.analyse.analyse` gave.
    level : float
        Coverage of the intervals of ``a``.
    """
    t = a.trajectory
    common: dict[str, Any] = {
        "run": t.run, "group": t.group, "metric": t.metric, "level": level, "n_checkpoints": t.n, "falls": t.falls,
        "axis": t.axis, "told_by": t.told_by,
    }  # fmt: skip
    if isinstance(a, Refusal):
        # a score that never changes did not start late
        p = {"p_value": 1.0} if a.outcome == Outcome.NONE else {}
        return [_empty("delay", a.outcome, a.reason, common | p), _empty("takeoff", a.outcome, a.reason, common)]
    more = ""
    if a.dip is not None:
        common["n_checkpoints"] = a.dip.whole.n
        more += f"; {terms_of(a).dip(a.dip.depth, t.tokens[0])}"
    if t.told_by:
        more += f"; {by_seeds(t.told_by)}"
    return [replace(row, reason=row.reason + more) if row.estimand in ASKED else row for row in _rows(a, common)]


def _rows(a: Analysis, common: dict[str, Any]) -> list[Transition]:
    level = common["level"]
    if a.delay is None:
        top = terms_of(a).place("peak")
        reason = f"the {top} comes before checkpoint {FEWEST}: too few before it to test for a delayed start"
        delay = _empty("delay", Outcome.TOO_FEW_POINTS, reason, common)
        out = [delay, _takeoff_row(a, delay, common)]
    else:
        delay = _delay_row(a, level, common)
        out = [delay, _takeoff_row(a, delay, common)]
    if out[1].outcome in (Outcome.NONE, Outcome.DECLINING):
        return [replace(delay, outcome=out[1].outcome, reason=out[1].reason), out[1]]
    for name in ("onset", "t10", "t50", "width", "peak", "decline"):
        if name in a.locations:
            out.append(_place_row(name, a, common))
    if a.phases is not None:
        out.append(_phases_row(a.phases, terms_of(a), common))
    return out


def terms_of(a: Analysis) -> Terms:
    """Return the words of an analysed series.

    Parameters
    ----------
    a : Analysis
        Of the series.
    """
    return Terms.of(a.trajectory, a.unit, dips=a.dip is not None)


def rises(a: Analysis, level: float) -> str:
    """Return an empty string when the score rises by the threshold, else why it does not.

    Parameters
    ----------
    a : Analysis
        Of the series.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    """
    needed = a.rise if a.trajectory.proportion else 0.0
    terms = terms_of(a)
    if a.fit.declining and a.fit.gain < RISE_EVIDENCE:
        gains = f"twice its log-likelihood is {max(a.fit.gain, 0.0):.3g} above that of {terms.no_rise}"
        return f"no {terms.noun} that noise does not explain ({gains}; {RISE_EVIDENCE:g} would show one)"
    # the test's noise is that of the fitted curve: of a floor of exact zeros followed by wild swings it says little
    if not (rise_shown(a.fit, a.p_rise, level) or (a.fall == 0 and a.gain >= RISE_EVIDENCE)):
        return f"no {terms.noun} that noise does not explain (test of a {terms.noun}: p = {a.p_rise:.2g})"
    if a.risen < needed:
        return f"the fitted rise is {terms.height(a.risen)}, less than the {terms.height(needed)} asked for"
    return ""


def _delay_row(a: Analysis, level: float, common: dict[str, Any]) -> Transition:
    assert a.delay is not None
    p, gamma = a.delay.p_value, a.delay.elasticity
    common = common | {"p_value": p}
    terms = terms_of(a)
    if gamma is None:
        outcome, power = _of_power(a)
        explain = f"{terms.verb}, and constant or diminishing returns {terms.begun} explain it ({p_words(p)})"
        return _empty("delay", outcome, f"{explain}; {power}", common)
    how = {1.0: f", faster than in proportion to {UNITS[a.trajectory.axis]} T", 3.0: ", abrupt"}.get(gamma, "")
    reason = f"the {terms.noun} started late: at its steepest {growth(gamma)}{how} ({p_words(p)})"
    return Transition(estimand="delay", outcome=Outcome.FOUND, reason=reason, elasticity=gamma, **common)


def _of_power(a: Analysis) -> tuple[Outcome, str]:
    """Return what a delay test that rejects nothing says, by the later starts that it would have seen."""
    assert a.delay is not None
    at = a.locations["takeoff"]
    takeoff, unit = float(a.fit.axis.to_tokens(at.x)) if at.exists else 0.0, UNITS[a.trajectory.axis]
    start = a.delay.seen(max(takeoff, float(a.trajectory.tokens[0])), POWER)
    if start is None:
        return Outcome.NOT_ESTABLISHED, f"no later start of it would have been seen with {100 * POWER:.0f} % power"
    if takeoff <= 0:
        seen = f"a start at {format_count(start)} {unit} would have been seen with {100 * POWER:.0f} % power"
        return Outcome.NOT_ESTABLISHED, seen
    times = start / takeoff
    later = "near" if times < NEAR else f"{times:.2g} times later than"
    seen = (
        f"a start {later} its takeoff, at {format_count(start)} {unit}, would have been seen with {100 * POWER:.0f} % "
        "power"
    )
    return (Outcome.SMOOTH, seen) if times <= LATER else (Outcome.NOT_ESTABLISHED, f"only {seen}")


def _takeoff_row(a: Analysis, delay: Transition, common: dict[str, Any]) -> Transition:
    level = common["level"]
    flat = rises(a, level)
    terms = terms_of(a)
    what = terms.threshold(a.rise)
    common = common | {"p_value": a.p_rise}
    if flat and (a.fit.declining or a.fall > 0):
        needed = a.rise if a.trajectory.proportion else 0.0
        why = terms.declining(a.risen if a.risen >= needed else 0.0, max(a.fallen, a.fall))
        return _empty("takeoff", Outcome.DECLINING, f"{why}; {flat}", common)
    if flat:
        return _empty("takeoff", Outcome.NONE, flat, common)
    place = a.locations["takeoff"]
    if not place.exists:
        reason = f"{terms.verb}, but {what} is not reached by the last checkpoint"
        return _empty("takeoff", Outcome.CENSORED, reason, common | {"low": _low(a, place)})
    outcome, tokens, low, high, reason = _judged(a, place, what)
    if outcome == Outcome.FOUND and delay.outcome == Outcome.SMOOTH:
        outcome = Outcome.SMOOTH
        reason += "; a late start would have been seen and is not, so this is where a level was passed"
    if outcome == Outcome.FOUND and delay.outcome == Outcome.NOT_ESTABLISHED:
        outcome = Outcome.NOT_ESTABLISHED
        reason += "; whether it began late is not established, so this is where a level was passed, whatever the start"
    return Transition(estimand="takeoff", outcome=outcome, reason=reason, tokens=tokens, low=low, high=high, **common)


def _place_row(name: Estimand, a: Analysis, common: dict[str, Any]) -> Transition:
    place = a.locations[name]
    if name == "width":
        return _width_row(a, place, common)
    terms = terms_of(a)
    what = terms.place(name)
    if not place.exists:
        return _empty(name, Outcome.CENSORED, f"{what} is not reached by the last checkpoint", common)
    outcome, tokens, low, high, reason = _judged(a, place, what)
    still = _still_rising(a)
    if name in ("t10", "t50") and still and outcome == Outcome.FOUND:
        outcome, reason = (
            Outcome.CENSORED,
            f"{reason}; the {terms.noun} goes on at the last checkpoint, so only a part of it is seen",
        )
    if name == "peak":
        reason += f"; {terms.peak(a.risen, a.fallen)}"
    return Transition(estimand=name, outcome=outcome, reason=reason, tokens=tokens, low=low, high=high, **common)


def _phases_row(counted: PhaseCount, terms: Terms, common: dict[str, Any]) -> Transition:
    """Return the row of the number of waves of the rise."""
    one = f"one wave is rejected (p = {counted.p_one:.2g})"
    reason = {
        1: f"one wave explains the {terms.noun} (p = {counted.p_one:.2g})",
        2: f"{one}, two waves are enough (p = {counted.p_two or 0:.2g})",
        3: f"{one}, and so are two (p = {counted.p_two or 0:.2g})",
    }[counted.count]
    return Transition(
        estimand="phases", outcome=Outcome.FOUND, reason=reason, phases=counted.count, p_value=counted.p_one, **common
    )


def _width_row(a: Analysis, place: Location, common: dict[str, Any]) -> Transition:
    """Width in tokens between 10 and 50 % of the rise, from the ratio's interval and the averaged t10."""
    start = a.locations["t10"]
    if not (place.exists and start.exists):
        return _empty("width", Outcome.CENSORED, f"50 % of its {terms_of(a).noun} is not reached", common)
    at = a.fit.axis.to_tokens(start.x)
    tokens, low, high = (
        finite(float(a.fit.axis.to_tokens(start.x + w) - at)) for w in (place.x, place.low, place.high)
    )
    ratio = 10.0 ** (place.high - place.low) if low is not None and high is not None else math.inf
    outcome, _ = judged(low is None, high is None, ratio)
    noun, more = terms_of(a).noun, ""
    if _still_rising(a):
        outcome, more = Outcome.CENSORED, f"; the {noun} goes on at the last checkpoint, so only a part of it is seen"
    reason = f"10 to 50 % of its {noun} takes {format_estimate(tokens, low, high, UNITS[a.trajectory.axis])}{more}"
    return Transition(estimand="width", outcome=outcome, reason=reason, tokens=tokens, low=low, high=high, **common)


def _judged(a: Analysis, place: Location, what: str) -> tuple[Outcome, float | None, float | None, float | None, str]:
    """Return outcome, tokens, low, high and sentence of a location that exists."""
    axis = a.fit.axis
    tokens = float(axis.to_tokens(place.x))
    low, high = _low(a, place), _high(a, place)
    where = f"{what} at {format_estimate(tokens, low, high, UNITS[a.trajectory.axis])}"
    if place.x < axis.first:
        first = float(axis.to_tokens(axis.first))
        return (
            Outcome.CENSORED,
            None,
            None,
            first,
            f"{what} before the first trained checkpoint ({format_count(first)})",
        )
    factor = math.inf if low is None or high is None else high / max(low, 1e-300)
    outcome, why = judged(low is None, high is None, factor)
    return outcome, tokens, low, high, where + why


def judged(open_low: bool, open_high: bool, factor: float) -> tuple[Outcome, str]:
    """Return the outcome of an estimated place by its interval, and why it is not found: one rule for all estimands.

    Parameters
    ----------
    open_low, open_high : bool
        Whether an end of the interval is open.
    factor : float
        Ratio of its ends, in tokens.
    """
    if open_low and open_high:
        return Outcome.NOT_SHARPLY_LOCATED, ": anywhere in the run fits"
    if open_low:
        return Outcome.CENSORED, ": it may come before the first trained checkpoint"
    if open_high:
        return Outcome.CENSORED, ": it may not come before the last checkpoint"
    if math.log(factor) > BLUNT:
        return Outcome.NOT_SHARPLY_LOCATED, ": more than a factor of ten"
    return Outcome.FOUND, ""


def _low(a: Analysis, place: Location) -> float | None:
    """Return the lower limit in tokens; None when it lies before the first trained checkpoint."""
    axis = a.fit.axis
    if not np.isfinite(place.low) or place.low < axis.first - 1e-9:
        return None
    return float(axis.to_tokens(place.low))


def _high(a: Analysis, place: Location) -> float | None:
    return finite(float(a.fit.axis.to_tokens(place.high)))


def _still_rising(a: Analysis, share: float = 0.1) -> bool:
    """Return whether the last tenth of the axis still brings more than ``share`` of the rise."""
    u = a.curves.risen[:, a.rising.best]
    x = a.curves.x
    late = np.interp(x[-1] - 0.1 * (x[-1] - x[0]), x, u)
    return bool(a.fallen == 0 and u[-1] - late > share * u[-1])


def _empty(name: Estimand, outcome: Outcome, reason: str, common: dict[str, Any]) -> Transition:
    return Transition(estimand=name, outcome=outcome, reason=reason, **common)
