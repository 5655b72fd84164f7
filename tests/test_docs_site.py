"""The documentation's site, built without executing its tutorials: no warning, no dead link, no barrier in a browser.

``make docs`` executes the tutorials, too, and fails when a cell does. Links that leave the site are not followed.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import calque
from tests.browser import NEEDS_BROWSER, barriers, troubles_of
from tests.readme import ROOT
from tests.test_calque_commands import CASES, function_of

pytestmark = pytest.mark.xdist_group("site")
DOCS = ROOT / "docs"
KINDS = ("index", "tutorials/own_log", "METHODS", "REFERENCES", "reference/metrics",
         "benchmarks/README", "findings/copying", "search")  # fmt: skip
"""One page of each kind; the others are looked at on demand (``-m slow``)."""
REFERENCE = ("phases", "scaling", "sweeps", "python", "metrics", "cube", "estimands", "probes", "laws")
WRITTEN = sorted(str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md"))
PAGES = sorted({*WRITTEN, *(f"reference/{name}" for name in REFERENCE), "search", "genindex"})
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; every warning of Sphinx is an error."""
    made = tmp_path_factory.mktemp("site")
    words = ["-W", "--keep-going", "-q", "-b", "html", "-D", "nb_execution_mode=off", "-d", str(made / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, "docs", str(made / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return made / "html"


class Read(HTMLParser):
    """The links of a page, and the places in it that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        self.places |= {value for name in ("id", "name") if (value := given.get(name))}


@cache
def read(page: Path) -> Read:
    return Read(page.read_text(encoding="utf-8"))


def dead(page: Path) -> list[str]:
    """Return the links of a page within the site that lead nowhere."""
    out = []
    for link in read(page).links:
        to = urlsplit(link)
        if to.scheme or to.netloc:
            continue
        target = (page.parent / unquote(to.path)).resolve() if to.path else page
        if not target.is_file():
            out.append(link)
        elif to.fragment and target.suffix == ".html" and unquote(to.fragment) not in read(target).places:
            out.append(link)
    return out


def test_every_link_within_the_site_leads_to_its_place(site: Path) -> None:
    assert {page for page in PAGES if not (site / f"{page}.html").is_file()} == set()
    found = {page: dead(site / f"{page}.html") for page in PAGES}
    assert {page: links for page, links in found.items() if links} == {}
    assert sum(len(read(site / f"{page}.html").links) for page in PAGES) > 2000
    text = '<a href="METHODS.html#nowhere"></a><a href="gone.html"></a><a href="METHODS.html"></a>'
    (site / "bad.html").write_text(text)
    assert dead(site / "bad.html") == ["METHODS.html#nowhere", "gone.html"]


def test_every_public_name_is_documented(site: Path) -> None:
    places = read(site / "reference/python.html").places
    names = [name for name in calque.__all__ if name != "UserError"]
    assert [name for name in names if f"calque.{name}" not in places] == []
    assert "calque.data.errors.UserError" in places and len(names) >= 15
    behind = {f"{f.__module__}.{f.__name__}" for f in map(function_of, CASES)}
    at_the_door = {f"{f.__module__}.{f.__name__}" for f in (getattr(calque, name) for name in names)}
    assert len(behind - at_the_door) >= 8 and behind - at_the_door - places == set()


@NEEDS_BROWSER
@pytest.mark.parametrize(
    "name", [name if name in KINDS else pytest.param(name, marks=pytest.mark.slow) for name in PAGES]
)
def test_a_page_has_no_error_request_or_barrier(name: str, site: Path, chromium: Any) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        troubles = troubles_of(page)
        page.goto((site / f"{name}.html").as_uri())
        assert barriers(page) == []
        assert page.evaluate(SIDEWAYS) == 0
        assert troubles == []
        page.close()


@NEEDS_BROWSER
def test_the_search_finds_a_page_without_a_server(site: Path, chromium: Any) -> None:
    page = chromium.new_page()
    troubles = troubles_of(page)
    page.goto(f"{(site / 'search.html').as_uri()}?q=takeoff")
    page.locator("#search-results a").first.wait_for()
    assert page.locator("#search-results a").count() > 3 and troubles == []
    page.close()
