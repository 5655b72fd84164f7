"""Where the clean text comes from, under which terms, how much there is, and what was dropped: rows and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from calque.data.corpora.debian.counting import CHECKED_LETTERS, REASONS, SAMPLED
from calque.data.languages import LANGUAGES


@dataclass(frozen=True, kw_only=True)
class ProvenanceRow:
    """One source in one language.

    Attributes
    ----------
    source, title, licence, language : str
    packages : tuple of str
        ``NAME VERSION SHA256`` of every package of the source.
    found : int
        Paragraphs extracted.
    lines, documents, bytes : int
        Kept; a paragraph is a line.
    heldout_lines, heldout_bytes : int
        Kept, of the held-out split.
    dropped : dict of str to int
        Paragraphs dropped, by reason.
    checked, right, right_of_all : int
        Lines sampled; those in the right language, chosen among the nine, and among all 176 that fastText knows.
    """

    source: str
    title: str
    licence: str
    language: str
    packages: tuple[str, ...]
    found: int
    lines: int
    documents: int
    bytes: int
    heldout_lines: int
    heldout_bytes: int
    dropped: dict[str, int]
    checked: int
    right: int
    right_of_all: int


def rows_of(provenance: dict[str, Any]) -> list[ProvenanceRow]:
    """Return the rows of a corpus's provenance, as shards keep it too, by source, then language."""
    return [
        ProvenanceRow(
            source=name,
            title=source["title"],
            licence=source["licence"],
            language=code,
            packages=tuple(f"{one['name']} {one['version']} {one['sha256']}" for one in source["packages"]),
            **source["languages"][code],
        )
        for name, source in provenance["sources"].items()
        for code in provenance["languages"]
        if code in source["languages"]
    ]


def tables(rows: Sequence[ProvenanceRow]) -> list[Table]:
    """Return the tables for a terminal: size, share in the right language, and licences with what was dropped.

    Parameters
    ----------
    rows : sequence of ProvenanceRow
        One row for each source and language.

    Returns
    -------
    list of rich.table.Table
        Three tables.
    """
    return [_sizes(rows), _right(rows), _dropped(rows)]


def _sources(rows: Sequence[ProvenanceRow]) -> dict[str, dict[str, ProvenanceRow]]:
    found: dict[str, dict[str, ProvenanceRow]] = {}
    for row in rows:
        found.setdefault(row.source, {})[row.language] = row
    return found


def _columns(title: str, codes: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", show_footer=False)
    table.add_column("source", no_wrap=True)
    for code in (*codes, "all"):
        table.add_column(code, justify="right", no_wrap=True)
    return table


def _codes(rows: Sequence[ProvenanceRow]) -> list[str]:
    return [code for code in LANGUAGES if any(row.language == code for row in rows)]


def _sizes(rows: Sequence[ProvenanceRow]) -> Table:
    codes = _codes(rows)
    table = _columns("clean text, MB", codes)
    for name, found in _sources(rows).items():
        sizes = [found[code].bytes if code in found else 0 for code in codes]
        table.add_row(name, *(f"{size / 1e6:.2f}" if size else "" for size in (*sizes, sum(sizes))))
    for name, field in (("all", "bytes"), ("of it held out", "heldout_bytes")):
        sizes = [sum(getattr(row, field) for row in rows if row.language == code) for code in codes]
        table.add_row(
            name, *(f"{size / 1e6:.2f}" for size in (*sizes, sum(sizes))), style="bold" if name == "all" else ""
        )
    for name, field in (("lines", "lines"), ("documents", "documents")):
        counts = [sum(getattr(row, field) for row in rows if row.language == code) for code in codes]
        table.add_row(name, *(f"{count / 1e3:.1f}k" for count in (*counts, sum(counts))))
    return table


def _right(rows: Sequence[ProvenanceRow]) -> Table:
    codes = _codes(rows)
    table = _columns(
        f"lines in their language, % of up to {SAMPLED} a source and language with {CHECKED_LETTERS[False]} letters "
        f"or more ({CHECKED_LETTERS[True]} in zh, ja, ko), as fastText's lid.176 chooses among the nine",
        codes,
    )
    for name, found in _sources(rows).items():
        table.add_row(name, *(_share([found[code]] if code in found else []) for code in codes), _share(found.values()))
    by_code = [[row for row in rows if row.language == code] for code in codes]
    table.add_row("all", *map(_share, by_code), _share(rows), style="bold")
    among_all = [_share(some, "right_of_all") for some in (*by_code, rows)]
    table.add_row("all, among 176", *among_all)
    return table


def _share(rows: Any, field: str = "right") -> str:
    checked = sum(row.checked for row in rows)
    return f"{100 * sum(getattr(row, field) for row in rows) / checked:.1f}" if checked else ""


def _dropped(rows: Sequence[ProvenanceRow]) -> Table:
    table = Table(title="terms, and paragraphs dropped, % of those found", title_justify="left")
    table.add_column("source", no_wrap=True)
    table.add_column("licence")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("kept", justify="right", no_wrap=True)
    table.add_column("dropped")
    for name, by_code in _sources(rows).items():
        found = sum(row.found for row in by_code.values())
        dropped: Counter[str] = Counter()
        for row in by_code.values():
            dropped.update(row.dropped)
        reasons = ", ".join(f"{reason} {100 * dropped[reason] / found:.1f}" for reason in REASONS if dropped[reason])
        kept = sum(row.lines for row in by_code.values())
        licence = next(iter(by_code.values())).licence
        table.add_row(name, licence, f"{found}", f"{100 * kept / found:.0f}", reasons)
    return table
