"""The report in a real browser, on a wide screen and on a phone: nothing is cut, overlaps or is fetched."""

import pytest

import calque
from calque.phases.report.html import render
from tests.browser import NEEDS_BROWSER
from tests.phases_cube import study

pytestmark = NEEDS_BROWSER
CUT = """() => [...document.querySelectorAll("table, svg, p, li, h2, pre, dd")].filter(one => {
  let scrolls = one
  while (scrolls && getComputedStyle(scrolls).overflowX === "visible") scrolls = scrolls.parentElement
  const box = one.getBoundingClientRect()
  const free = !scrolls || scrolls === document.documentElement
  return box.width && free && (box.right > innerWidth + 1 || box.left < -1)
}).map(one => one.outerHTML.slice(0, 200))"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
BLOCKS = """() => {
  const boxes = [...document.querySelector("main").children].map(one => one.getBoundingClientRect())
    .filter(box => box.height)
  return boxes.slice(1).filter((box, i) => box.top < boxes[i].bottom - 1).length
}"""
WORDS = """() => [...document.querySelectorAll("svg")].flatMap(picture => {
  const words = [...picture.querySelectorAll("text")].map(one => [one.textContent, one.getBoundingClientRect()])
    .filter(([text, box]) => box.width > 0)
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2
  return words.flatMap(([text, a], i) => words.slice(i + 1).filter(([, b]) => over(a, b))
    .map(([other]) => `${text} / ${other}`))
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of two runs with lags."""
    folder = tmp_path_factory.mktemp("report")
    cube, _ = study(runs=2, n=16, languages=4, concepts=8)
    found = calque.detect(cube, metric=["copying", "translation"], boot=19)
    (folder / "report.html").write_text(render(found.report, cube), encoding="utf-8")
    return folder / "report.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_or_overlaps_or_is_fetched(chromium, report, width):
    page = chromium.new_page(viewport={"width": width, "height": 900})
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url) if request.url.startswith("http") else None)
    page.goto(report.as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate(CUT) == []
    assert page.evaluate(SIDEWAYS) == 0
    assert page.evaluate(BLOCKS) == 0
    assert page.evaluate(WORDS) == []
    assert troubles == []
    page.close()


def test_the_table_sorts_by_a_click_and_by_the_keyboard(chromium, report):
    page = chromium.new_page()
    page.goto(report.as_uri())
    first = "table.sorts tr:nth-child(2) td:nth-child(2)"
    metric = page.locator("table.sorts th", has_text="metric")
    metric.click()
    assert metric.get_attribute("aria-sort") == "ascending" and page.inner_text(first) == "copying"
    metric.press("Enter")
    assert metric.get_attribute("aria-sort") == "descending" and page.inner_text(first) == "translation"
    with page.expect_download() as waited:
        page.get_by_text("Download the JSON").click()
    assert waited.value.suggested_filename.endswith(".json")
    page.close()
