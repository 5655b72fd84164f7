"""The report as tables on a terminal: one row a series, then the lags."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.command_line.naming import named
from calque.data.quantities import ABSENT, format_count, format_p
from calque.phases.report.sensitivity import sensitivity_parts
from calque.phases.results import DetectionReport, Outcome, Transition
from calque.phases.schedules.words import ONE, UNITS, growth_legend
from calque.phases.wording import (
    OF_THE_RISE,
    STILL_RISING,
    UNMARKED,
    answer,
    delay_outcome,
    growth,
    lag_ratio,
    location,
    outcome_words,
    series_words,
    without,
)
from calque.phases.wording_of_outcomes import WHERE_REASONS, meanings, shown_outcomes
from calque.phases.wording_of_tests import ADJUSTED, adjusted_text

COLOURS = {
    Outcome.FOUND: "green", Outcome.SMOOTH: "yellow", Outcome.METRIC_DEPENDENT: "yellow", Outcome.NONE: "dim",
    Outcome.CENSORED: "cyan", Outcome.NOT_SHARPLY_LOCATED: "cyan", Outcome.TOO_FEW_POINTS: "dim",
    Outcome.NOT_ESTABLISHED: "yellow", Outcome.DECLINING: "dim",
    Outcome.NOT_CONVERGED: "red", Outcome.NOISE_TOO_PERSISTENT: "dim", Outcome.MODEL_DOES_NOT_FIT: "red",
}  # fmt: skip

PLACES = ("takeoff", "t50", "peak")
"""Estimands with a column of places."""
SHOWN = ("delay", *PLACES)
"""Estimands that the table of transitions shows."""


def outcome_text(outcome: Outcome) -> Text:
    """Return an outcome in words and in its colour.

    Parameters
    ----------
    outcome : Outcome
        What came of a question.
    """
    return Text(outcome_words(outcome), style=COLOURS[outcome])


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


def without_row(rows: dict[str, Transition]) -> tuple[str, dict[str, Transition]] | None:
    """Return a series without the checkpoint that its answer hangs on: that checkpoint, and the rows that change.

    Parameters
    ----------
    rows : dict of str to Transition
        Rows of the series by estimand.

    Returns
    -------
    tuple of str and dict, or None
        None where the answer hangs on no single checkpoint.
    """
    less = {name: one for name, t in rows.items() if (one := without(t)) is not None}
    return (format_count(next(iter(less.values())).without_checkpoint), less) if less else None


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
    adjusted = several_tests(report)
    for name in ("delayed start", "p", *(["p adjusted"] if adjusted else []), "growth", *PLACES):
        table.add_column(name, justify="left")
    last = None
    for (run, group, metric), rows in by_series(report).items():
        if last is not None and last != (run, group):
            table.add_section()
        shown = [run if last != (run, group) else "", *([group] if grouped else []), metric]
        table.add_row(*shown, *_cells(rows, adjusted))
        less = without_row(rows)
        if less is not None:
            table.add_row("", *([""] if grouped else []), f"  without {less[0]}", *_cells(less[1], adjusted))
        last = (run, group)
    return table


def several_tests(report: DetectionReport) -> bool:
    """Return whether some tests of a report are adjusted for many tests.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    return any(t.role == "exploratory" for t in report.transitions)


def _cells(rows: dict[str, Transition], adjusted: bool) -> list[str | Text]:
    delay = rows.get("delay")
    return [
        ABSENT if delay is None else Text(delay_outcome(delay), style=COLOURS[delay.outcome]),
        format_p(None if delay is None else delay.p_value),
        *([adjusted_text(delay)] if adjusted else []),
        growth(None if delay is None else delay.elasticity),
        *(marked(rows.get(name)) for name in PLACES),
    ]


