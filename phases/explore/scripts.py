"""Which scripts of a document are the pages' own: those get the number that the Content-Security-Policy asks for."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import accumulate


class ScriptTags(HTMLParser):
    """Finds where the scripts of a document begin; what stands inside a script is not a tag.

    Parameters
    ----------
    html : str
        Part of a document.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[int] = []
        lengths = (len(line) + 1 for line in html.split("\n"))
        self._starts = [0, *accumulate(lengths)]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a script begins, whatever its ``attrs``."""
        if tag == "script":
            line, column = self.getpos()
            self.found.append(self._starts[line - 1] + column)


def numbered(html: str, nonce: str) -> str:
    """Return a part of a document with a number in every script tag.

    Parameters
    ----------
    html : str
        Tags that Panel and Bokeh wrote.
    nonce : str
        The number that the policy names.
    """
    html, pieces, last = str(html), [], 0
    for start in ScriptTags(html).found:
        pieces += [html[last:start], f'<script nonce="{nonce}"']
        last = start + len("<script")
    return "".join([*pieces, html[last:]])
