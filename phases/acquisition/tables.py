"""The regression of acquisition times as tables on a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_p, plural
from calque.phases.acquisition.results import AcquisitionReport, Success
from calque.phases.acquisition.success_report import share_words
from calque.phases.report.tables import outcome_text
from calque.phases.wording import ratio_text


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
    """Return a table with one row a coefficient of ``report``: ratio with interval, clusters, degrees of freedom, p."""
    table = Table(title="Tokens at acquisition, as a ratio", title_justify="left", header_style="bold")
    for name in ("predictor", "by", "ratio", "clusters", "df", "p"):
        table.add_column(name, overflow="fold")
    last = ""
    for t in report.terms:
        if t.time_ratio is None:
            ratio = "–"
        elif t.low is None or t.high is None:
            ratio = f"{t.time_ratio:.3g}"
        else:
            ratio = ratio_text(t.time_ratio, t.low, t.high)
        shown = "" if t.predictor == last else t.predictor
        table.add_row(shown, t.term, ratio, t.clusters, "–" if t.df is None else f"{t.df:.3g}", format_p(t.p_value))
        last = t.predictor
    return table


def success_table(success: Success, level: float) -> Table:
    """Return a table with one row a predictor of ``success``: its share with an interval at ``level``, twice."""
    title = f"Explained variation of success (Shapley values, {100 * level:g} % intervals)"
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in ("predictor", "in these items", "other concepts and languages"):
        table.add_column(name, overflow="fold")
    for part in success.parts:
        table.add_row(
            part.name, share_words(part.explained, part.low, part.high),
            share_words(part.cross_validated, part.cv_low, part.cv_high), end_section=part.name == "total",
        )  # fmt: skip
    return table


def acquisition_parts(report: AcquisitionReport) -> list[RenderableType]:
    """Return both tables of ``report`` and the sentences below them."""
    parts: list[RenderableType] = []
    if report.predictors:
        parts += [predictors_table(report), terms_table(report)]
    parts.append(outcome_text(report.outcome).append(f": {report.reason}.", style="default"))
    if report.family is not None:
        note = (
            f"{report.family} times by AIC; {plural(report.n_items, 'item')} of {plural(report.n_runs, 'run')}, "
            f"{plural(report.n_concepts, 'concept')}, {plural(report.n_languages, 'language')}: {report.n_interval} "
            f"between two checkpoints, {report.n_right} never acquired, {report.n_left} from the first checkpoint "
            f"on. Intervals {100 * report.level:g} %: as wide as the number of clusters makes them, however many "
            "items there are."
        )
        parts.append(Text(note, style="dim"))
    if report.success is not None:
        s = report.success
        parts += [success_table(s, report.level)] if s.parts else []
        parts.append(Text("Success: ").append_text(outcome_text(s.outcome)).append(f": {s.reason}."))
        if s.new_concepts is not None and s.new_languages is not None:
            each = f"{share_words(s.new_concepts, None, None)}, for other languages alone "
            each += share_words(s.new_languages, None, None)
            parts.append(Text(f"Success: {100 * (s.rate or 0):.1f} % of {plural(s.n_items, 'item')}; explained for "
                              f"other concepts alone {each}.", style="dim"))  # fmt: skip
    if report.n_missing:
        parts.append(Text(f"{plural(report.n_missing, 'item lacks', 'items lack')} a covariate: left out."))
    return [*parts, *(Text(f"Left out: {name} {why}.") for name, why in report.left_out.items())]
