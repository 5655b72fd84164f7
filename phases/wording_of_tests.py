"""Tests in words: p-values, what adjusting for many tests leaves of a claim, and the notes of a report on them.

Like ``calque.phases.wording``, which has the words of locations, it serves terminal, JSON, report and explorer alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from calque.data.quantities import format_p, plural
from calque.phases.results import Lag, Transition

ADJUSTED = (
    "p adjusted: Benjamini-Yekutieli over all exploratory tests; it decides the outcome. primary: the one test of a "
    "run that was declared, which stands by its own p."
)
"""The note under tables with adjusted p-values."""

MANY = {"lag": "lags", "mode": "tests of two modes"}
"""What is adjusted together, where it is no test of a series."""


def p_words(p: float) -> str:
    """Return a p-value in a sentence, such as ``p = 0.0012``.

    Parameters
    ----------
    p : float
        The p-value.
    """
    return f"p = {p:.2g}"


def with_p(t: Transition, p: float) -> Transition:
    """Return a row with another p-value, in its sentence too.

    Parameters
    ----------
    t : Transition
        The row of a test.
    p : float
        The p-value.
    """
    reason = t.reason if t.p_value is None else t.reason.replace(f"({p_words(t.p_value)})", f"({p_words(p)})", 1)
    return replace(t, p_value=p, reason=reason)


def after_adjusting(p: float, count: int, holds: bool, estimand: str) -> str:
    """Return the part of a sentence that says what adjusting for many tests leaves of a claim.

    Parameters
    ----------
    p : float
        The adjusted p-value.
    count : int
        Tests that are adjusted together.
    holds : bool
        Whether the claim stands.
    estimand : str
        Of the row, or ``lag``, or ``mode`` (of runs).
    """
    among = f"among {count} {MANY.get(estimand, 'exploratory tests')} (adjusted {p_words(p)})"
    if holds:
        return f"that holds {among}"
    if estimand == "takeoff":
        return f"a delayed start is not established {among}, so this is where a level was passed"
    return f"that is by its own p-value alone, and not established {among}"


def adjusted_text(t: Transition | Lag | None) -> str:
    """Return an adjusted p-value in a table: ``primary`` where the test was declared and stands by its own p-value.

    Parameters
    ----------
    t : Transition or Lag or None
        The row of a test.
    """
    if isinstance(t, Transition) and t.role == "primary":
        return "primary"
    return format_p(None if t is None else t.p_adjusted)


class Repeated(NamedTuple):
    """Tests of a report that were repeated with more replicates.

    Attributes
    ----------
    tests, replicates : int
        How many were repeated, and the most replicates that one of them has.
    stuck, needed : int
        Tests that stay at the smallest p-value that their replicates give although adjusting lifts it above the level,
        and the replicates that they would need.
    """

    tests: int = 0
    replicates: int = 0
    stuck: int = 0
    needed: int = 0


def many_tests_note(primary: str | None, declared: bool, exploratory: int, repeated: Repeated) -> tuple[str, ...]:
    """Return the notes on the tests of a report: which is primary, and what many tests do to the others.

    Parameters
    ----------
    primary : str, optional
        The metric whose test is primary; None where no run has that test, since runs are split.
    declared : bool
        Whether it was declared; else it is the default.
    exploratory : int
        Other tests, at least 1.
    repeated : Repeated
        Of these, what was repeated.
    """
    follow = "exploratory: outcomes follow p-values adjusted together (Benjamini-Yekutieli)"
    if primary is None:
        return (
            f"no test is primary, for runs are split: all {exploratory} are {follow}",
            *replicates_note("test", repeated),
        )
    how = "declared" if declared else "the default; `primary` declares another"
    others = f"other {exploratory} are" if exploratory > 1 else "one other is"
    first = f"primary test of each run: delayed start of {primary}, of the whole run ({how}); the {others} {follow}"
    return (first, *replicates_note("test", repeated))


def replicates_note(what: str, repeated: Repeated) -> tuple[str, ...]:
    """Return the notes on tests at the smallest p-value that their replicates give.

    Parameters
    ----------
    what : str
        What is tested, ``test`` or ``lag``.
    repeated : Repeated
        What was repeated.
    """
    out = []
    if repeated.tests:
        were = f"{repeated.tests} {what}s were" if repeated.tests > 1 else f"1 {what} was"
        out.append(
            f"{were} repeated with up to {plural(repeated.replicates, 'replicate')}: adjusting for many "
            f"{what}s needs smaller p-values than the first replicates give"
        )
    if repeated.stuck:
        stay = f"{repeated.stuck} {what}s stay" if repeated.stuck > 1 else f"1 {what} stays"
        out.append(
            f"{stay} at the smallest p-value that the replicates give, too large among so many: {repeated.needed} "
            f"replicates (`boot`) or fewer {what}s in one report would tell"
        )
    return tuple(out)
