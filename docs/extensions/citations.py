"""Lists of citations without ARIA roles: docutils puts links between the entries, which the role of a list forbids."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

ROLES = ('<div role="list" class="citation-list">', ' role="doc-biblioentry"')


def without_roles(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave the roles out of the body of a page."""
    body = context.get("body")
    if isinstance(body, str) and ROLES[0] in body:
        context["body"] = body.replace(ROLES[0], '<div class="citation-list">').replace(ROLES[1], "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the writing of pages."""
    app.connect("html-page-context", without_roles)
    return {"parallel_read_safe": True}
