"""One result, one wording: every outcome of every estimand reads alike in every face, and never without its mark."""

import html
import io
import re
from pathlib import Path
from typing import get_args

import holoviews as hv
import hvplot.pandas  # noqa: F401  (chooses the library that draws)
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from bokeh.models import Scatter, Segment
from rich.console import Console

from calque.data.quantities import format_estimate
from calque.phases.api.detect import Detection
from calque.phases.detection.detect import detect
from calque.phases.explore.pictures.panels import SHARE_LABEL, PanelOfLines
from calque.phases.explore.pictures.side_by_side import SideBySide
from calque.phases.explore.pictures.takeoffs import MARKERS
from calque.phases.explore.series import ScoreLine
from calque.phases.report.html import render
from calque.phases.report.tables import report_parts
from calque.phases.results import Curve, DetectionReport, Estimand, Lag, Outcome, Transition
from calque.phases.settings import Settings
from calque.phases.wording import extent, growth, lag_ratio, location, outcome_words, ratio_text
from calque.phases.wording_of_outcomes import MEANINGS
from tests import phases_simulation as sim

TOKENS = np.geomspace(1e8, 1e11, 20)
PLACES = {"closed": (2e9, 1e9, 4e9), "open above": (2e9, 1e9, None), "open below": (2e9, None, 4e9),
          "after": (None, 1e9, None), "before": (None, None, 4e9), "nowhere": (None, None, None)}  # fmt: skip
EVERY = [(e, o) for e in get_args(Estimand) for o in Outcome]
LOCATED = ("takeoff", "t50", "peak")
DRAWN = (Outcome.FOUND, Outcome.CENSORED)
"""Outcomes whose pages and interactive pictures are rendered too, which takes long."""
SETTINGS = {"level": 0.95, "rise": 0.05, "scale": "log", "boot": 99, "seed": 0, "family": "dictionary", "metrics": None}


def row(estimand, outcome, place="closed", **more):
    tokens, low, high = PLACES[place]
    return Transition(
        run="r", group="", metric="score", estimand=estimand, outcome=outcome, reason="why", tokens=tokens, low=low,
        high=high, level=0.95, n_checkpoints=20, **more,
    )  # fmt: skip


def report_of(*rows):
    have = {t.estimand for t in rows}
    rows += tuple(row(e, Outcome.NONE, "nowhere") for e in ("delay", "takeoff") if e not in have)
    y = np.linspace(0, 0.8, 20)
    curve = Curve(run="r", group="", metric="score", tokens=TOKENS, y=y, counts=True, fitted_tokens=TOKENS, fitted=y)
    return DetectionReport(cube="cube", settings=SETTINGS, transitions=rows, lags=(), curves=(curve,))


def cube():
    made = xr.Dataset({"tokens": (("run", "checkpoint"), TOKENS[None])}, coords={"run": ["r"]})
    made["score"] = (("run", "checkpoint"), np.linspace(0, 0.8, 20)[None], {"metric_kind": "proportion"})
    return made


def terminal(report):
    out = Console(file=io.StringIO(), width=300)
    for part in report_parts(report):
        out.print(part)
    return out.file.getvalue()


def page(report):
    return html.unescape(re.sub(r"<[^>]+>", "|", render(report, cube())))


@pytest.mark.contract
@pytest.mark.parametrize(("estimand", "outcome"), EVERY)
def test_a_location_carries_its_outcome(estimand, outcome):
    for place in PLACES:
        said = location(row(estimand, outcome, place))
        if estimand == "phases":
            continue
        if place == "nowhere":
            assert said == outcome_words(outcome)
        else:
            assert (outcome_words(outcome) in said) == (outcome != Outcome.FOUND)
    assert "_" not in outcome_words(outcome)


@pytest.mark.contract
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("place", PLACES)
def test_terminal_report_and_notebook_say_the_same(outcome, place):
    asked = [row(estimand, outcome, place) for estimand in LOCATED]
    report = report_of(*asked)
    said = location(asked[0])
    assert len(re.findall(rf"│ {re.escape(said)} +(?=│)", terminal(report))) >= 3, said
    if outcome in DRAWN or place == "nowhere":
        assert page(report).count(f"|{said}|") >= 3
    shown = Detection(report=report, cube=cube(), source=cube())
    assert said in shown.summary(300)
    frame = shown.to_dataframe().set_index("estimand")
    for t in shown.to_dict()["transitions"]:
        if t["estimand"] in LOCATED:
            assert outcome_words(t["outcome"]) == outcome_words(outcome) and t["reason"] == "why"
            assert frame.loc[t["estimand"], "outcome"] == outcome.value


