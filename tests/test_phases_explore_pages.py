"""The pages as a session holds them: every one drawn, redrawn when looked at, and saying what it lacks."""

import asyncio
import json
from functools import partial

import numpy as np
import panel as pn
import pytest
from bokeh.models import HoverTool, Legend

import calque
from calque.phases.detection.detect import detect
from calque.phases.explore.app import PAGES, App, prepare
from calque.phases.explore.pages.curves import CurvesPage
from calque.phases.explore.pictures.panels import arrange
from calque.phases.explore.series import WHOLE
from calque.phases.explore.study import make_study
from calque.phases.settings import Settings
from tests import phases_cube
from tests.explore_cube import explored, timing
from tests.test_phases_report import LOSS, POWER

# Bokeh's own, of every table
pytestmark = [
    pytest.mark.xdist_group("explore_pages"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]
METRICS = ("copying", "false_copying", "translation")
FORECAST = {
    "schema": 1, "metric": "translation", "size": "1.7b", "n_params_non_embedding": 1e8, "sentences": ["By the law."],
    "rows": [{"law": "average", "tokens": 2e10, "low": 1e10, "high": 4e10, "outcome": "found", "reason": "fits"}],
    "curves": {"average": {"n": [1e6, 1e8], "tokens": [5e10, 2e10], "low": [4e10, 1e10], "high": [6e10, 4e10]}},
    "rollouts": {"average": [{"n": 1.6e7, "tokens": 2e10, "forecast": 2.1e10, "sd": 0.1}]},
}  # fmt: skip
MIXES = {
    "schema": 1, "metric": "translation",
    "contrasts": [
        {
            "first": "uniform", "second": "skewed", "language": "", "outcome": "found", "reason": "later",
            "log_ratio": 0.4, "low": 0.1, "high": 0.7, "p_value": 0.1, "p_adjusted": 0.1,
        }
    ],
}  # fmt: skip
PLAN = {
    "schema": 1, "budget": 1600, "unit": "h200-hours",
    "plans": [{"shift": None, "sizes": [3e6, 1e7], "tokens": [1e10, 2e10], "seeds": 2, "mixes": 2, "cost": 9, "sd": 1}],
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare()


@pytest.fixture(scope="module")
def cube():
    return explored()


@pytest.fixture(scope="module")
def report(cube):
    return json.loads(json.dumps(detect(cube, Settings(metrics=METRICS, boot=39)).to_dict()))


@pytest.fixture
def app(cube, report):
    files = {"forecast": FORECAST, "power": POWER, "loss": LOSS, "mixes": MIXES, "plan": PLAN}
    return App(make_study(cube, "results.nc", report, timing(cube), files))


def page(app, kind):
    return next(p for p in app.pages if type(p).__name__ == kind)


def within(objects):
    """Return all that is shown of some objects, layouts opened."""
    for one in (one for one in objects if one.visible):
        yield one
        if hasattr(one, "objects"):
            yield from within(one.objects)


def text(objects):
    kinds = {pn.pane.HTML: "object", pn.widgets.StaticText: "value"}
    return " ".join(str(getattr(one, kinds[type(one)])) for one in within(objects) if type(one) in kinds)


def pictures(objects):
    return [one.object for one in within(objects) if isinstance(one, pn.pane.Bokeh)]


def drawn(picture, glyph):
    """Return the data and the glyphs of one kind that a picture shows."""
    shown = (one for one in picture.renderers if one.visible)
    return [(one.data_source.data, one.glyph) for one in shown if type(one.glyph).__name__ == glyph]


def entries(picture):
    return [item.label["value"] for legend in picture.select({"type": Legend}) for item in legend.items]


def named(picture, data, name):
    """Return the names that tooltips give to the lines of some data."""
    of = next(f["@line"] for tool in picture.select({"type": HoverTool}) if "@line" in (f := tool.formatters))
    return [of.args[name][i] for i in data["line"]]


def title(picture):
    return picture.title.text.text


def tables(objects):
    return [one.value for one in within(objects) if isinstance(one, pn.widgets.Tabulator)]


@pytest.mark.parametrize("kind", [kind.__name__ for kind in PAGES])
def test_every_page_is_drawn_for_the_browser(app, kind):
    one = page(app, kind)
    app.tabs.active = app.pages.index(one)
    one.redraw()
    root = pn.Column(*one.body.objects).get_root()  # makes every Bokeh model
    assert len(root.children) >= 1 and one.drawn
    for made in pictures(one.body):
        assert made.xaxis.axis_label is None or made.xaxis.axis_label.text != "tokens"


def test_curves_overlay_seeds_and_draw_their_takeoffs(app, report):
    app.view()
    body = page(app, "CurvesPage").body
    panels = pictures(body)
    assert len(panels) == 3  # nano, micro, tiny with its mix; two seeds of nano in one
    lines = drawn(panels[0], "Line")
    assert [named(panels[0], data, "label")[0] for data, _ in lines] == ["copying", "false copying", "translation"]
    assert {run for data, _ in lines for run in named(panels[0], data, "run")} == {"a-s0", "a-s1"}
    (bars, _) = drawn(panels[0], "Segment")[0]
    known = [t for t in report["transitions"] if t["estimand"] == "takeoff" and t["run"] in ("a-s0", "a-s1")]
    ends = sorted(t["low"] for t in known if t["low"] is not None)
    assert set(ends) <= set(bars["low"]) and len(bars["low"]) >= len(ends) > 0
    verdicts = tables(body)[0]
    assert list(verdicts["run"]) == ["a-s0", "a-s1", "b", "c"] * 3
    late = verdicts[verdicts["delayed start"] == "found"]
    assert len(late) >= 8 and late["p"].str.match("<?[.]").all() and late["growth"].str.startswith("at least T^").all()


def test_a_page_is_redrawn_only_when_it_is_looked_at(app, monkeypatch):
    app.view()
    calls = []
    for one in app.pages:
        monkeypatch.setattr(one, "show", partial(lambda name: calls.append(name) or [], type(one).__name__))
    app.selection.chosen_metrics.value = ["copying"]
    assert calls == ["CurvesPage"]
    app.tabs.active = 1
    app.tabs.active = 0
    app.tabs.active = 1
    assert calls == ["CurvesPage", "PairsPage"]
    app.selection.axis.value = "linear"
    assert calls == ["CurvesPage", "PairsPage", "PairsPage"]


def test_choices_narrow_what_is_drawn(app):
    app.view()
    curves = page(app, "CurvesPage")
    app.selection.filters["size"].value = ["nano"]
    assert app.selection.runs == ["a-s0", "a-s1"] and len(pictures(curves.body)) == 1
    curves.split.value = "target"
    shown = pictures(curves.body)
    assert len(shown) == 3 and set(entries(shown[0])) == set(map(str, app.study.cube["target"].values))
    app.selection.chosen_runs.value = ["b"]
    assert app.selection.runs == [] and "Nothing is chosen" in text(curves.body)


def test_shares_and_scores_never_share_an_axis(cube):
    study = make_study(cube, "cube")
    metrics = ("copying", "translation", "translation_logprob", "loss")
    lines, _ = study.many_lines(["a-s0", "a-s1", "b", "c"], metrics, WHOLE, 99)
    for beside in ("auto", "none", "run"):
        for panel in arrange(study, lines, WHOLE, "auto", beside):
            units = {"share" if s.share else s.metric for of in panel.lines.values() for s in of}
            assert len(units) == 1
    alone = arrange(study, [s for s in lines if s.metric == "copying"], WHOLE, "auto", "auto")
    assert len(alone) == 1 and list(alone[0].lines) == ["nano, uniform", "micro, uniform", "tiny, skewed"]


def test_a_click_on_a_pair_shows_its_curves(app):
    app.tabs.active = 1
    pairs = page(app, "PairsPage")
    names = [str(v) for v in app.study.cube["source"].values]

    def click(source, target):
        heat = pictures(pairs.body)[0].renderers[0].data_source
        at = list(zip(heat.data["source"], heat.data["target"], strict=True)).index((source, target))
        heat.selected.indices = [at]

    click(names[1], names[2])
    assert pairs.pair.value == f"{names[1]} → {names[2]}" == title(pictures(pairs.body)[-1])
    with pytest.raises(ValueError, match="is not in"):
        click(names[0], names[0])  # translation has no diagonal
    pairs.pair.value = f"{names[0]} → {names[2]}"  # without a mouse
    assert title(pictures(pairs.body)[-1]) == f"{names[0]} → {names[2]}"


def test_takeoffs_of_pairs_are_a_map_of_their_own(cube):
    found = detect(cube.isel(run=[2]), Settings(metrics=("translation",), by=("pair",), boot=19))
    app = App(make_study(cube, "cube", json.loads(json.dumps(found.to_dict()))))
    app.tabs.active = 1
    pairs = page(app, "PairsPage")
    pairs.run.value = "b"
    _, takeoffs, _ = pictures(pairs.body)
    assert title(takeoffs).startswith("takeoff of translation, tokens († not all found")
    data = takeoffs.renderers[0].data_source.data
    theirs = {t.group: t.tokens for t in found.transitions if t.estimand == "takeoff"}
    for source, target, tokens in zip(data["source"], data["target"], data["tokens"], strict=True):
        assert (theirs[f"source={source} target={target}"] or 0) == (tokens if tokens == tokens else 0)


def test_forecasts_plans_and_contrasts_stand_where_they_belong(app):
    shown = {type(p).__name__: p.results() for p in app.pages}
    sizes = shown["SizesPage"]
    assert "By the law." in text(sizes) and "tokens found / forecast" in text(sizes)
    assert entries(pictures(sizes)[0])[0] == "law: average"
    contrasts = tables(sizes)[-1]
    assert contrasts["contrast"].tolist() == ["skewed / uniform"]
    assert contrasts["ratio of tokens"].item() == pytest.approx(1.492)
    planning = shown["PlanningPage"]
    assert "asked for: 1.3" in text(planning) and tables(planning)[-1]["tokens"].item() == "10B, 20B"
    loss = shown["LossPage"]
    assert "It fits." in text(loss) and "least loss at equal FLOPs" in text(loss) and len(pictures(loss)) == 2
    assert tables(loss)[0]["training hours"].tolist() == [round(60 / 3600, 3)] * 4
    assert tables(shown["RunsPage"])[0]["run"].tolist() == ["a-s0", "a-s1", "b", "c"]


def test_pages_say_what_they_lack(cube):
    bare = cube[["tokens", "loss"]].drop_vars(["n_params_non_embedding", "size", "mix"])
    app = App(make_study(bare, "log.nc"))
    said = {type(p).__name__: text(p.results()) for p in app.pages}
    assert "no outcomes of single items" in said["PairsPage"] and "no outcomes of single items" in said["WordsPage"]
    assert "scaling power" in said["PlanningPage"] and "scaling plan" in said["PlanningPage"]
    assert "Locate transitions" in said["SizesPage"] and "scaling forecast" in said["SizesPage"]
    assert not [name for name, words in said.items() if "--" in words]  # flags are for who types commands
    assert "training_seconds" in said["LossPage"] and "n_params_non_embedding" in said["LossPage"]
    assert len(pictures(page(app, "CurvesPage").results())) == 1


def test_the_button_locates_while_the_page_lives(cube):
    app = App(make_study(cube, "cube"))
    curves: CurvesPage = page(app, "CurvesPage")
    app.selection.chosen_runs.value, app.selection.chosen_metrics.value = ["b"], ["translation"]
    assert "Locate transitions" in text(curves.body)
    asyncio.run(curves.locate._clicked(None))
    assert curves.locate.message.object == "1 series located" and not curves.locate.button.disabled
    curves.fits.value = True
    curves.redraw()
    [made] = pictures(curves.body.objects)
    [shape] = [r for r in made.renderers if (r.name or "").startswith("fit ")]
    [fit] = curves.study.located.fits.values()
    assert shape.glyph.line_dash and list(shape.data_source.data["fitted"]) == list(fit.fitted[fit.fitted_tokens > 0])
    assert "known of 1 of 1 line." in text(curves.body.objects)
    curves.fits.value = False
    assert tables(curves.body)[0]["run"].tolist() == ["b"]
    curves.split.value = "overlap"
    asyncio.run(curves.locate._clicked(None))
    assert "not by overlap" in curves.locate.message.object


def test_large_studies_begin_with_one_mix():
    big = explored().isel(run=[0, 1, 2] * 7 + [3] * 2)
    big = big.assign_coords(run=[f"r{i}" for i in range(big.sizes["run"])])
    app = App(make_study(big, "big"))
    assert app.selection.filters["mix"].value == ["uniform"] and len(app.selection.runs) == 21


def test_whole_numbers_of_runs_have_no_decimal_point(cube):
    runs = cube.sizes["run"]
    sizes = cube.assign_coords(
        n_params=("run", np.full(runs, 1e7)), seed=("run", [*np.arange(runs - 1.0), np.nan]),
        n_params_non_embedding=("run", np.full(runs, 8e6)),
    )  # fmt: skip
    shown = tables(page(App(make_study(sizes, "x.nc")), "RunsPage").show())[0]
    for name in ("n params", "n params non embedding", "seed", "tokens"):
        (column,) = [c for c in shown if str(c).replace("_", " ").startswith(name)][:1]
        assert shown[column].dtype.kind == "i", name
    text = shown.to_csv(index=False)
    assert "10000000" in text and "10000000.0" not in text and "8000000.0" not in text


def test_numbers_of_parameters_from_names_are_whole():
    made = calque.edit(phases_cube.study(runs=1, n=20)[0], coord=["size=10m"]).cube
    assert made["n_params"].dtype.kind == "i" and made["n_params"].item() == 10_000_000


def test_the_bands_of_a_log_are_not_said_to_be_clustered(cube, app):
    right = np.round(100 * np.linspace(0.1, 0.6, cube.sizes["checkpoint"])) * np.ones((cube.sizes["run"], 1))
    acc = (("run", "checkpoint"), right, {"metric_kind": "count", "trials": 100})
    said = {
        name: text(page(App(make_study(made, "x.nc")), "CurvesPage").results())
        for name, made in {"log": cube[["tokens"]].assign(acc=acc), "items": cube}.items()
    }  # fmt: skip
    assert "Bands: 95 % binomial; left out" in said["log"] and "concept" not in said["log"]
    assert "Bands: 95 % binomial, clustered by concept; left out" in said["items"]
