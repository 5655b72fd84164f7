"""Splitting runs into parts by any dimension or property, saying what is averaged over, and parts as coordinates."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.errors import UserError
from calque.phases.explore.study import make_study
from calque.phases.report.figures import hues
from calque.phases.report.html import render
from tests.phases_cube import study

N = 20
TOKENS = np.geomspace(1e8, 1e10, N)
X = np.linspace(0, 1, N)


@pytest.fixture(scope="module")
def inside() -> xr.Dataset:
    """Return a cube of a score by layer and head, each with a time of its own, and of another by phenomenon."""
    rng = np.random.default_rng(0)
    at = 0.25 + 0.25 * np.arange(2)[:, None] + 0.1 * np.arange(2)
    score = 1 / (1 + np.exp(-(X[:, None, None] - at) / 0.03))
    noisy = score[None] + 0.02 * rng.standard_normal((2, N, 2, 2))
    right = rng.binomial(50, 0.5 + 0.4 * (X[None, :, None] > 0.5), (2, N, 2))
    cube = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.stack([TOKENS, TOKENS])),
            "attention": (("run", "checkpoint", "layer", "head"), noisy, {"metric_kind": "continuous", "units": "nat"}),
            "minimal_pair_correct": (("run", "checkpoint", "phenomenon"), right.astype(np.int16)),
            "minimal_pair_total": (("run", "checkpoint", "phenomenon"), np.full((2, N, 2), 50, np.int16)),
        },
        coords={
            "run": ["z", "a"], "size": ("run", ["1m", "2m"]), "seed": ("run", [1, 2]), "width": ("run", [1.5, 2e7]),
            "layer": [0, 5], "phenomenon": ["agreement", "case"],
        },
    )  # fmt: skip
    return cube


def groups(result):
    return list(dict.fromkeys(t.group for t in result.transitions))


def test_dimensions_make_series_of_their_own_which_rise_when_they_do(inside):
    found = calque.detect(inside, metric="attention", by="layer,head", boot=59)
    assert groups(found) == [f"layer={k} head={h}" for k in (0, 5) for h in (0, 1)]
    times = [found.report.of("z", "attention", "t50", g).tokens for g in groups(found)]
    middle = np.exp(np.interp([0.25, 0.35, 0.5, 0.6], X, np.log(TOKENS)))
    assert np.allclose(np.log(times), np.log(middle), atol=0.1)
    assert found.to_dict()["settings"]["averaged_over"] == {}
    assert not any("averaged" in note for note in found.report.notes)


@pytest.mark.parametrize(
    ("metric", "by", "over"),
    [
        ("attention", "run", ["layer", "head"]),
        ("attention", "head", ["layer"]),
        ("minimal_pair_correct", "seed", ["phenomenon"]),
    ],
)
def test_what_is_averaged_over_is_said_in_every_face(inside, metric, by, over):
    found = calque.detect(inside, metric=metric, by=by, boot=19)
    made = found.to_dict()
    assert made["settings"]["averaged_over"] == {metric: over}
    said = f"each series is a mean: {metric} over {' and '.join(over)}"
    assert said in made["notes"][0] and said in " ".join(found.summary(400).split())
    assert said.capitalize() in render(found.report, inside)
    assert json.loads(found.to_xarray().attrs["settings_json"])["averaged_over"] == {metric: over}
    assert inside.calque.rates(metric, by).attrs["averaged_over"] == ", ".join(over)
    classical = calque.detect(inside, metric=metric, by=by, boot=19, family="kink")
    assert said in classical.to_dict()["notes"][0] and said in " ".join(classical.summary(400).split())


def test_a_metric_that_lacks_the_dimension_is_left_out_and_said(inside):
    both = inside.assign(flat=inside["attention"].mean(["layer", "head"], keep_attrs=True))
    found = calque.detect(both.drop_vars(["minimal_pair_correct", "minimal_pair_total"]), by="head", boot=19)
    assert {t.metric for t in found.transitions} == {"attention"}
    assert "left out, for they are not split by head: flat" in found.report.notes
    with pytest.raises(
        UserError, match="`metric` has 'flat', which has no .* that is split by head; leave it out of `by`"
    ):
        calque.detect(both, metric="flat", by="head", boot=19)


def test_counts_are_split_with_their_trials(inside):
    found = inside.calque.rates("minimal_pair_correct", "phenomenon")
    assert list(found["phenomenon"].values) == ["agreement", "case"] and (found["trials"] == 50).all()
    expected = inside["minimal_pair_correct"].sel(phenomenon="case") / 50
    assert np.allclose(found["rate"].isel(group=1), expected)


def test_properties_of_runs_name_parts_and_do_not_merge_runs(inside):
    found = calque.detect(inside, metric="attention", by=["seed", "width", "size"], boot=19)
    assert groups(found) == ["size=1m seed=1 width=1.5", "size=2m seed=2 width=20000000"]
    assert {(t.run, t.group) for t in found.transitions} == {("z", groups(found)[0]), ("a", groups(found)[1])}


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("leyer", "choose from run, size, seed, width, layer, head, phenomenon; did you mean 'layer'"),
        ("concept", "the cube is not split by concept; leave it out"), ("checkpoint", "not split by checkpoint"),
        ("pair", "not split by pair"), ("x" * 500, "not split by x"), ("la\nyer", r"by has 'la\nyer'"),
    ],
)  # fmt: skip
def test_names_that_are_none_are_refused_with_the_nearest(inside, by, said):
    with pytest.raises(UserError) as error:
        calque.detect(inside, by=by, boot=19)
    assert said in str(error.value).replace("`", "") and len(str(error.value)) <= 300


def test_the_dataset_keeps_the_order_of_runs_and_says_what_its_numbers_are(inside):
    found = calque.detect(inside, metric="attention", by="head,layer", boot=19)
    data = found.to_xarray()
    assert list(data["run"].values) == ["z", "a"] and list(data["group"].values) == groups(found)
    assert list(data["layer"].values) == ["0", "5", "0", "5"] and data["head"].dims == ("group",)
    assert data["tokens"].attrs == {"long_name": "location, or width", "units": "tokens"}
    assert data["without_tokens"].dtype.kind == "f" and data["without_outcome"].dtype.kind == "U"
    assert json.loads(data.attrs["settings_json"])["boot"] == 19
    one = found.report.transitions[1]
    cell = data.sel(run=one.run, group=one.group, metric=one.metric, estimand=one.estimand)
    assert float(cell["tokens"]) == one.tokens and str(cell["reason"].values) == one.reason
    more = calque.detect(study(runs=3, n=14, languages=4, concepts=8)[0].isel(run=[2, 0, 1]), boot=19)
    assert list(more.to_xarray()["run"].values) == ["seed2", "seed0", "seed1"] and more.lags


def test_rates_by_pair_know_their_languages():
    cube, _ = study(runs=1, n=12, languages=3, concepts=6)
    found = cube.calque.rates("translation", "pair")
    for group, source, target in zip(
        found["group"].values, found["source"].values, found["target"].values, strict=True
    ):
        assert group == f"source={source} target={target}"


@pytest.mark.parametrize("n", [6, 12, 15, 40])
def test_lines_have_colours_of_their_own(n):
    assert len(set(hues(n))) == n
    runs = [f"r{i}" for i in range(n)]
    y = np.linspace(0, 1, 10)[None] * np.linspace(0.5, 1, n)[:, None]
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), np.tile(np.geomspace(1e8, 1e9, 10), (n, 1))),
         "acc": (("run", "checkpoint"), y, {"metric_kind": "proportion"})}, coords={"run": runs},
    )  # fmt: skip
    axes = cube.calque.plot("acc")
    assert len({line.get_color() for line in axes.lines}) == n
    plt.close(axes.figure)


def test_the_explorer_never_takes_a_part_for_the_run(inside):
    whole = calque.detect(inside, metric="attention", boot=19)
    parts = calque.detect(inside, metric="attention", by="head", boot=19)
    both = parts.to_dict()
    both["transitions"] += whole.to_dict()["transitions"]
    located = make_study(inside, "cube", json.loads(json.dumps(both))).located
    assert located.of("z", "whole", "", "attention")["takeoff"] == whole.report.of("z", "attention", "takeoff")


ODD = [None, 3, -1, "", "x", [], {}, [3], b"x", True, float("nan"), (None,), "x" * 500]


@pytest.mark.parametrize("name", ["metric", "by", "boot", "seed", "level", "rise", "scale", "family", "link", "jobs"])
def test_odd_arguments_are_refused_by_name(inside, name):
    for value in ODD:
        if (name, value) in (("metric", None), ("seed", 3), ("jobs", 3)):
            continue
        with pytest.raises(UserError, match=f"`{name}`") as error:
            calque.detect(inside, **{"boot": 19, name: value})
        assert len(str(error.value)) <= 300 and "\n" not in str(error.value), value


@pytest.mark.parametrize("family", ["dictionary", "kink"])
def test_a_metric_without_a_series_is_in_no_note(family):
    cube, _ = study(seed=4, runs=1, languages=3, concepts=6)
    identical = cube["overlap"] == 2
    cube["translation_outcome"] = cube["translation_outcome"].where(identical, -1).astype(np.int8)
    found = calque.detect(cube, boot=19, family=family)
    shown = {t.metric for t in found.report.transitions}
    assert shown == {"copying"} == set(found.report.settings["averaged_over"])
    assert "translation" not in found.report.notes[0] and "false_copying" not in found.report.notes[0]
