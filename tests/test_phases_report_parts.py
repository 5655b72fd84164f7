"""Heads, layers and ablations in the report: only where the cube has them, and with the numbers that it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.cube.file import write
from calque.phases.detection.detect import detect
from calque.phases.report.html import render
from calque.phases.report.inside.ablation_pictures import by_layer
from calque.phases.report.inside.cell_maps import draw_cells, grid
from calque.phases.report.inside.sections import run_parts
from calque.phases.results import DetectionReport
from calque.phases.settings import Settings
from calque.phases.wording import location
from tests.explore_cube import explored
from tests.explore_parts import parts_of
from tests.test_phases_components import cube, path  # noqa: F401  (fixtures: heads that grow, and their file)

TITLE, TIME = "<h2>Inside the model</h2>", "that heads take off before a score does not show that they cause it"


@pytest.fixture(scope="module")
def studied() -> xr.Dataset:
    return explored()


@pytest.fixture(scope="module")
def report(studied: xr.Dataset) -> DetectionReport:
    return detect(studied, Settings(metrics=("copying",), boot=19))


def test_the_section_stands_only_where_the_groups_are(studied: xr.Dataset, report: DetectionReport) -> None:
    plain, groups = render(report, studied), parts_of(studied)
    assert TITLE not in plain and TITLE not in render(report, studied, groups={"timing": xr.Dataset()})
    whole = render(report, studied, groups=groups)
    assert TITLE in whole and TIME in whole and whole.count("<svg") == plain.count("<svg") + 6
    assert whole.count("<h3>a-s0</h3>") == 2 and whole.count("<h3>b</h3>") == 1  # in "Run by run" too
    heads = render(report, studied, groups={"components": groups["components"].drop_dims("depth")})
    assert heads.count("<svg") == plain.count("<svg") + 2
    others = groups["components"].assign_coords(run=["w", "x", "y", "z"])
    fewer = groups["ablations"].isel(checkpoint=slice(1, None))
    assert run_parts(report, studied, {"components": others, "ablations": fewer}) == []


def test_words_say_what_the_pictures_show(studied: xr.Dataset, report: DetectionReport) -> None:
    [one] = run_parts(report, studied, parts_of(studied))
    maps, curves = one.pictures[:2]
    assert one.run == "a-s0" and all(picture.about for picture in one.pictures)
    assert maps.sentences[0].startswith("components/matching_heads of run a-s0: 1 of 6 (layer.head 1.2), mean")
    assert "where the metric components/matching_heads is asked for" in curves.about and not curves.sentences
    pictures = [picture.picture for picture in one.pictures]
    for place, words in enumerate(("matching", "other heads", "lens target", "translation, rest", "norm", "copying")):
        assert words in pictures[place], words


def test_takeoffs_of_head_types_stand_at_their_curves(path: Path, tmp_path: Path) -> None:  # noqa: F811
    found = calque.detect(path, metric=["components/matching_heads", "copied"], boot=19)
    found.to_html(tmp_path / "r.html")
    [row] = [t for t in found.transitions if t.metric == "components/matching_heads" and t.estimand == "takeoff"]
    page = (tmp_path / "r.html").read_text()
    assert f"Takeoff of components/matching_heads: {location(row)}." in page and "2 of 6 (layer.head 0.1, 1.2)" in page
    alone = calque.detect(calque.read(path), metric="copied", boot=19)
    alone.to_html(tmp_path / "r.html")
    assert TITLE not in (tmp_path / "r.html").read_text()  # a dataset has no groups


def test_a_map_has_its_first_row_lowest_and_a_middle_where_one_is_asked_for() -> None:
    values = np.array([[0.0, 1.0, np.nan], [2.0, -4.0, 3.0]])
    made, [axes, other] = grid(2)
    draw_cells(axes, values, ["a", "b"], ["x", "y", "z"], "plain")
    draw_cells(other, values, ["a", "b"], ["x", "y", "z"], "around", around=0.0)
    mesh = axes.collections[0]
    np.testing.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan), values)
    assert axes.get_ylim() == (0, 2) and [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-4, 3)
    assert (other.collections[0].norm.vmin, other.collections[0].norm.vmax) == (-4, 4)
    assert len(made.axes) == 5  # with the bars of colours, and the place of a third


def test_parts_of_a_layer_are_summed() -> None:
    names = ["embedding", "block.0.attention", "block.0.mlp", "block.10.attention", "norm"]
    rows, parts = by_layer(np.arange(10.0).reshape(5, 2), names)
    assert rows == ["embedding", "layer 0", "layer 10", "norm"]
    np.testing.assert_array_equal(parts, [[0, 1], [6, 8], [6, 7], [8, 9]])


def test_a_written_cube_has_the_same_section(studied: xr.Dataset, report: DetectionReport, tmp_path: Path) -> None:
    write(studied, tmp_path / "c.nc", parts_of(studied))
    calque.detect(tmp_path / "c.nc", metric="copying", boot=19).to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert TITLE in page and "lens target" in page
