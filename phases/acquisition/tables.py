"""The regression of acquisition times as tables on a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_p
from calque.phases.acquisition.results import AcquisitionReport
from calque.phases.report.tables import outcome_text


def predictors_table(report: AcquisitionReport) -> Table:
    """Return a table with one row a predictor of ``report``: explained share, p-values, outcome."""
    table = Table(title=f"Predictors of {report.metric}", title_justify="left", header_style="bold")
    for name in ("predictor", "explains", "p", "adjusted", "outcome"):
        table.add_column(name, overflow="fold")
    for p in report.predictors:
        explains = "–" if p.explained is None else f"{100 * p.explained:.1f} %"
        outcome = "allowed for" if p.of == "run" else outcome_text(p.outcome)
        table.add_row(p.name, explains, format_p(p.p_value), format_p(p.p_adjusted), outcome)
    return table


def terms_table(report: AcquisitionReport) -> Table:
    """Return a table with one row a coefficient of ``report``: time ratio with interval, degrees of freedom, p."""
    table = Table(title="Tokens at acquisition, as a ratio", title_justify="left", header_style="bold")
    for name in ("predictor", "by", "ratio", "df", "p"):
        table.add_column(name, overflow="fold")
    last = ""
    for t in report.terms:
        if t.time_ratio is None:
            ratio = "–"
        elif t.low is None or t.high is None:
            ratio = f"{t.time_ratio:.3g}"
        else:
            ratio = f"{t.time_ratio:.3g} ({t.low:.3g} to {t.high:.3g})"
        shown = "" if t.predictor == last else t.predictor
        table.add_row(shown, t.term, ratio, "–" if t.df is None else f"{t.df:.3g}", format_p(t.p_value))
        last = t.predictor
    return table


def acquisition_parts(report: AcquisitionReport) -> list[RenderableType]:
    """Return both tables of ``report`` and the sentences below them."""
    parts: list[RenderableType] = []
    if report.predictors:
        parts += [predictors_table(report), terms_table(report)]
    parts.append(outcome_text(report.outcome).append(f": {report.reason}.", style="default"))
    if report.family is not None:
        note = (
            f"{report.family} times by AIC; {report.n_items} items of {report.n_runs} runs, {report.n_concepts} "
            f"concepts, {report.n_languages} languages: {report.n_interval} between two checkpoints, "
            f"{report.n_right} never acquired, {report.n_left} from the first checkpoint on. "
            f"Intervals {100 * report.level:g} %, clustered by concept and language."
        )
        parts.append(Text(note, style="dim"))
    if report.n_missing:
        parts.append(Text(f"{report.n_missing} items lack a covariate and are left out."))
    return [*parts, *(Text(f"Left out: {name} {why}.") for name, why in report.left_out.items())]
