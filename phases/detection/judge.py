"""From estimates to rows: the outcome of an analysis, and its reason as a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from calque.data.quantities import format_count, format_estimate
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import FEWEST
from calque.phases.detection.phase_count import PhaseCount
from calque.phases.detection.terms import Terms
from calque.phases.dictionary.location import Location
from calque.phases.results import Estimand, Outcome, Refusal, Transition, finite
from calque.phases.wording import growth

BLUNT = math.log(10.0)
"""An interval that spans more than a factor of ten does not locate anything sharply."""
RISE_EVIDENCE = 12.0
"""Twice the log-likelihood over a constant that shows a rise by itself: the test's noise is that of the fitted curve,
which says little about a floor of exact zeros followed by wild swings."""


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
        "run": t.run, "group": t.group, "metric": t.metric, "level": level, "n_checkpoints": t.n, "falls": t.falls
    }  # fmt: skip
    if isinstance(a, Refusal):
        # a score that never changes did not start late
        p = {"p_value": 1.0} if a.outcome == Outcome.NONE else {}
        return [_empty("delay", a.outcome, a.reason, common | p), _empty("takeoff", a.outcome, a.reason, common)]
    if a.delay is None:
        top = terms_of(a).place("peak")
        reason = f"the {top} comes before checkpoint {FEWEST}: too few before it to test for a delayed start"
        delay = _empty("delay", Outcome.TOO_FEW_POINTS, reason, common)
        out = [delay, _takeoff_row(a, delay, common)]
    else:
        delay = _delay_row(a, level, common)
        out = [delay, _takeoff_row(a, delay, common)]
    if out[1].outcome == Outcome.NONE:
        return out
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
    return Terms.of(a.trajectory, a.unit)


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
    if a.delay is not None and a.delay.p_rise > 1 - level and a.gain < RISE_EVIDENCE:
        return f"no {terms.noun} that noise does not explain (test of a {terms.noun}: p = {a.delay.p_rise:.2g})"
    if a.risen < needed:
        return f"the fitted rise is {terms.height(a.risen)}, less than the {terms.height(needed)} asked for"
    return ""


def _delay_row(a: Analysis, level: float, common: dict[str, Any]) -> Transition:
    assert a.delay is not None
    p, gamma = a.delay.p_value, a.delay.elasticity
    common = common | {"p_value": p}
    flat = rises(a, level)
    if flat:
        return _empty("delay", Outcome.NONE, flat, common)
    terms = terms_of(a)
    if gamma is None:
        reason = f"{terms.verb}, but constant or diminishing returns from the first token explain it (p = {p:.2g})"
        return _empty("delay", Outcome.SMOOTH, reason, common)
    how = {1.0: ", faster than in proportion to tokens T", 3.0: ", abrupt"}.get(gamma, "")
    reason = f"the {terms.noun} started late: at its steepest {growth(gamma)}{how} (p = {p:.2g})"
    return Transition(estimand="delay", outcome=Outcome.FOUND, reason=reason, elasticity=gamma, **common)


def _takeoff_row(a: Analysis, delay: Transition, common: dict[str, Any]) -> Transition:
    level = common["level"]
    flat = rises(a, level)
    terms = terms_of(a)
    what = terms.threshold(a.rise)
    if a.delay is not None:
        common = common | {"p_value": a.delay.p_rise}
    if flat:
        return _empty("takeoff", Outcome.NONE, flat, common)
    place = a.locations["takeoff"]
    if not place.exists:
        reason = f"{terms.verb}, but {what} is not reached by the last checkpoint"
        return _empty("takeoff", Outcome.CENSORED, reason, common | {"low": _low(a, place)})
    outcome, tokens, low, high, reason = _judged(a, place, what)
    if outcome == Outcome.FOUND and delay.outcome == Outcome.SMOOTH:
        outcome = Outcome.SMOOTH
        reason += "; no delayed start is shown, so this is where a level was passed, not a transition that is shown"
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
    blunt = low is None or high is None or (place.high - place.low) * math.log(10) > BLUNT
    outcome = Outcome.NOT_SHARPLY_LOCATED if blunt else Outcome.FOUND
    noun, more = terms_of(a).noun, ""
    if _still_rising(a):
        outcome, more = Outcome.CENSORED, f"; the {noun} goes on at the last checkpoint, so only a part of it is seen"
    reason = f"10 to 50 % of its {noun} takes {format_estimate(tokens, low, high, 'tokens')}{more}"
    return Transition(estimand="width", outcome=outcome, reason=reason, tokens=tokens, low=low, high=high, **common)


def _judged(a: Analysis, place: Location, what: str) -> tuple[Outcome, float | None, float | None, float | None, str]:
    """Return outcome, tokens, low, high and sentence of a location that exists."""
    axis = a.fit.axis
    tokens = float(axis.to_tokens(place.x))
    low, high = _low(a, place), _high(a, place)
    where = f"{what} at {format_estimate(tokens, low, high, 'tokens')}"
    if place.x < axis.first:
        first = float(axis.to_tokens(axis.first))
        return (
            Outcome.CENSORED,
            None,
            None,
            first,
            f"{what} before the first trained checkpoint ({format_count(first)})",
        )
    if low is None and high is None:
        return Outcome.NOT_SHARPLY_LOCATED, tokens, low, high, where + ": anywhere in the run fits"
    if low is None:
        outcome = Outcome.FOUND if place.x > axis.first else Outcome.CENSORED
        return outcome, tokens, low, high, where + ": it may come before the first trained checkpoint"
    if high is None:
        return Outcome.CENSORED, tokens, low, high, where + ": it may not come before the last checkpoint"
    if math.log(high / max(low, 1e-300)) > BLUNT:
        return Outcome.NOT_SHARPLY_LOCATED, tokens, low, high, where + ": more than a factor of ten"
    return Outcome.FOUND, tokens, low, high, where


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
