"""Many tests in one report: the test that was declared, and outcomes that follow adjusted p-values.

One test a run is primary: the delay test of the metric that was declared before looking, of the whole run. It stands
by its own p-value. All other delay tests of the report are exploratory and adjusted together (Benjamini and Yekutieli
2001), and so are its lags. What is found by its own p-value alone is ``not_established``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from calque.data.errors import UserError, nearest, shown
from calque.phases.results import Lag, Outcome, Role, Transition
from calque.phases.stats.multiplicity import benjamini_yekutieli, replicates_needed
from calque.phases.wording import hangs
from calque.phases.wording_of_tests import Repeated, after_adjusting

TESTED = ("delay", "kink", "level")
"""Estimands whose p-value is the test of their series: of the dictionary, and of the classical models."""
CLAIMED = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)
MOST_REPLICATES = 9_999
"""Tests are repeated with this many replicates at the most."""
AMPLE = 5
"""Times the fewest replicates that adjusting needs: with these alone, a single replicate as large would decide."""
HEADLINE = "translation"
"""The metric whose test is primary where none is declared and no metric is named."""
Key = tuple[str, str, str]


def primary_metric(declared: str | None, named: Sequence[str] | None, analysed: Sequence[str]) -> str:
    """Return the metric whose test is the primary one of each run.

    Parameters
    ----------
    declared : str, optional
        As the user declared it.
    named : sequence of str, optional
        Metrics that the user named.
    analysed : sequence of str
        Metrics that are analysed, at least one.

    Raises
    ------
    UserError
        When the declared metric is not analysed.
    """
    if declared is None:
        return HEADLINE if named is None and HEADLINE in analysed else analysed[0]
    if declared not in analysed:
        raise UserError(
            f"`primary` is {shown(declared)}, which is not analysed; expected one of {', '.join(analysed[:8])}"
            + nearest(declared, list(analysed))
        )
    return declared


def test_p(row: Transition) -> float | None:
    """Return the p-value of a row as a test of its claim: a series without a rise shows nothing, whatever its p-value.

    Parameters
    ----------
    row : Transition
        Of any estimand.
    """
    return 1.0 if row.outcome in (Outcome.NONE, Outcome.DECLINING) and row.p_value is not None else row.p_value


@dataclass(frozen=True)
class SeriesTests:
    """The tests of series.

    Attributes
    ----------
    p_values : mapping of (run, group, metric) to float
        Of every series that has a test.
    roles : mapping of (run, group, metric) to {"primary", "exploratory"}
        Of the same series.
    """

    p_values: Mapping[Key, float]
    roles: Mapping[Key, Role]

    @classmethod
    def of(cls, rows: Sequence[Transition], primary: str) -> SeriesTests:
        """Return the tests of a report; the primary metric has its role where a run has one series of it.

        Parameters
        ----------
        rows : sequence of Transition
            Of a report.
        primary : str
            The metric that was declared.
        """
        p: dict[Key, float] = {}
        for row in rows:
            value = test_p(row)
            if row.estimand in TESTED and value is not None:
                p.setdefault(_key(row), value)
        series = Counter((run, metric) for run, _, metric in {_key(row) for row in rows})
        roles: dict[Key, Role] = {
            key: "primary" if key[2] == primary and series[key[0], key[2]] == 1 else "exploratory" for key in p
        }
        return cls(p, roles)

    @property
    def has_primary(self) -> bool:
        """Whether the declared test was made."""
        return "primary" in self.roles.values()

    @property
    def exploratory(self) -> list[Key]:
        """The series whose tests are adjusted together."""
        return [key for key, role in self.roles.items() if role == "exploratory"]

    def adjusted(self, instead: Mapping[Key, float] | None = None) -> dict[Key, float]:
        """Return the adjusted p-value of every series; of primary tests their own.

        Parameters
        ----------
        instead : mapping of (run, group, metric) to float, optional
            p-values to put in the place of some.
        """
        p = {**self.p_values, **(instead or {})}
        together = self.exploratory
        return p | dict(zip(together, benjamini_yekutieli([p[key] for key in together]), strict=True))


def _key(row: Transition) -> Key:
    return row.run, row.group, row.metric


def with_roles(rows: Sequence[Transition], primary: str, level: float) -> list[Transition]:
    """Return the rows of a report with their role and adjusted p-value, and the outcomes that follow from these.

    Parameters
    ----------
    rows : sequence of Transition
        Of a report, with the outcomes that follow from each p-value by itself.
    primary : str
        The metric that was declared.
    level : float
        Tests are at 1 - level.
    """
    tests = SeriesTests.of(rows, primary)
    p, count = tests.adjusted(), len(tests.exploratory)
    out = []
    for row in rows:
        key = _key(row)
        if key in p and row.estimand in TESTED:
            row = replace(row, p_adjusted=p[key], role=tests.roles[key])
        if key in p and tests.roles[key] == "exploratory":
            row = _decided(row, p[key], count, level)
            row = _without_decided(row, tests, level)
        out.append(row)
    return out


def _decided(row: Transition, p: float, count: int, level: float) -> Transition:
    """Return a row of an exploratory test: what its own p-value claims stands only by the adjusted one too."""
    if row.outcome not in CLAIMED or row.estimand not in (*TESTED, "takeoff"):
        return row
    holds = p <= 1 - level
    reason = f"{row.reason}; {after_adjusting(p, count, holds, row.estimand)}" if count > 1 else row.reason
    if holds:
        return replace(row, reason=reason) if row.estimand in TESTED else row
    return replace(row, outcome=Outcome.NOT_ESTABLISHED, reason=reason, elasticity=None)


def _without_decided(row: Transition, tests: SeriesTests, level: float) -> Transition:
    """Return a row whose answer without one checkpoint is held to the same rule."""
    if row.without_outcome not in CLAIMED or row.without_p_value is None or row.estimand not in TESTED:
        return row
    key = _key(row)
    if tests.adjusted({key: row.without_p_value})[key] <= 1 - level:
        return row
    new = replace(row, without_outcome=Outcome.NOT_ESTABLISHED)
    return replace(new, reason=row.reason.replace(hangs(row), hangs(new)))


def with_adjusted_lags(lags: Sequence[Lag], level: float) -> list[Lag]:
    """Return lags with p-values adjusted over all of them, and the outcomes that follow from these.

    Parameters
    ----------
    lags : sequence of Lag
        Of a report, with the outcomes that follow from each interval by itself.
    level : float
        Tests are at 1 - level.
    """
    tested = [i for i, lag in enumerate(lags) if lag.p_value is not None]
    out = list(lags)
    for i, p in zip(tested, benjamini_yekutieli([lags[i].p_value or 0.0 for i in tested]), strict=True):
        lag = replace(lags[i], p_adjusted=p)
        if lag.outcome == Outcome.FOUND and len(tested) > 1:
            holds = p <= 1 - level
            reason = f"{lag.reason}; {after_adjusting(p, len(tested), holds, 'lag')}"
            lag = replace(lag, reason=reason, outcome=lag.outcome if holds else Outcome.NOT_ESTABLISHED)
        out[i] = lag
    return out


@dataclass(frozen=True)
class Raised:
    """p-values of which those at the smallest possible value were computed again from more replicates.

    Attributes
    ----------
    p_values : list of float
        Of all tests.
    replicates : dict of int to int
        Of the tests that were repeated, by position.
    stuck : int
        Tests that stay at the smallest possible value although adjusting lifts it above the level.
    needed : int
        Replicates that these would need, more than ``MOST_REPLICATES``; 0 where none is stuck.
    """

    p_values: list[float]
    replicates: dict[int, int]
    stuck: int = 0
    needed: int = 0

    @property
    def counts(self) -> Repeated:
        """What was repeated, in numbers."""
        return Repeated(len(self.replicates), max(self.replicates.values(), default=0), self.stuck, self.needed)


def raised(
    p_values: Sequence[float], boot: int, level: float, again: Callable[[Sequence[int], int], Mapping[int, float]]
) -> Raised:
    """Return p-values that are adjusted together, those at the smallest possible value from more replicates.

    A bootstrap p-value is ``1 / (boot + 1)`` at the least, which adjusting may lift above ``1 - level`` however clear
    the evidence. Only tests that sit at that value are repeated, with a few times the replicates that adjusting needs.
    The p-values stay valid: one below ``1 / (boot + 1)`` comes from the larger number of replicates alone, and any
    other that is at most u was at most u before.

    Parameters
    ----------
    p_values : sequence of float
        Of all tests.
    boot : int
        Replicates that they come from.
    level : float
        Tests are at 1 - level.
    again : callable
        Takes positions of tests and a number of replicates, returns p-values by position.
    """
    p, used = list(p_values), dict.fromkeys(range(len(p_values)), boot)
    while True:
        passed = benjamini_yekutieli(p)
        least = [i for i, value in enumerate(p) if value * (used[i] + 1) < 1.5 and passed[i] > 1 - level]
        more = {i: n for i, n in used.items() if n != boot}
        if not least:
            return Raised(p, more)
        needed = replicates_needed(len(p), len(least), level)
        if needed > MOST_REPLICATES or needed <= min(used[i] for i in least):
            return Raised(p, more, len(least), needed)
        replicates = min(AMPLE * (needed + 1) - 1, MOST_REPLICATES)
        found = again(least, replicates)
        for i in least:
            p[i] = found.get(i, p[i])
            used[i] = replicates