def marked(t: Transition | None) -> Text:
    """Return a location with its interval and its outcome, in the outcome's colour unless that is ``found``.

    Parameters
    ----------
    t : Transition or None
        The row.
    """
    plain = t is None or t.outcome == Outcome.FOUND
    return Text(location(t), style="" if plain or t is None else COLOURS[t.outcome])


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
    unit = UNITS[report.settings.get("axis", "tokens")]
    table = Table(
        title=f"Lags ({unit} of the second over {unit} of the first, one joint interval)", title_justify="left"
    )
    adjusted = sum(lag.p_adjusted is not None for lag in report.lags) > 1
    for name in ("run", "group", "from", "to", "ratio", "p", *(["p adjusted"] if adjusted else []), "outcome"):
        table.add_column(name, overflow="fold")
    for lag in report.lags:
        outcome = outcome_text(lag.outcome)
        p = [format_p(lag.p_value), *([adjusted_text(lag)] if adjusted else [])]
        table.add_row(lag.run, lag.group, lag.first, lag.second, lag_ratio(lag), *p, outcome)
    return table


def report_parts(report: DetectionReport) -> list[RenderableType]:
    """Return the report for a terminal: both tables, what hangs on one checkpoint, notes, and what the numbers are.

    Parameters
    ----------
    report : DetectionReport
        The results.

    Returns
    -------
    list of rich renderables
        Tables and a note.
    """
    tables = [transitions_table(report), *([lags_table(report)] if report.lags else [])]
    lines = [*hanging(report), *changes(report), *named(report.notes)]
    notes = [Text(f"Note: {line}.") for line in lines]
    meant = meanings(shown_outcomes(report, SHOWN))
    below = [" ".join(legend(report)), *meant, *([WHERE_REASONS] if meant else [])]
    return [*tables, *sensitivity_parts(report), *notes, *(Text(line, style="dim") for line in below)]


def legend(report: DetectionReport) -> list[str]:
    """Return what the columns of the tables are, in sentences.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    level, rise = report.settings["level"], report.settings["rise"]
    parts = [t for t in report.transitions if t.estimand in OF_THE_RISE and t.outcome == Outcome.CENSORED]
    axis = report.settings.get("axis", "tokens")
    meant = growth_legend(axis)
    return [
        f"Intervals {100 * level:g} %.",
        UNMARKED,
        *([STILL_RISING] if parts else []),
        f"Delayed start: p of constant or diminishing returns from the first {ONE[axis]} on.",
        *([ADJUSTED] if several_tests(report) else []),
        f"{meant[0].upper()}{meant[1:]}.",
        *(
            []
            if axis == "tokens"
            else [f"Places are in {UNITS[axis]}; pictures, and the JSON's tokens, are in tokens."]
        ),
        f"Takeoff: {100 * rise:g} points above the floor; of what is no proportion, {100 * rise:g} % of its rise or "
        "fall.",
    ]


def hanging(report: DetectionReport) -> list[str]:
    """Return a sentence for each series whose answer hangs on one checkpoint, with the answer without it.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    out = []
    for (run, group, metric), rows in by_series(report).items():
        less = without_row(rows)
        if less is not None:
            parts = [f"{NAMES[k]} {answer(rows[k])}, without it {answer(one)}" for k, one in less[1].items()]
            series = series_words(run, group, metric)
            out.append(f"{series} hangs on the one checkpoint at {less[0]} tokens: {'; '.join(parts)}")
    return out


def changes(report: DetectionReport) -> list[str]:
    """Return a sentence for each series with a finding that begins at a change of the schedule.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    out = []
    for (run, group, metric), rows in by_series(report).items():
        marked_rows = {k: rows[k].at_change for k in ("delay", "takeoff") if k in rows and rows[k].at_change}
        said = dict.fromkeys(words for words in marked_rows.values() if words)
        for words in said:
            names = " and ".join(NAMES[k] for k, one in marked_rows.items() if one == words)
            out.append(f"{series_words(run, group, metric)}: {names} {words}")
    return out


NAMES = {"delay": "delayed start", "takeoff": "takeoff"}
"""What the estimands that may hang on one checkpoint are called in a sentence."""


def setting_words(value: object) -> str:
    """Return a setting as text: lists with commas, mappings as ``key: value``.

    Parameters
    ----------
    value : object
        As it stands in the JSON.
    """
    if isinstance(value, dict):
        return "; ".join(f"{key}: {setting_words(one)}" for key, one in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
