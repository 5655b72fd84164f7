"""The sentences at the head of a report: what they say of series without a delayed start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calque.phases.report.html import render
from calque.phases.report.summary import by_run, headline
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from calque.phases.wording import location
from tests.test_phases_wording import cube, report_of, row

PEAK = "the peak comes before checkpoint 8: too few before it to test for a delayed start"


def report(delay: Transition, takeoff: Transition) -> DetectionReport:
    return report_of(delay, takeoff)


@pytest.mark.parametrize(
    ("outcome", "place", "words"),
    [
        (Outcome.NOT_SHARPLY_LOCATED, "closed", "takeoff 2B (1B to 4B), not sharply located"),
        (Outcome.SMOOTH, "closed", "takeoff 2B (1B to 4B), smooth"),
        (Outcome.CENSORED, "open above", "takeoff 2B (after 1B), censored"),
        (Outcome.CENSORED, "after", "takeoff after 1B, censored"),
    ],
)
def test_a_smooth_series_is_told_with_its_takeoff(outcome: Outcome, place: str, words: str) -> None:
    takeoff = row("takeoff", outcome, place)
    found = report(row("delay", Outcome.SMOOTH, "nowhere"), takeoff)
    (said,) = headline(found)
    assert said == f"score: no delayed start shown in the one series (smooth); {words}."
    assert location(takeoff) in words and words in render(found, cube())


def test_without_a_takeoff_none_is_told() -> None:
    (said,) = headline(report(row("delay", Outcome.NONE, "nowhere"), row("takeoff", Outcome.NONE, "nowhere")))
    assert said == "score: no delayed start shown in the one series (none)."


def test_of_several_smooth_series_each_takeoff_counts() -> None:
    first = report(row("delay", Outcome.SMOOTH, "nowhere"), row("takeoff", Outcome.NOT_SHARPLY_LOCATED))
    second = [replace(t, run="s") for t in (row("delay", Outcome.SMOOTH, "nowhere"), row("takeoff", Outcome.SMOOTH))]
    (said,) = headline(replace(first, transitions=(*first.transitions, *second)))
    assert "in any of 2 series (smooth); " in said
    assert "takeoff not sharply located in 1" in said and "takeoff smooth in 1" in said


def test_too_few_points_are_said_with_which_are_too_few() -> None:
    delay = replace(row("delay", Outcome.TOO_FEW_POINTS, "nowhere"), reason=PEAK, n_checkpoints=27)
    (said,) = headline(report(delay, row("takeoff", Outcome.FOUND)))
    assert f"(too few points: {PEAK}); takeoff 2B (1B to 4B)." in said


def test_what_both_reasons_end_with_is_said_once() -> None:
    delay = replace(row("delay", Outcome.SMOOTH, "nowhere"), reason="rises; a late start would show; a dip: it falls")
    takeoff = replace(row("takeoff", Outcome.SMOOTH), reason="5 points above; a dip: it falls; lasts")
    (said,) = by_run(report(delay, takeoff), "r", "")
    assert said == "score: 5 points above; a dip: it falls; lasts; rises; a late start would show."


def test_a_lag_that_is_shown_in_no_series_is_said_to_be_shown_in_none() -> None:
    def said(*outcomes: Outcome) -> str:
        common = {"group": "", "first": "copy", "second": "trans", "level": 0.95, "reason": "why"}
        lags = tuple(Lag(run=f"r{i}", outcome=o, **common) for i, o in enumerate(outcomes))
        found = report(row("delay", Outcome.FOUND), row("takeoff", Outcome.FOUND))
        return headline(replace(found, lags=lags))[1]

    refused = Outcome.NOISE_TOO_PERSISTENT
    assert (
        said(refused) == "trans is not shown to take off later than copy in the one series (noise too persistent in 1)."
    )
    several = (
        "trans is not shown to take off later than copy in any of 3 series (noise too persistent in 2, none in 1)."
    )
    assert said(refused, Outcome.NONE, refused) == several