@pytest.mark.contract
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("place", PLACES)
def test_pictures_draw_open_ends_as_arrows_and_name_the_outcome(outcome, place):
    one = row("takeoff", outcome, place)
    shown = Detection(report=report_of(one), cube=cube(), source=cube())
    axes = shown.plot()
    markers = [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1]
    known = place != "nowhere"
    assert markers.count("<") == (known and one.low is None) and markers.count(">") == (known and one.high is None)
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    assert [d.get_xdata()[0] for d in dots] == ([] if one.tokens is None else [one.tokens])
    assert all((d.get_markerfacecolor() == "white") == (outcome != Outcome.FOUND) for d in dots)
    words = [text.get_text() for text in axes.texts]
    assert (outcome_words(outcome) in words) == (known and outcome != Outcome.FOUND)
    plt.close(axes.figure)
    if outcome not in DRAWN:
        return
    made = shown.plot(backend="hvplot")
    assert location(one) in {v for s in made.traverse(lambda x: x, [hv.Scatter]) for v in s.data["takeoff"]}
    arrows = made.traverse(lambda x: x, [hv.Points])
    assert len(arrows) == (known and one.low is None) + (known and one.high is None)
    assert hv.render(made) is not None


@pytest.mark.contract
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("place", PLACES)
def test_the_explorer_says_and_draws_the_same(outcome, place):
    takeoff, delay = row("takeoff", outcome, place), row("delay", outcome, "nowhere")
    y = np.linspace(0, 0.8, 20)
    line = ScoreLine(run="r", part="", metric="score", tokens=TOKENS, value=y, trials=lambda: np.full(len(y), 125.0))

    class Known:
        def of(self, *_):
            return {"takeoff": takeoff, "delay": delay}

    panel = PanelOfLines(title="score", unit=SHARE_LABEL, lines={"score": [line]})
    [made] = SideBySide().draw([panel], Known(), "whole", log=True, bands=False, strips=True, height=300)
    bars = [r.data_source.data["where"] for r in made.renderers if isinstance(r.glyph, Segment)]
    assert bars == ([] if place == "nowhere" else [[location(takeoff)]])
    kinds = {r.name for r in made.renderers if isinstance(r.glyph, Scatter)}
    expected = set() if takeoff.tokens is None else {"found" if outcome == Outcome.FOUND else "other"}
    expected |= {"before"} if place != "nowhere" and takeoff.low is None else set()
    expected |= {"after"} if place != "nowhere" and takeoff.high is None else set()
    assert kinds == expected <= set(MARKERS)


def test_the_reason_of_a_real_row_holds_the_very_interval_that_tables_show():
    rng = np.random.default_rng(0)
    tokens = np.arange(1, 46) * sim.END / 45
    made = xr.Dataset({"tokens": (("run", "checkpoint"), tokens[None])}, coords={"run": ["r"]})
    up = sim.onset(0.3 * sim.END, 0.2)(tokens)
    late = sim.onset(0.97 * sim.END, 0.2)(tokens)
    for name, y, kind in (
        ("up", sim.counts(rng, up, 200) / 200, "proportion"),
        ("late", sim.counts(rng, late, 200) / 200, "proportion"),
        ("down", 8 - 3 * up + 0.05 * rng.standard_normal(45), None),
    ):
        attrs = {"metric_kind": kind, "trials": 200} if kind else {"metric_kind": "continuous", "units": "nat/token"}
        made[name] = (("run", "checkpoint"), y[None], attrs)
    for settings in (Settings(boot=59), Settings(boot=59, family="kink"), Settings(boot=59, family="logistic")):
        for t in detect(made, settings).transitions:
            if t.tokens is not None:
                assert format_estimate(t.tokens, t.low, t.high, "tokens") in t.reason, t
            if t.falls:
                assert not re.search(r"\brises\b|above its floor|points", t.reason), t.reason
            assert t.falls == (t.metric == "down")


