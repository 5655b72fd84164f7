"""Pooled times as tables on a terminal: the primary test first, then pooled times, then what cannot be claimed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.command_line.naming import named
from calque.data.quantities import ABSENT, format_count, format_p
from calque.phases.pooling.results import Pooled, PoolReport, SeedModes, SizeTest
from calque.phases.report.tables import outcome_text
from calque.phases.results import Outcome
from calque.phases.wording import PLACED, estimate_words, ratio_words, with_mark

METHODS = {
    "jackknife_t": "other languages (jackknife t)",
    "mixed_effects": "  second opinion (MixedLM)",
    "seed_t": "other seeds (t)",
    "seed_median": "other seeds (exact, of the median)",
    "seeds_and_languages": "other seeds and languages",
    "own": "this run",
}


def tests_table(report: PoolReport) -> Table:
    """Return a table with one row a test in ``report``: role, size, question, p-values, outcome."""
    table = Table(title="Tests of sizes", title_justify="left", header_style="bold")
    for name in ("role", "size", "question", "in runs", "p", "adjusted", "outcome"):
        table.add_column(name, overflow="fold")
    for t in report.tests:
        question = f"{t.first}>{t.metric}:lag" if t.first else f"{t.metric}:{t.estimand}"
        table.add_row(
            t.role, _where(t), question, f"{t.at_least} of {t.n_runs}", format_p(t.p_value),
            "declared before" if t.role == "primary" else format_p(t.p_adjusted), outcome_text(t.outcome),
        )  # fmt: skip
    return table


def _where(row: SizeTest | Pooled | SeedModes) -> str:
    return " ".join(v for v in (row.size, row.corpus) if v) or "all"


def pooled_table(report: PoolReport) -> Table:
    """Return a table with one row a pooled time or ratio in ``report``."""
    table = Table(title="Pooled takeoffs and lags", title_justify="left", header_style="bold")
    for name in ("of", "estimand", "interval for", "estimate", "df", "pairs", "censored", "outcome"):
        table.add_column(name, overflow="fold")
    last = None
    for row in report.pooled:
        of = {
            "run": f"run {row.run}", "mix": f"mix {row.mix} of {_where(row)}", "size": f"size {_where(row)}"
        }[row.at]  # fmt: skip
        estimand = f"{row.metric} takeoff" if row.first is None else f"{row.metric} / {row.first}"
        if last is not None and last != (of, estimand):
            table.add_section()
        shown = ("", "") if last == (of, estimand) else (of, estimand)
        table.add_row(
            *shown, METHODS[row.method], pooled_text(row), "–" if row.df is None else f"{row.df:.3g}",
            _count(row.n_pairs), _count(row.n_censored), outcome_text(row.outcome),
        )  # fmt: skip
        last = (of, estimand)
    return table


def pooled_text(row: Pooled) -> str:
    """Return estimate and interval of ``row`` with its outcome, unless that is ``found``."""
    if row.estimate is not None and row.outcome == Outcome.TOO_FEW_POINTS:
        # an estimate that so few runs give no interval of
        alone = format_count(row.estimate) if row.unit == "tokens" else f"{row.estimate:.3g}"
        return with_mark(f"{alone} (no interval)", row.outcome)
    words = estimate_words if row.unit == "tokens" else ratio_words
    return words(row.estimate, row.low, row.high, row.outcome)


def across_table(rows: Sequence[Pooled]) -> Table:
    """Return a table of takeoffs over the runs of each condition in ``rows``: the median and the mean."""
    table = Table(title="Across runs (takeoffs, seeds as replicates)", title_justify="left", header_style="bold",
                  caption=PLACED, caption_justify="left")  # fmt: skip
    for name in ("condition", "metric", "located", "median (exact interval)", "geometric mean (t interval)"):
        table.add_column(name, overflow="fold")
    by: dict[tuple[str, str], dict[str, Pooled]] = {}
    for row in rows:
        by.setdefault((condition(row), row.metric), {})[row.method] = row
    for (name, metric), found in by.items():
        any_row = next(iter(found.values()))
        located = any_row.n_runs - (any_row.n_censored or 0) - (any_row.n_missing or 0)
        cells = [pooled_text(found[m]) if m in found else ABSENT for m in ("seed_median", "seed_t")]
        table.add_row(name, metric, f"{located} of {any_row.n_runs}", *cells)
    return table


def condition(row: Pooled) -> str:
    """Return the size, corpus and mix of a ``row``."""
    return " ".join(v for v in (row.size, row.corpus, row.mix) if v) or "all runs"


def _count(n: int | None) -> str:
    return "–" if n is None else str(n)


def pool_parts(report: PoolReport) -> list[RenderableType]:
    """Return the tables of ``report`` and the sentences below them."""
    sentences = [f"Primary ({_where(t)}): {t.reason}." for t in report.tests if t.role == "primary"]
    for row in report.pooled:
        if row.method == "seed_median":
            sentences.append(f"{condition(row)}, {row.metric}: {row.reason}.")
        elif row.outcome != Outcome.FOUND and row.method in ("jackknife_t", "seed_t"):
            of = row.run if row.at == "run" else f"{row.at} {_where(row)}"
            sentences.append(f"{of}, {row.metric} {row.estimand}: {row.reason}.")
    if report.pairs:
        passed = sum(p.p_adjusted is not None and p.p_adjusted <= 1 - report.settings["level"] for p in report.pairs)
        sentences.append(f"Pairs (exploratory): {passed} of {len(report.pairs)} start late after Benjamini-Yekutieli.")
    sentences += [f"Modes ({_where(m)}, {m.metric}): {m.reason}." for m in report.modes]
    sentences += [f"Cannot be claimed: {sentence}" for sentence in report.cannot_be_claimed]
    sentences += [f"Note: {note}." for note in named(report.notes)]
    return [tests_table(report), pooled_table(report), *map(Text, sentences)]
