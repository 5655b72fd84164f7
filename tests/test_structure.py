"""What can be counted about the code: modules a folder, lines a file."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.readme import ROOT

PACKAGES = ("calque", "data", "models", "phases", "scaling", "sweeps")
MODULES = 15
LINES = 300
LARGER: dict[str, str] = {}
"""Folders with more modules, each with the reason."""


def files(*tops: str) -> list[Path]:
    return [file for top in tops for file in sorted((ROOT / top).rglob("*.py"))]


def test_a_folder_holds_fifteen_modules_at_most() -> None:
    found: dict[str, int] = defaultdict(int)
    for file in files(*PACKAGES):
        found[str(file.parent.relative_to(ROOT))] += file.name != "__init__.py"
    assert not {folder: n for folder, n in found.items() if n > MODULES and folder not in LARGER}
    assert all(found[folder] > MODULES and reason for folder, reason in LARGER.items()), "needs no exception"


def test_a_file_holds_three_hundred_lines_at_most() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in files(*PACKAGES, "tests")}
    assert not {name: n for name, n in lengths.items() if n > LINES}