def test_ratios_and_bounds_in_words():
    assert growth(1.0) == "at least T^1" and growth(None) == "–"
    assert ratio_text(3.9, 3.63, 4.2249) == "3.90 (3.63 to 4.22)"
    assert (
        ratio_text(3.9, 3.63, None) == "3.90 (above 3.63)"
        and ratio_text(0.004, None, 0.005) == "0.00400 (below 0.00500)"
    )
    assert (
        ratio_text(1.0005, 1.0001, 1.0009) == "1.0005 (1.0001 to 1.0009)"
        and ratio_text(123.4, 101, 150) == "123 (101 to 150)"
    )
    common = {"run": "r", "group": "", "first": "a", "second": "b", "level": 0.95, "reason": ""}
    assert lag_ratio(Lag(outcome=Outcome.NONE, **common)) == "none"
    opened = Lag(outcome=Outcome.CENSORED, log_ratio=0.0, low=-0.1, **common)
    assert lag_ratio(opened) == "1.00 (above 0.905), censored"


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (1900, 1895, 1904, "1.9k (1.895k to 1.904k)"), (2e9, 2e9, 2e9, "2B (2B to 2B)"),
        (5.0001e9, 4.9999e9, 6e9, "5.0001B (4.9999B to 6B)"), (None, 9.16e5, None, "after 916k"),
        (3e6, None, None, "3M (unbounded)"), (1e6, 999_999, 2e6, "1M (999.999k to 2M)"),
    ],
)  # fmt: skip
def test_an_interval_is_shown_with_digits_enough_to_be_one(value, low, high, said):
    assert format_estimate(value, low, high) == said


def test_an_open_end_reaches_the_axis_end_and_never_crosses_the_estimate():
    assert extent(None, None, None, 1.0, 9.0) is None
    assert extent(5.0, None, None, 1.0, 9.0) == (1.0, 9.0, 5.0, True, True)
    assert extent(None, 3.0, None, 1.0, 9.0) == (3.0, 9.0, None, False, True)
    assert extent(12.0, 11.0, None, 1.0, 9.0) == (11.0, 12.0, 12.0, False, True)


def printed(report):
    console = Console(file=io.StringIO(), width=400)
    for part in report_parts(report):
        console.print(part)
    return console.file.getvalue()


@pytest.mark.parametrize("outcome", [o for o in Outcome if o != Outcome.FOUND])
def test_the_terminal_says_what_each_outcome_it_shows_means(outcome):
    lines = printed(report_of(row("delay", outcome, "nowhere"), row("takeoff", Outcome.FOUND))).splitlines()
    explained = [o for o in Outcome if any(line.startswith(f"{outcome_words(o).capitalize()}: ") for line in lines)]
    assert explained == [outcome] and "reason of each answer" in lines[-1]


def test_the_page_says_what_the_outcomes_of_its_columns_mean():
    report = report_of(row("delay", Outcome.DECLINING, "nowhere"), row("takeoff", Outcome.FOUND),
                       row("t10", Outcome.NOT_SHARPLY_LOCATED))  # fmt: skip
    page = render(report, cube())
    assert [page.count(f"<li>{word}: ") for word in ("Declining", "Not sharply located", "None")] == [1, 1, 0]
    assert "Not sharply located:" not in printed(report)  # which has no column of t10


def test_found_is_explained_by_the_legend_alone_and_censored_of_a_rise_once():
    found = [row(e, Outcome.FOUND) for e in ("delay", "takeoff")]
    assert "reason of each answer" not in printed(report_of(*found))
    risen = printed(report_of(*found, row("t50", Outcome.CENSORED)))
    assert "Censored, of t10" in risen and "Censored:" not in risen


def test_the_glossary_has_the_same_meanings():
    glossary = (Path(__file__).parents[1] / "docs/GLOSSARY.md").read_text()
    for outcome, text in MEANINGS.items():
        assert f"| `{outcome.value}` | {text} |\n" in glossary
    assert set(MEANINGS) == set(Outcome) - {Outcome.FOUND}
