"""The report as tables on a terminal: one row a series, then the lags."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_count, format_interval, format_p
from calque.phases.results import DetectionReport, Lag, Outcome, Transition

COLOURS = {
    Outcome.FOUND: "green", Outcome.SMOOTH: "yellow", Outcome.METRIC_DEPENDENT: "yellow", Outcome.NONE: "dim",
    Outcome.CENSORED: "cyan", Outcome.NOT_SHARPLY_LOCATED: "cyan", Outcome.TOO_FEW_POINTS: "dim",
    Outcome.NOT_CONVERGED: "red",
}  # fmt: skip


def outcome_text(outcome: Outcome) -> Text:
    """Return an outcome in words and in its colour.

    Parameters
    ----------
    outcome : Outcome
        What came of a question.
    """
    return Text(outcome.value.replace("_", " "), style=COLOURS[outcome])


def by_series(report: DetectionReport) -> dict[tuple[str, str, str], dict[str, Transition]]:
    """Return the transitions by series, then by estimand, in the report's order.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    dict of (run, group, metric) to dict of str to Transition
        Rows.
    """
    out: dict[tuple[str, str, str], dict[str, Transition]] = {}
    for t in report.transitions:
        out.setdefault((t.run, t.group, t.metric), {})[t.estimand] = t
    return out


def located(t: Transition | None) -> str:
    """Return the tokens of a transition with their interval, or a dash.

    Parameters
    ----------
    t : Transition or None
        The row.

    Returns
    -------
    str
        Such as ``1.2B (1B to 1.5B)``.
    """
    if t is None or (t.tokens is None and t.low is None and t.high is None):
        return "–"
    if t.tokens is None:
        return format_interval(t.low, t.high)
    return f"{format_count(t.tokens)} ({format_interval(t.low, t.high)})"


def factor(lag: Lag) -> str:
    """Return a lag as a factor of tokens with its interval."""
    if lag.log_ratio is None:
        return "–"
    ends = [("–" if v is None else f"{math.exp(v):.2f}") for v in (lag.low, lag.high)]
    return f"{math.exp(lag.log_ratio):.2f} ({ends[0]} to {ends[1]})"


def transitions_table(report: DetectionReport) -> Table:
    """Return the table of transitions, one row a series.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    rich.table.Table
        The table.
    """
    table = Table(title="Transitions", title_justify="left", header_style="bold")
    grouped = any(t.group for t in report.transitions)
    for name in ("run", *(["group"] if grouped else []), "metric"):
        table.add_column(name, overflow="fold")
    for name in ("outcome", "delay p", "faster than", "takeoff", "t50", "peak"):
        table.add_column(name, justify="left")
    last = None
    for (run, group, metric), rows in by_series(report).items():
        if last is not None and last != (run, group):
            table.add_section()
        delay, takeoff = rows.get("delay"), rows.get("takeoff")
        assert delay is not None and takeoff is not None
        outcome = delay.outcome if takeoff.outcome == Outcome.FOUND else takeoff.outcome
        steep = "–" if delay.elasticity is None else f"T^{delay.elasticity:.0f}"
        shown = [run if last != (run, group) else "", *([group] if grouped else []), metric]
        table.add_row(
            *shown, outcome_text(outcome), format_p(delay.p_value), steep,
            located(takeoff), located(rows.get("t50")), located(rows.get("peak")),
        )  # fmt: skip
        last = (run, group)
    return table


def lags_table(report: DetectionReport) -> Table:
    """Return the table of lags, one row a lag.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    rich.table.Table
        The table.
    """
    table = Table(
        title="Lags (tokens of the second over tokens of the first, one joint interval)", title_justify="left"
    )
    for name in ("run", "group", "from", "to", "ratio", "p", "outcome"):
        table.add_column(name, overflow="fold")
    for lag in report.lags:
        outcome = outcome_text(lag.outcome)
        table.add_row(lag.run, lag.group, lag.first, lag.second, factor(lag), format_p(lag.p_value), outcome)
    return table


def report_parts(report: DetectionReport) -> list[RenderableType]:
    """Return the report for a terminal: both tables, and a note on what the numbers are.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    list of rich renderables
        Tables and a note.
    """
    level, rise = report.settings["level"], report.settings["rise"]
    note = (
        f"Intervals {100 * level:g} %; delay p: constant or diminishing returns from the first token on; "
        f"takeoff: {100 * rise:g} points above the floor (% of the rise where a score is no proportion)."
    )
    tables = [transitions_table(report), *([lags_table(report)] if report.lags else [])]
    return [*tables, Text(note, style="dim")]
