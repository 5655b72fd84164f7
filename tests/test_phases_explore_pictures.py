"""Pictures: colours that can be told apart, one scale side by side, names as plain text, each once."""

import itertools

import numpy as np
import pandas as pd
import pytest
from bokeh.models import HoverTool, PlainText, Tooltip

from calque.data.metrics import COLOURS
from calque.phases.explore.app import App, prepare
from calque.phases.explore.elements import labelled, some_of, table
from calque.phases.explore.pictures.colours import CYCLE, dash, palette
from calque.phases.explore.pictures.figure import reach
from calque.phases.explore.study import make_study
from tests.explore_cube import explored
from tests.test_phases_explore_pages import entries, page, pictures

# Bokeh's own, of every table
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare()


def oklab(hue):
    """Return a colour in Oklab (Ottosson, 2020), in which distances are about what is seen."""
    rgb = np.array([int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    to_lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    return to_lab @ np.cbrt(cones @ linear), linear @ [0.2126, 0.7152, 0.0722]


def told_apart(hues):
    places = [oklab(hue)[0] for hue in hues]
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2))


@pytest.mark.parametrize("count", [2, 12, 15])
def test_twelve_runs_have_twelve_colours(count):
    hues = palette([f"run{i}" for i in range(count)])
    # what was used before had two blues at .089 among twelve; .1 is a clear difference side by side
    assert len(set(hues.values())) == count and told_apart(hues.values()) > 0.1
    assert all(1.05 / (oklab(hue)[1] + 0.05) > 2.2 for hue in hues.values()), "too pale on white"


def test_more_runs_than_colours_differ_in_their_lines():
    labels = [f"run{i}" for i in range(40)]
    hues = palette(labels)
    assert len({(hues[label], dash(i)) for i, label in enumerate(labels)}) == 40


def test_a_metric_keeps_its_colour_and_nobody_else_has_it():
    hues = palette(["translation", "eval/acc", "copying", *(f"m{i}" for i in range(8))])
    assert hues["translation"] == COLOURS["translation"] and len(set(hues.values())) == 11
    assert len(set(palette(["1m", "4m", "16m"], ordered=True).values())) == 3
    assert not set(CYCLE) & set(COLOURS.values())


def many_runs(count=12):
    cube = explored().isel(run=[0] * count).drop_vars(["size", "mix", "n_params_non_embedding"])
    cube = cube.assign_coords(run=[f"run{i}" for i in range(count)])
    values = np.random.default_rng(0).random((count, cube.sizes["checkpoint"])) * np.arange(1, count + 1)[:, None]
    return cube.assign({"eval/acc_norm": (("run", "checkpoint"), values, {"metric_kind": "continuous"})})


def test_twelve_imported_runs_are_told_apart_in_their_picture():
    app = App(make_study(many_runs(), "log"))
    app.selection.chosen_metrics.value = ["eval/acc_norm"]
    (made,) = pictures(page(app, "CurvesPage").body)
    lines = [r.glyph for r in made.renderers if type(r.glyph).__name__ == "Line"]
    assert len({glyph.line_color for glyph in lines}) == 12 and entries(made) == [f"run{i}" for i in range(12)]
    assert made.yaxis.axis_label.text == "eval/acc_norm"  # as the tool wrote it


def test_panels_side_by_side_have_one_scale_and_move_together():
    app = App(make_study(explored(), "results.nc"))
    app.selection.chosen_metrics.value = ["copying", "translation", "loss"]
    curves = page(app, "CurvesPage")
    app._ask()
    for beside in ("auto", "run"):
        curves.beside.value = beside
        made = pictures(curves.body)
        units = {one.yaxis.axis_label.text for one in made}
        assert len(made) > 2 and len(units) == 2 and len({id(one.x_range) for one in made}) == 1
        for unit in units:
            of = [one for one in made if one.yaxis.axis_label.text == unit]
            assert len({id(one.y_range) for one in of}) == 1
            values = [r.data_source.data["value"] for one in of for r in one.renderers if hasattr(r.glyph, "x")]
            low, high = np.nanmin(np.concatenate(values)), np.nanmax(np.concatenate(values))
            assert of[0].y_range.start < low and of[0].y_range.end > high


@pytest.mark.parametrize(
    ("values", "log", "within"),
    [([], False, (0, 1)), ([np.nan], True, (1, 10)), ([5.0, 5.0], False, (5, 5)), ([0.0, 1e6, 1e9], True, (1e6, 1e9))],
)
def test_ranges_hold_all_values(values, log, within):
    found = reach([np.array(values)], log)
    assert found.start <= within[0] and found.end >= within[1] and found.start < found.end


def test_names_are_text_in_pictures_choices_and_heads():
    name = r"$$\frac{1}{2}$$ <b>x</b> @{run}"
    cube = many_runs(3).rename({"eval/acc_norm": name}).assign_coords(run=[name, "b", "c"])
    app = App(make_study(cube, "x"))
    app.selection.chosen_metrics.value = [name]
    (made,) = pictures(page(app, "CurvesPage").body)
    assert isinstance(made.yaxis.axis_label, PlainText) and made.yaxis.axis_label.text == name
    assert isinstance(made.title.text, PlainText) and entries(made)[0] == name
    for hover in made.select({"type": HoverTool}):
        assert all("<" not in row[1] and row[1].startswith("@") for row in hover.tooltips)
    assert not list(made.select({"type": Tooltip}))
    assert list(some_of("runs", ["a<b", "a&lt;b"]).options) == ["a&lt;b", "a&amp;lt;b"]
    assert table(pd.DataFrame({"<i>": [1]})).titles == {"<i>": "&lt;i&gt;"}


def test_names_that_look_alike_are_shown_as_they_are():
    assert labelled(["a_b", "a b", "c_d"]) == {"a_b": "a_b", "a b": "a b", "c d": "c_d"}


def test_only_one_module_makes_elements():
    from tests.readme import ROOT

    for file in (ROOT / "phases" / "explore").rglob("*.py"):
        if file.name != "elements.py":
            code = file.read_text()
            assert "pn.pane" not in code and "HoverTool(" not in code or file.name == "figure.py", file
            assert "pn.widgets" not in code and "pn.indicators" not in code, file
