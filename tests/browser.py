"""Chromium, where there is one, and what a page does wrong there: errors, requests that leave the machine, barriers."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; 'make browser' installs it")
OWN = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")
"""Beginnings of addresses on this machine."""
BARRIERS = ("serious", "critical")
"""Impacts of axe-core's rules that a page must not break."""


def troubles_of(page: Any) -> list[str]:
    """Return a list to which the errors and the foreign requests of a ``page`` are added as they come."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("console", lambda said: found.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(OWN) else found.append(f"request: {asked.url}"))
    return found


def barriers(page: Any) -> list[str]:
    """Return what axe-core calls serious or critical in a ``page`` as it stands: rule, where, and why."""
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    report = page.evaluate("() => axe.run({preload: false, resultTypes: ['violations']})")
    return [
        f"{broken['id']} ({len(broken['nodes'])}): {node['html'][:160]}: {node.get('failureSummary', '')[:200]}"
        for broken in report["violations"]
        for node in broken["nodes"][:3]
        if broken["impact"] in BARRIERS
    ]
