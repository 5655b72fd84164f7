"""The documentation: every page is reachable, the reference is whole, questions quote what the code says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.readme import ROOT

DOCS = ROOT / "docs"
GENERATED = "reference/"


@pytest.fixture(scope="module")
def reference() -> object:
    sys.path.insert(0, str(DOCS / "extensions"))
    try:
        import reference_pages

        yield reference_pages
    finally:
        sys.path.remove(str(DOCS / "extensions"))


def entries() -> list[str]:
    """Return the pages that the contents list."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]


def test_every_page_stands_in_the_contents_and_every_entry_is_a_page() -> None:
    listed = {
        str(page.relative_to(DOCS).with_suffix("")) for entry in entries() for page in DOCS.glob(f"{entry}.md")
    }  # fmt: skip
    written = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    assert {page for page in written if not page.startswith(GENERATED)} - listed == {"index"}
    assert all(entry.startswith(GENERATED) or list(DOCS.glob(f"{entry}.md")) for entry in entries())


def test_the_reference_has_everything_that_is_registered(reference: object) -> None:
    from calque.data.cube.variables import ATTRIBUTES
    from calque.data.metrics import METRICS

    assert set(re.findall(r"^\| `(\w+)`", reference.metrics(), re.MULTILINE)) == set(METRICS)
    assert set(re.findall(r"^\| `(\w+)`", reference.cube(), re.MULTILINE)) == set(ATTRIBUTES)
    estimands = reference.estimands()
    assert all(f"`{name}`" in estimands for name in ("takeoff", "width", "lag", "censored", "found"))
    for program, about in reference.PROGRAMS.items():
        page = reference.commands(program, about)
        assert page.count(f"\n## `{program} ") == page.count("```text") / 2 > 5 and "`--json`" in page
        assert "object at 0x" not in page and "bound method" not in page
    assert {entry.removeprefix(GENERATED) for entry in entries() if entry.startswith(GENERATED)} == {
        "phases", "scaling", "sweeps", "python", "metrics", "cube", "estimands", "probes", "laws",
    }  # fmt: skip


def test_the_table_of_the_quick_study_is_that_of_the_agreed_answer(reference: object) -> None:
    import json

    import quick_table

    found = json.loads(quick_table.AGREED.read_text(encoding="utf-8"))
    page, made = quick_table.PAGE.read_text(encoding="utf-8"), quick_table.table(found)
    assert quick_table.written(page, made) == page, "make generated"
    assert made.count("\n") == 5 and "| `micro-s0` | " in made
    found["transitions"][1]["tokens"] *= 2
    assert quick_table.table(found) != made


def test_questions_quote_what_the_code_says() -> None:
    code = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8"))
        for folder in ("data", "models", "phases", "scaling", "sweeps")
        for file in Path(ROOT, folder).rglob("*.py")
    )
    quoted = re.findall(r"^\*\*\"(.+?)\"\*\*", (DOCS / "FAQ.md").read_text(encoding="utf-8"), re.MULTILINE)
    parts = [part.strip(" ;") for quote in quoted for part in quote.split("...") if part.strip(" ;")]
    assert len(quoted) >= 5 and not [part for part in parts if part not in code]


def test_tutorials_stop_at_a_command_that_fails() -> None:
    """A line of the shell after `!` would fail in silence."""
    for tutorial in (DOCS / "tutorials").glob("*.md"):
        cells = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", tutorial.read_text(), re.DOTALL | re.MULTILINE)
        assert cells and not [cell for cell in cells if re.search(r"^!", cell, re.MULTILINE)], tutorial.name
        shells = [cell for cell in cells if "%%bash" in cell]
        assert all(cell.startswith("%%bash -e\n") for cell in shells)


def test_links_have_words_where_pages_are_read_as_markdown() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"]
    assert not [page.name for page in pages if re.search(r"(?<!!)\[\]\(", page.read_text(encoding="utf-8"))]
