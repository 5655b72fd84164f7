"""Pictures that are changed where they stand show what new ones would: glyphs, scales, ranges, tooltips, legends."""

import numpy as np
import pytest
from bokeh.models import HoverTool, Legend

from calque.phases.detection.detect import detect
from calque.phases.explore.app import App, prepare
from calque.phases.explore.elements import ROWS, PicturePlace, table
from calque.phases.explore.pictures.side_by_side import SideBySide
from calque.phases.explore.study import make_study
from calque.phases.settings import Settings
from tests.explore_cube import explored
from tests.test_phases_explore_pages import page, pictures
from tests.test_phases_explore_pictures import many_runs

pytestmark = [
    pytest.mark.xdist_group("explore_pages"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare()


@pytest.fixture(scope="module")
def study():
    cube = explored()
    report = detect(cube, Settings(metrics=("copying", "translation"), boot=19)).to_dict()
    return make_study(cube, "results.nc", report)


STYLE = "line_color line_dash line_width line_alpha fill_color fill_alpha marker angle size".split()


def value(one):
    if isinstance(one, np.ndarray):
        return one.tolist()
    return [value(v) for v in one] if isinstance(one, (list, tuple)) else one


def seen(figure):
    """Return all that a person could see of a picture, as text: NaN is then NaN."""
    shown = [one for one in figure.renderers if one.visible]
    glyphs = [
        (
            type(one.glyph).__name__,
            {name: str(getattr(one.glyph, name)) for name in STYLE if hasattr(one.glyph, name)},
            {name: value(column) for name, column in one.data_source.data.items()},
        )
        for one in shown
    ]
    hovers = [
        ([shown.index(one) for one in tool.renderers], tool.tooltips, getattr(tool.formatters.get("@line"), "args", {}))
        for tool in figure.select({"type": HoverTool})
        if tool.renderers
    ]  # fmt: skip
    legends = [
        (legend.orientation, [(item.label, [shown.index(one) for one in item.renderers]) for item in legend.items])
        for legend in figure.select({"type": Legend})
        if legend.items
    ]
    x, y = figure.x_range, figure.y_range
    ends = (x.start, x.end, x.reset_start, x.reset_end, y.start, y.end, y.reset_start, y.reset_end)
    axis = (type(figure.x_scale).__name__, type(figure.xaxis[0].ticker).__name__, figure.xaxis[0].minor_tick_line_color)
    words = (figure.title.text.text, figure.height, figure.yaxis[0].axis_label.text, axis, ends)
    return str((*words, glyphs, sorted(map(str, hovers)), sorted(map(str, legends))))


STEPS = [
    {"axis": "linear"}, {"parts": "target"}, {"parts": "pair"}, {"axis": "log"}, {"metrics": ["loss", "translation"]},
    {"parts": "whole", "takeoffs": False}, {"metrics": ["copying", "false_copying", "translation"]}, {"bands": False},
    {"takeoffs": True, "beside": "none"}, {"runs": ["b"]}, {"runs": [], "beside": "run", "bands": True},
]  # fmt: skip


def test_what_is_changed_looks_like_what_is_new(study):
    app, said = App(study), set()
    curves = page(app, "CurvesPage")
    app._ask()
    for step in STEPS:
        for name, choice in step.items():
            {**app.selection.kept, **curves.kept}[name].value = choice
        changed = [seen(one) for one in pictures(curves.body)]
        kept, curves.pictures, curves.place = (curves.pictures, curves.place), SideBySide(), PicturePlace()
        new = [seen(one) for one in pictures(curves.results())]
        curves.pictures, curves.place = kept
        assert changed == new, step
        said.add(str(new))
    assert len(said) == len(STEPS), "every step changes what is seen"


def test_pictures_stay_and_only_what_differs_is_sent(study):
    app = App(study)
    curves = page(app, "CurvesPage")
    app._ask()
    before = pictures(curves.body)
    glyphs = [one.id for made in before for one in made.renderers]
    sent = []
    for made in before:
        for one in made.renderers:
            one.data_source.on_change("data", lambda attr, old, new: sent.append(attr))
    curves.strips.value = False
    after = pictures(curves.body)
    assert [one.id for one in after] == [one.id for one in before] and sent == []
    assert [one.id for made in after for one in made.renderers] == glyphs
    assert not any(one.visible for made in after for one in made.renderers if type(one.glyph).__name__ == "Segment")
    curves.split.value = "target"
    assert sent and [one.id for one in pictures(curves.body)][: len(before)] == [one.id for one in before]


def test_what_was_hidden_or_moved_by_hand_is_whole_again(study):
    app = App(study)
    app._ask()
    made = pictures(page(app, "CurvesPage").body)[0]
    shown = [one for one in made.renderers if one.visible]
    ends = made.x_range.start, made.x_range.end
    shown[-1].visible, made.x_range.end = False, made.x_range.end / 2
    page(app, "CurvesPage").redraw()
    assert all(one.visible for one in shown) and (made.x_range.start, made.x_range.end) == ends


def test_a_label_beyond_those_a_figure_begins_with_has_its_line(study):
    app = App(make_study(many_runs(14), "log"))
    app.selection.chosen_metrics.value = ["eval/acc_norm"]
    app._ask()
    (made,) = pictures(page(app, "CurvesPage").body)
    lines = [one for one in made.renderers if one.visible and type(one.glyph).__name__ == "Line"]
    assert len(lines) == 14 and all(len(one.data_source.data["tokens"]) for one in lines)


def test_long_tables_have_pages(study):
    frame = study.runs.loc[[0] * (ROWS + 1)]
    assert table(frame).pagination == "local" and table(frame).page_size == ROWS
    assert table(frame.iloc[:ROWS]).pagination is None
