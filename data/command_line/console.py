"""A terminal that shows names as they are: what would move its cursor or change its colours is escaped."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calque.data.errors import escaped


class PlainConsole(Console):
    r"""A console that escapes control characters, such as ``\x1b``, in text, tables and their titles.

    Names come from other people's files. They are escaped before tables are measured, so that none is cut for it.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print ``objects`` with the ``options`` of rich, their control characters escaped."""
        super().print(*map(_shown, objects), **options)


def _shown(part: Any) -> Any:
    if isinstance(part, str):
        return "\n".join(map(escaped, part.split("\n")))
    if isinstance(part, Text):
        plain = _shown(part.plain)
        if plain != part.plain:  # its spans are of other places then
            return Text(plain, style=part.style, justify=part.justify, overflow=part.overflow, no_wrap=part.no_wrap)
    if isinstance(part, Table):
        part.title, part.caption = _shown(part.title), _shown(part.caption)
        for column in part.columns:
            column.header, column.footer = _shown(column.header), _shown(column.footer)
            column._cells = [_shown(cell) for cell in column._cells]
    return part
