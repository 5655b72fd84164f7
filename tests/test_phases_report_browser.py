"""The report in a real browser, on a wide screen and on a phone: nothing is cut, overlaps or is fetched."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import calque
from calque.phases.report.html import render
from tests.browser import NEEDS_BROWSER, barriers, troubles_of
from tests.explore_cube import explored
from tests.explore_parts import parts_of
from tests.phases_cube import study
from tests.test_phases_explore_pages import FORECAST
from tests.test_phases_report import POWER

pytestmark = NEEDS_BROWSER
HEADS = ("previous_token", "prefix_matching", "ov_copying", "source_attention", "token_copying", "concept_copying")
OF_DEPTH = ("lens_target", "lens_pivot_mass", "alignment_neighbours", "alignment_cka", "patching_language")
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
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two runs with lags."""
    folder = tmp_path_factory.mktemp("report")
    cube, _ = study(runs=2, n=16, languages=4, concepts=8)
    found = calque.detect(cube, metric=["copying", "translation"], boot=19)
    (folder / "report.html").write_text(render(found.report, cube), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of ten runs of somebody's W&B chart, whose floor is far from 0 and whose names are long."""
    folder, rng = tmp_path_factory.mktemp("foreign"), np.random.default_rng(3)
    steps = np.unique(np.geomspace(100, 20_000, 14).round())
    columns = {"Step": steps}
    for i in range(10):
        rise = (0.35 - 0.01 * i) / (1 + np.exp(-(np.log(steps) - np.log(1800 * 1.3**i)) / 0.35)) * (i != 7)
        name = f"pretrain-{('small', 'base', 'large')[i % 3]}-lr{3 + i}e-4-bs{256 * (1 + i % 2)}-seed{i}"
        seen = rng.binomial(1000, 0.25 + rise) / 1000
        columns |= {f"{name} - eval/hellaswag_acc{end}": seen for end in ("", "__MIN", "__MAX")}
    pd.DataFrame(columns).to_csv(folder / "chart.csv", index=False)
    log = calque.import_log(folder / "chart.csv", metric="eval/hellaswag_acc", trials=1000, tokens_per_step=524288)
    found = calque.detect(log, boot=19)
    found.to_html(folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all scores of heads and layers that there are, and ablations."""
    folder, cube = tmp_path_factory.mktemp("probed"), explored()
    found, groups = calque.detect(cube, metric="copying", boot=19), parts_of(cube)
    one, depth = groups["components"].drop_dims("depth"), groups["components"].drop_dims("head")
    many = [
        group.rename({name: str(name).replace(before, after) for name in group.data_vars})
        for group, before, scores in (
            (one, "matching", (*HEADS, "function_vector_probability")), (depth, "lens_target", OF_DEPTH),
        )
        for after in scores
    ]  # fmt: skip
    components = xr.merge(many, combine_attrs="override")
    page = render(found.report, cube, groups={**groups, "components": components})
    (folder / "report.html").write_text(page, encoding="utf-8")
    assert page.count("function vector probability") == 2  # a map and a curve
    return folder / "report.html"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the quick study's shape: every standard metric, two sizes, a run that only copies and ends early."""
    folder = tmp_path_factory.mktemp("quick")
    cube, _ = study(runs=5, n=24, languages=9, concepts=8)
    alone, tokens = cube["run"] == "seed4", cube["tokens"].copy()
    tokens[-1, -5:] = np.nan
    outcome = cube["translation_outcome"].where(~alone | (cube["overlap"] == 2), 0).where(tokens.notnull(), -1)
    size = ["micro", "micro", "micro", "nano", "nano"]
    cube = cube.assign(
        tokens=tokens, translation_outcome=outcome.transpose(*cube["translation_outcome"].dims).astype("int8"),
        copy_logprob=cube["translation_logprob"] - 1,
    ).assign_coords(run=["micro-s0", "micro-s1", "micro-s2", "nano-s0", "sample"], size=("run", size))  # fmt: skip
    calque.detect(cube, boot=19).to_html(folder / "report.html", forecast=FORECAST, power=POWER)
    return folder / "report.html"


@pytest.mark.parametrize("of", ["report", "foreign", "quick", "probed"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_is_cut_or_overlaps_or_is_fetched(
    chromium: Any, of: str, width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    troubles = troubles_of(page)
    page.goto(request.getfixturevalue(of).as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert barriers(page) == []
    words = page.inner_text("main")
    assert "object at 0x" not in words and "fitted families" in words and "excess" in words
    assert page.evaluate(CUT) == []
    assert page.evaluate(SIDEWAYS) == 0
    assert page.evaluate(BLOCKS) == 0
    assert page.evaluate(WORDS) == []
    assert troubles == []
    page.close()


def test_the_table_sorts_by_a_click_and_by_the_keyboard(chromium: Any, report: Path) -> None:
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
