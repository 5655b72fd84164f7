"""Explore in a real browser, page by page: no error, no foreign request, no barrier; pictures and data are saved."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calque.data import cube as cubes
from calque.phases.explore.serving.snapshot import save
from calque.phases.explore.study import make_study
from tests.browser import NEEDS_BROWSER, barriers, troubles_of
from tests.explore_cube import explored, timing
from tests.explore_parts import N, parts_of
from tests.test_phases_explore_browser import opened, served, tab

# the second is Bokeh's own, of every table
pytestmark = [
    NEEDS_BROWSER,
    pytest.mark.xdist_group("barriers"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]
PAGES = ("Curves", "Pairs", "Words", "Answers", "Heads", "Layers", "Ablations", "Training text", "Sizes and mixes",
         "Loss and compute", "Planning", "Runs")  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Pages over two cubes: one with all groups, and another of the same runs."""
    folder = tmp_path_factory.mktemp("cubes")
    cube = explored(n=N)
    cubes.write(cube, folder / "mine.nc", groups={"timing": timing(cube), **parts_of(cube)})
    cubes.write(explored(seed=2, n=N), folder / "theirs.nc")
    with served(folder / "mine.nc", "--beside", folder / "theirs.nc") as found:
        yield found


def looked_at(chromium: Any, address: str, scheme: str) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1300, "height": 1000}, color_scheme=scheme)
    made = context.new_page()
    made.troubles = troubles_of(made)
    yield opened(made, address)
    context.close()


@pytest.fixture(scope="module")
def page(chromium: Any, address: str) -> Iterator[Any]:
    yield from looked_at(chromium, address, "light")


@pytest.fixture(scope="module")
def dark_page(chromium: Any, address: str) -> Iterator[Any]:
    yield from looked_at(chromium, address, "dark")


def check(page: Any, name: str) -> None:
    tab(page, name)
    page.wait_for_timeout(100)  # names are given in the frame after the drawing
    assert barriers(page) == []
    assert page.troubles == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_error_request_or_barrier(name: str, page: Any) -> None:
    check(page, name)


@pytest.mark.parametrize("name", PAGES)
def test_a_dark_page_has_none_either(name: str, dark_page: Any) -> None:
    check(dark_page, name)


def test_a_saved_page_has_no_barrier_either(chromium: Any, tmp_path: Path) -> None:
    cube = explored(n=N)
    study = make_study(cube, "results.nc", timing=timing(cube), parts=parts_of(cube))
    save(study, tmp_path / "saved.html")
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(180_000)
    troubles = troubles_of(page)
    page.goto((tmp_path / "saved.html").as_uri())
    for name in ("Curves", "Words", "Heads", "Runs"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(500)
        assert barriers(page) == [], name
    page.get_by_role("tab", name="Curves").click()
    assert saved(page, "svg").startswith("<svg")
    assert troubles == []
    page.close()


def saved(page: Any, kind: str) -> str:
    with page.expect_download() as waited:
        page.locator(f"button[data-save={kind}]").first.click()
    assert waited.value.suggested_filename.endswith(f".{kind}")
    return Path(waited.value.path()).read_bytes().decode("utf-8", "replace")


def test_a_picture_is_saved_and_so_is_its_data(page: Any, address: str) -> None:
    opened(page, f"{address}?metrics=translation&runs=b&takeoffs=no&axis=linear")
    assert saved(page, "svg").startswith("<svg") and "training tokens" in saved(page, "svg")
    assert saved(page, "png")[1:4] == "PNG"
    rows = list(csv.DictReader(io.StringIO(saved(page, "csv"))))
    assert len(rows) == N and {row["run"] for row in rows} == {"b"}
    cube = explored(n=N)
    assert [float(row["tokens"]) for row in rows] == pytest.approx(cube["tokens"].sel(run="b").values.tolist())
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    assert page.troubles == []


def test_two_cubes_stand_side_by_side(page: Any, address: str) -> None:
    opened(page, f"{address}?metrics=translation&beside=cube&colours=run")
    titles = page.evaluate("""() => [...Bokeh.documents[0]._all_models.values()]
        .filter((model) => model.type === "Figure").map((model) => model.title.text.text)""")
    assert titles == ["mine", "theirs"]
    page.get_by_role("combobox", name="cube").first.wait_for()
