"""The report of a classical model: what the model is, one row an estimate, a picture a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.command_line.naming import named
from calque.data.command_line.output import check_output
from calque.data.quantities import format_p
from calque.phases.report.runs import run_picture
from calque.phases.report.tables import marked, outcome_text, setting_words
from calque.phases.results import DetectionReport
from calque.phases.wording import location, outcome_words

MODELS: Mapping[str, str] = {
    "kink": "Segmented regression: a line with one corner; p is Davies' bound against no corner. A corner is assumed, "
    "not shown: smooth growth is bent as well, and gets a place and an interval.",
    "level": "Mean shifts: constant levels between breaks; p is sup F against no break, under AR(1) noise. Levels are "
    "assumed: any growth, a straight line too, is cut into steps.",
    "markov": "Hidden Markov model: increments of a slow and a fast regime. Two rates are assumed; the interval is "
    "given the estimated regimes and too short; there is no test, the number of regimes is chosen by BIC.",
    "logistic": "Logistic growth between two fitted asymptotes. The shape is assumed: the curve has no beginning, so "
    "no place on it is an onset; there is no test, a rise is kept by BIC.",
    "gompertz": "Gompertz growth between two fitted asymptotes. The shape is assumed: the curve has no beginning, so "
    "no place on it is an onset; there is no test, a rise is kept by BIC.",
}
"""The note under the numbers of each model: what it is and when it misleads."""
BARS = {"kink": "kink", "level": "level", "markov": "kink", "logistic": "t50", "gompertz": "t50"}
"""The estimand that a picture shows as bars."""


def report_parts(report: DetectionReport) -> list[RenderableType]:
    """Return the report for a terminal: one row an estimate, and what the model assumes.

    Parameters
    ----------
    report : DetectionReport
        Results of a classical model.

    Returns
    -------
    list of rich renderables
        A table and a note.
    """
    family = report.settings["family"]
    table = Table(title=f"Model: {family}", title_justify="left", header_style="bold")
    for name in ("run", "group", "metric", "estimate", "outcome", "p", "tokens"):
        table.add_column(name, overflow="fold")
    for t in report.transitions:
        outcome = outcome_text(t.outcome)
        table.add_row(t.run, t.group, t.metric, t.estimand, outcome, format_p(t.p_value), marked(t))
    notes = [Text(f"Note: {line}.") for line in named(report.notes)]
    return [table, *notes, Text(f"Intervals {100 * report.settings['level']:g} %. {MODELS[family]}", style="dim")]


def write_report(report: DetectionReport, path: Path) -> None:
    """Write the HTML page of a report.

    Parameters
    ----------
    report : DetectionReport
        Results of a classical model.
    path : Path
        The file.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    check_output(path)
    path.write_text(render(report), encoding="utf-8")


def render(report: DetectionReport) -> str:
    """Return the page's HTML.

    Parameters
    ----------
    report : DetectionReport
        Results of a classical model.

    Returns
    -------
    str
        A self-contained page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("calque.phases.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    family = report.settings["family"]
    sections = []
    for run, group in dict.fromkeys((t.run, t.group) for t in report.transitions):
        curves = [c for c in report.curves if (c.run, c.group) == (run, group)]
        rows = [t for t in report.transitions if (t.run, t.group) == (run, group)]
        picture = run_picture(curves, rows, (), report.settings["scale"], BARS[family])
        sections.append({"name": f"{run} {group}".strip(), "picture": picture, "rows": rows})
    settings = {k: setting_words(v) for k, v in report.settings.items()}
    return environment.get_template("classical.html.j2").render(
        report=report, family=family, what=MODELS[family], sections=sections, settings=settings, located=location,
        p_text=format_p, outcome_words=outcome_words, made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
