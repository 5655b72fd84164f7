"""Links from pages to files of the repository that are no pages: the site shows the file's path instead."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")


def paths_as_text(app: Sphinx, page: str, source: list[str]) -> None:
    """Write the path of an existing file after the words of a link that leads out of the pages."""
    here, root = Path(app.srcdir, page).parent, Path(app.srcdir).parent

    def shown(link: re.Match[str]) -> str:
        path = (here / link[2]).resolve()
        if path.is_relative_to(app.srcdir) or not path.is_relative_to(root) or not path.exists():
            return link[0]
        name = f"`{path.relative_to(root)}`"
        return name if str(path.relative_to(root)).endswith(link[1]) else f"{link[1]} ({name})"

    source[0] = LINK.sub(shown, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the reading of pages."""
    app.connect("source-read", paths_as_text)
    return {"parallel_read_safe": True}
