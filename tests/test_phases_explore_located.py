"""Transitions on the pages: read from a file of phases detect, or located on demand with the same numbers."""

import json
from dataclasses import replace

import pytest

from calque.data.errors import UserError
from calque.phases.detection.detect import detect
from calque.phases.explore.located import BOOT, Located, split_of
from calque.phases.explore.series import PAIR, WHOLE
from calque.phases.explore.study import make_study
from calque.phases.settings import Settings
from tests.explore_cube import explored

METRICS = ("copying", "translation")


@pytest.fixture(scope="module")
def cube():
    return explored(n=40)


@pytest.fixture(scope="module")
def found(cube):
    settings = Settings(metrics=METRICS, boot=BOOT, seed=3)
    return json.loads(json.dumps(detect(cube.isel(run=[0]), settings).to_dict()))


@pytest.mark.parametrize(
    ("names", "split", "part"),
    [
        ({}, WHOLE, ""), ({"size": "nano", "mix": "uniform"}, WHOLE, ""), ({"source": "en"}, "source", "en"),
        ({"size": "nano", "target": "Old English"}, "target", "Old English"),
        ({"source": "Old English", "target": "a=b"}, PAIR, "Old English → a=b"),
    ],
)  # fmt: skip
def test_groups_of_a_report_are_parts_of_a_run(names, split, part):
    assert split_of(names) == (split, part)


@pytest.mark.parametrize("by", ["target", "pair"])
def test_languages_with_spaces_and_equals_signs_keep_their_transitions(cube, by):
    names = {"en": "Old English", "de": "de = nds"}
    renamed = cube.isel(run=[0]).assign_coords(
        {dim: [names.get(str(v), str(v)) for v in cube[dim].values] for dim in ("source", "target")}
    )
    report = detect(renamed, Settings(metrics=("translation",), by=(by,), boot=19))
    given = make_study(renamed, "cube", json.loads(json.dumps(report.to_dict()))).located
    fresh = make_study(renamed, "cube").located
    fresh.settings = replace(given.settings, boot=19)
    fresh.locate(["a-s0"], ["translation"], by)
    assert set(given.rows) == set(fresh.rows) and len(given.rows) == len({t.group for t in report.transitions})
    labels = {part for _, _, part, _ in given.rows}
    assert any("Old English" in label for label in labels) and any("de = nds" in label for label in labels)


def test_a_report_that_does_not_say_what_its_groups_are_is_refused(cube):
    report = detect(cube.isel(run=[0]), Settings(metrics=("translation",), by=("target",), boot=19)).to_dict()
    for parts in (None, [], {"target=en": "en"}):
        with pytest.raises(UserError, match="`detect` does not say what its groups are"):
            make_study(cube, "cube", report | {"parts": parts})


def test_what_is_located_on_demand_is_what_detect_finds(cube, found):
    study = make_study(cube, "cube", found)
    given = study.located.of("a-s0", WHOLE, "", "translation")
    assert {"takeoff", "delay"} <= set(given) and study.located.of("b", WHOLE, "", "translation") == {}
    assert study.located.settings.seed == 3  # of the file
    fresh = make_study(cube, "cube").located
    fresh.settings = study.located.settings
    seen = []
    count = fresh.locate(["a-s0"], METRICS, WHOLE, lambda done, total, what: seen.append((done, total)))
    assert count == 2 and seen[-1] == (2, 2)
    for metric in METRICS:
        theirs = study.located.of("a-s0", WHOLE, "", metric)
        assert fresh.of("a-s0", WHOLE, "", metric) == theirs and theirs["delay"].role is not None


def test_parts_are_located_as_detect_would_by_source(cube):
    settings = Settings(metrics=("translation",), by=("source",), boot=BOOT)
    report = detect(cube.isel(run=[2]), settings)
    located = make_study(cube, "cube").located
    assert located.locate(["b"], ["translation"], "source") == 3
    for source in [str(v) for v in cube["source"].values]:
        theirs = report.of("b", "translation", "takeoff", f"source={source}")
        assert located.of("b", "source", source, "translation")["takeoff"] == theirs is not None


def test_too_much_and_the_unknown_are_refused_before_any_work(cube, monkeypatch):
    located = make_study(cube, "cube").located
    monkeypatch.setattr("calque.phases.explore.located.spread", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(UserError, match="located of whole, source, target, pair; not by overlap"):
        located.locate(["b"], METRICS, "overlap")
    with pytest.raises(UserError, match="none of loss is known by source"):
        located.locate(["b"], ["loss"], "source")
    monkeypatch.setattr("calque.phases.explore.located.MOST", 10)
    with pytest.raises(UserError, match=r"30 series would take minutes: .*'phases detect' by pair"):
        located.locate(["b", "c"], METRICS, PAIR)


def test_work_under_way_ends_when_the_server_does(cube):
    located = make_study(cube, "cube").located
    located.stopped.set()
    assert located.locate(["a-s0", "b", "c"], ["copying"], WHOLE) == 1
    assert [run for run, *_ in located.rows] == ["a-s0"]


def test_reports_of_other_cubes_or_shapes_are_refused(cube, found):
    other = {**found, "transitions": [{**row, "run": "elsewhere"} for row in found["transitions"]]}
    with pytest.raises(UserError, match=r"its runs \(elsewhere\) are none of the cube's"):
        make_study(cube, "cube", other)
    for broken in ({"run": "a-s0"}, {**found["transitions"][0], "outcome": "perhaps"}, 3):
        with pytest.raises(UserError, match="a row that is no transition"):
            Located(cube, make_study(cube, "cube").items, {**found, "transitions": [broken]})
