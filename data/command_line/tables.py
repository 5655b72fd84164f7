"""Tables on terminals that are narrower than the table: columns that do not fit stand in a further table below."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

WIDE = 10_000
"""Columns where no terminal is: wider than any table."""
LEAST = 22
"""Width to which a column of running text is wrapped."""
AROUND = 3
"""Columns of the terminal that each column needs beside its text: a line and two spaces."""


def fitted(table: Table, console: Console) -> list[Table]:
    """Return a table as one or more that fit the terminal, so that no cell is cut.

    Parameters
    ----------
    table : rich.table.Table
        Its first column names a row, and stands in every part.
    console : rich.console.Console
        Where it is to be printed.

    Returns
    -------
    list of rich.table.Table
        The table itself where it fits.
    """
    if console.width >= WIDE:
        return [table]
    widths = [_width(column) for column in table.columns]
    if len(widths) < 2 or sum(widths) + AROUND * len(widths) + 1 <= console.width:
        return [table]
    left = console.width - 1 - widths[0] - AROUND
    parts: list[list[int]] = [[]]
    used = 0
    for index, width in enumerate(widths[1:], 1):
        if parts[-1] and used + width + AROUND > left:
            parts.append([])
            used = 0
        parts[-1].append(index)
        used += width + AROUND
    return [_part(table, [0, *part], part is parts[0]) for part in parts]


def _width(column: Column) -> int:
    """Return the width that a column needs: of its longest line, or less where it may be wrapped."""
    from rich.cells import cell_len

    cells = (str(cell) for cell in (column.header, column.footer, *column.cells))
    width = max(cell_len(line) for cell in cells for line in (cell.splitlines() or [""]))
    return width if column.no_wrap else min(width, max(LEAST, column.min_width or 0))


def _part(table: Table, chosen: list[int], first: bool) -> Table:
    """Return a table of the chosen columns; a column that is too wide even alone is folded."""
    from rich.table import Table

    part = Table(
        title=table.title if first else None, title_justify=table.title_justify, show_footer=table.show_footer,
        show_header=table.show_header, box=table.box,
    )  # fmt: skip
    for index in chosen:
        column = table.columns[index]
        part.add_column(
            column.header, column.footer, justify=column.justify, style=column.style, overflow="fold",
            min_width=column.min_width if not column.no_wrap else None,
        )  # fmt: skip
    rows = list(zip(*(list(table.columns[index].cells) for index in chosen), strict=True))
    for row, cells in zip(table.rows, rows, strict=True):
        part.add_row(*cells, style=row.style, end_section=row.end_section)
    return part
