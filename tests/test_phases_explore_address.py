"""Addresses: what is chosen comes back from a link, and what a cube lacks is said."""

from dataclasses import replace

import pytest

from calque.phases.explore import address
from calque.phases.explore.answers import Answers
from calque.phases.explore.app import PAGES, App, prepare
from calque.phases.explore.elements import one_of, some_of, switch
from calque.phases.explore.kept import Kept
from calque.phases.explore.study import make_study
from tests.explore_cube import explored
from tests.test_phases_explore_pages import page, text

# Bokeh's own, of every table
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
NAMES = ("a&b=c", "ä → 語", "x,y", "[1]", "true", "1e5", " ", "+")


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare()


@pytest.fixture(scope="module")
def study():
    return make_study(explored(), "results.nc")


@pytest.mark.parametrize("names", [NAMES, NAMES[:1], ()])
def test_any_name_survives_an_address(names):
    query = address.write({"runs": names, "axis": ["linear"]})
    widget = some_of("runs", NAMES)
    assert address.choose(widget, address.read(query)["runs"]) == [] and widget.value == list(names)
    for name in names:
        menu = one_of("run", ["other", *NAMES])
        assert address.choose(menu, address.read(address.write({"run": [name]}))["run"]) == [] and menu.value == name
    assert address.read(query)["axis"] == ["linear"] and address.write({}) == ""


def test_what_a_widget_does_not_offer_changes_nothing():
    menu, box, several = one_of("x", ["a", "b"], "b"), switch("y", True), some_of("z", ["a", "b"], ["a"])
    assert address.choose(menu, ["c"]) == ["c"] and menu.value == "b"
    assert address.choose(box, ["perhaps"]) == ["perhaps"] and box.value is True
    assert address.choose(box, [address.OFF]) == [] and box.value is False
    assert address.choose(several, ["c"]) == ["c"] and several.value == ["a"]
    assert address.choose(several, ["c", "b"]) == ["c"] and several.value == ["b"]


def changed(app):
    """Choose something else than at first in every widget of a page."""
    for name in app.page.kept:
        widget = app.page.kept[name]
        if isinstance(widget.value, bool):
            widget.value = not widget.value
            continue
        values = list(widget.options.values() if isinstance(widget.options, dict) else widget.options)
        other = next((v for v in values if v != widget.value), None)
        if other is not None:
            widget.value = other
            if hasattr(widget, "value_throttled"):  # as when it is let go
                widget.param.trigger("value_throttled")


@pytest.mark.parametrize("key", [kind.key for kind in PAGES])
def test_a_link_restores_selection_page_and_every_choice(study, key):
    app = App(study)
    app.tabs.active = [one.key for one in app.pages].index(key)
    app._ask()
    app.selection.filters["size"].value = ["micro", "tiny"]
    app.selection.chosen_metrics.value = ["copying", "loss"]
    app.selection.axis.value = "linear"
    changed(app)
    again = App(study)
    again.restore(app.query())
    assert again.lost.objects == [] and again.page.key == key and again.query() == app.query()
    for name, widget in {**app.selection.kept, **app.page.kept}.items():
        assert {**again.selection.kept, **again.page.kept}[name].value == widget.value, name


def test_the_first_view_needs_no_address_and_an_unknown_one_is_said(study):
    app = App(study)
    app._ask()
    assert app.query() == ""
    app.restore("?page=pairs&runs=gone&runs=b&pair=xx+%E2%86%92+yy&nonsense=1")
    assert app.page.key == "pairs" and app.selection.runs == ["b"]
    said = text(app.lost)
    assert all(name in said for name in ("runs gone", "pair xx → yy", "nonsense"))
    app.restore("?page=elsewhere&" + "&".join(f"x{i}=1" for i in range(500)))
    assert "page elsewhere" in text(app.lost) and len(text(app.lost)) < 300


def test_a_page_is_drawn_once_for_all_that_changes_together(study, monkeypatch):
    app, calls = App(study), []

    class Session:
        session_context = object()

        def add_next_tick_callback(self, call):
            calls.append(call)

    class State:
        curdoc, location = Session(), None

    monkeypatch.setattr("calque.phases.explore.app.pn.state", State)
    drawn = []
    monkeypatch.setattr(page(app, "CurvesPage"), "show", lambda: drawn.append(1) or [])
    app.selection.axis.value = "linear"
    app.selection.chosen_metrics.value = ["copying"]
    page(app, "CurvesPage").bands.value = False
    assert drawn == [] and len(calls) == 1
    before = app.finished.value
    calls.pop()()
    assert drawn == [1] and app.finished.value == before + 1  # the busy sign goes
    app.selection.axis.value = "log"
    assert len(calls) == 1


def test_an_address_is_written_when_something_else_is_chosen(study, monkeypatch):
    class Location:
        search = "?page=curves&axis=log&gone=1"

    class State:
        curdoc, location = None, Location

    monkeypatch.setattr("calque.phases.explore.app.pn.state", State)
    app = App(study)
    app.restore(Location.search)
    app._ask()
    assert Location.search == "?page=curves&axis=log&gone=1"  # else going back would lead here again
    app.selection.axis.value = "linear"
    assert Location.search == "?axis=linear"
    app.selection.axis.value = "log"
    assert Location.search == ""


def test_a_link_to_answers_that_cannot_be_read_opens_the_page(study, tmp_path):
    (tmp_path / "x.answers.parquet").write_bytes(b"PAR1 and no more")
    app = App(replace(study, answers=Answers(tmp_path / "x.answers.parquet")))
    app.restore("?page=answers&run=a-s0&concept=c1")
    app._ask()
    assert app.page.key == "answers" and "is no table of answers" in text(app.page.body)


def test_what_is_kept_has_a_bound_and_the_oldest_goes_first():
    made = []
    kept = Kept(100, len)

    def get(key, size):
        return kept.get(key, lambda: made.append(key) or b"x" * size)

    for key in ("a", "b", "a", "c"):
        get(key, 40)
    assert made == ["a", "b", "c"] and kept.bytes == 80  # b was the oldest
    get("a", 40)
    get("b", 40)
    assert made == ["a", "b", "c", "b"]
    assert len(get("large", 1000)) == 1000 and kept.bytes == 1000
    get("large", 1000)
    assert made[-1] == "large" and made.count("large") == 1
