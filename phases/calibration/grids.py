"""Tables as text: on a terminal, as Markdown, and figures as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.errors import UserError
from calque.phases.calibration.outcomes import Figure
from calque.phases.results import finite

BEGIN, END = "<!-- calibration table: begin -->", "<!-- calibration table: end -->"


@dataclass(frozen=True)
class Grid:
    """A table as text: title, column heads, rows."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure_text(figure: Figure | None) -> str:
    """Return a figure with its standard error, or a dash."""
    if figure is None or math.isnan(figure.value):
        return "–"
    if math.isinf(figure.value):
        return "open"
    value, error = (f"{v:.3f}".removeprefix("0") for v in (figure.value, figure.error))
    return f"{value}±{error}" if math.isfinite(figure.error) else value


def markdown(grids: Sequence[Grid], notes: Sequence[str] = ()) -> str:
    """Return tables as Markdown.

    Parameters
    ----------
    grids : sequence of Grid
        Tables, each under a heading of the third level.
    notes : sequence of str
        Paragraphs above the tables.
    """
    parts = [*notes]
    for grid in grids:
        lines = [f"### {grid.title}", "", _line(grid.heads), _line(["---"] * len(grid.heads))]
        parts.append("\n".join([*lines, *(_line(row) for row in grid.rows)]))
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def parts(grids: Sequence[Grid], notes: Sequence[str] = ()) -> list[RenderableType]:
    """Return tables for a terminal, and notes below them.

    Parameters
    ----------
    grids : sequence of Grid
        Tables; rows with a missed target are red.
    notes : sequence of str
        Lines below the tables.
    """
    out: list[RenderableType] = []
    for grid in grids:
        table = Table(title=grid.title, title_justify="left", header_style="bold")
        for i, head in enumerate(grid.heads):
            table.add_column(head, overflow="fold", no_wrap=i == 0)
        for row in grid.rows:
            missed = any(cell.startswith("missed") for cell in row)
            table.add_row(*row, style="red" if missed else None)
        out.append(table)
    return [*out, *(Text(note, style="dim") for note in notes)]


def marked(path: Path) -> tuple[str, str]:
    """Return the texts before and after the markers of a Markdown file; empty texts for a file that does not exist.

    Parameters
    ----------
    path : Path
        The Markdown file.

    Raises
    ------
    UserError
        When the file exists without the markers.
    """
    if not path.exists():
        return "", "\n"
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"`markdown` {path} lacks the lines '{BEGIN}' and '{END}'; add them where the table goes")
    return before, after


def between_markers(path: Path, body: str) -> None:
    """Write text between the two markers of a Markdown file.

    Parameters
    ----------
    path : Path
        The Markdown file; it is created, with the markers alone, if it does not exist.
    body : str
        Markdown that replaces the text between the markers.

    Raises
    ------
    UserError
        As :func:`marked`.
    """
    before, after = marked(path)
    path.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


def figures_json(figures: dict[str, Figure]) -> dict[str, Any]:
    """Return ``figures`` by name as numbers with their standard errors; numbers that are not finite are None."""
    return {k: {"value": finite(f.value), "error": finite(f.error), "n": f.n} for k, f in figures.items()}
