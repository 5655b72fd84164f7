"""The sensitivity of each series: a sentence, a table and a forest picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_p
from calque.phases.report.figures import SPARE, STYLE, figure, svg
from calque.phases.report.forest import Estimate, draw_tokens
from calque.phases.results import DetectionReport, VariedAnswer
from calque.phases.sensitivity.varied import by_series
from calque.phases.wording import estimate_words, outcome_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 6
"""Series whose variations are listed on a terminal; the others are in the JSON."""
PICTURES = 12
HOLDS = {True: SPARE[1], False: "#d6456b"}
"""Colours of variations that give the same answer, and of those that do not."""
NOTE = "Sensitivity: outcomes of each series by itself, with one choice varied; places in tokens."


def sensitivity_parts(report: DetectionReport) -> list[Table | Text]:
    """Return what the terminal shows: one table, and a sentence a series.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    found = by_series(report.sensitivity)
    if not found:
        return []
    table = Table(title="Sensitivity: does the answer hold?", title_justify="left", header_style="bold")
    for name in ("series", "varied", "delayed start", "p", "takeoff", "holds"):
        table.add_column(name, overflow="fold")
    for key, answers in list(found.items())[:SHOWN]:
        table.add_section()
        for i, cells in enumerate(map(cells_of, answers)):
            style = "" if answers[i].holds else "red"
            table.add_row(" ".join(part for part in key if part) if i == 0 else "", *cells, style=style)
    lines = [f"{' '.join(part for part in key if part)}: {varied_words(a)}." for key, a in found.items()]
    more = [f"The table has the first {SHOWN} series; the JSON has all."] if len(found) > SHOWN else []
    return [table, *map(Text, lines), Text(" ".join([NOTE, *more]), style="dim")]


def varied_words(answers: Sequence[VariedAnswer]) -> str:
    """Return the sentence part on whether the answer of one series holds, and where it does not.

    Parameters
    ----------
    answers : sequence of VariedAnswer
        Of one series; the first is as asked.
    """
    asked, *varied = answers
    other = [a for a in varied if not a.holds]
    place = estimate_words(asked.tokens, asked.low, asked.high, asked.outcome)
    what = f"delayed start {outcome_words(asked.delay)}, takeoff {place}"
    if not other:
        return f"the answer ({what}) holds in all of {len(varied)} variations"
    parts = [
        f"{a.variation} (delayed start {outcome_words(a.delay)}, takeoff "
        f"{estimate_words(a.tokens, a.low, a.high, a.outcome)})"
        for a in other
    ]
    return (
        f"the answer ({what}) holds in {len(varied) - len(other)} of {len(varied)} variations; not {'; '.join(parts)}"
    )


def cells_of(answer: VariedAnswer) -> tuple[str, str, str, str, str]:
    """Return a row of the table: what is varied, delayed start, p, takeoff, whether the answer holds.

    Parameters
    ----------
    answer : VariedAnswer
        One variation.
    """
    place = estimate_words(answer.tokens, answer.low, answer.high, answer.outcome)
    says = "" if answer.kind == "asked" else "yes" if answer.holds else "no"
    return answer.variation, outcome_words(answer.delay), format_p(answer.p_value), place, says


def sections(report: DetectionReport) -> list[dict[str, Any]]:
    """Return what the report shows of each series: name, sentence, rows, and a picture for the first of them.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    return [
        {
            "name": " ".join(part for part in key if part), "sentence": f"{varied_words(answers)}.",
            "rows": [(cells_of(a), a.holds) for a in answers], "picture": forest(answers) if i < PICTURES else None,
        }
        for i, (key, answers) in enumerate(by_series(report.sensitivity).items())
    ]  # fmt: skip


def draw_sensitivity(axes: Axes, answers: Sequence[VariedAnswer]) -> Axes:
    """Draw the takeoffs of one series under each variation, with their intervals; red where the answer does not hold.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    answers : sequence of VariedAnswer
        Of one series, as asked first.
    """
    draw_tokens(axes, [
        Estimate(f"{a.variation}: {outcome_words(a.delay)}", a.tokens, a.low, a.high, HOLDS[a.holds])
        if a.tokens is not None else Estimate(f"{a.variation}: {outcome_words(a.outcome)}", None, a.low, a.high, "none")
        for a in answers
    ], letters=80)  # fmt: skip
    axes.set_xlabel("tokens at takeoff")
    return axes


def forest(answers: Sequence[VariedAnswer]) -> str | None:
    """Return the picture of :func:`draw_sensitivity` as SVG; None where no variation has a takeoff.

    Parameters
    ----------
    answers : sequence of VariedAnswer
        Of one series.
    """
    import matplotlib as mpl

    if all(a.tokens is None for a in answers):
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(0.9 + 0.26 * len(answers))
        draw_sensitivity(axes, answers)
        return svg(made, "sensitivity")
