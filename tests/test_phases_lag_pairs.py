"""Lags of any two series of a run: names, refusals, and what detect measures of them."""

import math

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.errors import UserError
from calque.data.metrics import LAGS
from calque.phases.results import Outcome
from calque.phases.series.lag_pairs import LagPairs, lag_pairs, metrics_of_lags
from calque.phases.series.metrics import trajectories
from tests import phases_simulation as sim
from tests.phases_cube import study
from tests.test_phases_cli import phases, refused


@pytest.fixture(scope="module")
def cube():
    return study(seed=2, runs=1, languages=4, concepts=24)[0]


def test_names_are_metrics_or_parts_of_runs(cube):
    series = trajectories(cube, ("translation", "copying"), ("target",))
    assert lag_pairs(cube, None, series).within == LAGS
    assert lag_pairs(cube, (("copying", "translation"),), series) == LagPairs((("copying", "translation"),))
    both = (("target=de/translation", "target=en/copying"),)
    found = lag_pairs(cube, both, series)
    assert found == LagPairs((), ((("target=de", "translation"), ("target=en", "copying")),))
    assert metrics_of_lags(cube, both) == ("translation", "copying")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("copying", "copying"), "a lag is between two different series"),
        (("copying", "target=de/translation"), "a part of a run and a whole metric; expected two metrics, or GROUP/M"),
        (("copying", "target=xx/translation"), "which is no series; expected a metric or a part such as 'target="),
        (("copying", "loss"), "which is no metric of the cube; expected two of copying, false_copying"),
    ],
)
def test_other_names_are_refused_in_one_line(cube, pair, message):
    with pytest.raises(UserError, match="`lags` has ") as error:
        calque.detect(cube, metric="copying", by="target", boot=19, lags=[pair])
    assert message in str(error.value) and len(str(error.value)) <= 300


def test_a_cube_of_one_metric_says_that_a_lag_needs_two():
    one = xr.Dataset({"tokens": (("run", "checkpoint"), [[1e6, 2e6]])}, coords={"run": ["r"]})
    one["acc"] = (("run", "checkpoint"), [[0.1, 0.2]], {"metric_kind": "continuous"})
    with pytest.raises(UserError, match="has 'loss', .* expected two metrics, and it has only acc, or GROUP/METRIC"):
        metrics_of_lags(one, (("acc", "loss"),))


def test_pairs_must_be_pairs(cube):
    for wrong, message in (([], "`lags` is empty"), ([("a", "b", "c")], "'a,b,c'; expected two names"),
                           ([("a", " ")], "expected two names"), ("ab", "expected a list")):  # fmt: skip
        with pytest.raises(UserError, match=message):
            calque.detect(cube, boot=19, lags=wrong)
    with pytest.raises(UserError, match="`lags` are measured by the dictionary alone"):
        calque.detect(cube, family="kink", lags=[("copying", "translation")])


def test_a_lag_of_any_two_metrics_is_measured_with_its_interval():
    """Two metrics of no standard pair; the true lag is known."""
    tokens = np.arange(1, 46) * sim.END / 45
    rng, early, late = np.random.default_rng(3), sim.onset(0.2 * sim.END, 0.15), sim.onset(0.5 * sim.END, 0.15)
    curves = {"first": early, "second": late, "other": early}
    cube = _cube(tokens, {name: sim.counts(rng, curve(tokens), 200) for name, curve in curves.items()})
    found = calque.detect(cube, metric="other", boot=59, lags=[("first", "second")])
    (lag,) = found.lags
    truth = math.log(sim.crossing(late, tokens) / sim.crossing(early, tokens))
    assert (lag.first, lag.second, lag.outcome, lag.run) == ("first", "second", Outcome.FOUND, "a")
    assert lag.low <= truth <= lag.high and lag.low > 0
    assert {t.metric for t in found.transitions} == {"other", "first", "second"}
    assert found.report.settings["primary"] == "other"
    assert calque.detect(cube, boot=19, metric="other").lags == ()


def _cube(tokens, counts):
    cube = xr.Dataset({"tokens": (("run", "checkpoint"), tokens[None])}, coords={"run": ["a"]})
    for name, y in counts.items():
        cube[name] = (("run", "checkpoint"), y[None], {"metric_kind": "count", "trials": 200})
    return cube


def test_lags_between_parts_of_a_run_have_the_names_that_were_given():
    tokens, rng = np.arange(1, 46) * sim.END / 45, np.random.default_rng(3)
    curves = [sim.onset(share * sim.END, 0.15) for share in (0.2, 0.5)]
    y = np.stack([sim.counts(rng, curve(tokens), 200) for curve in curves], axis=1)
    made = xr.Dataset({"tokens": (("run", "checkpoint"), tokens[None])}, coords={"run": ["a"], "target": ["de", "fr"]})
    made["score"] = (("run", "checkpoint", "target"), y[None] / 200, {"metric_kind": "proportion", "trials": 200})
    names = ("target=de/score", "target=fr/score")
    found = calque.detect(made, by="target", boot=39, lags=[names])
    (lag,) = found.lags
    assert (lag.group, lag.first, lag.second) == ("", *names) and "target=fr/score" in lag.reason
    truth = math.log(sim.crossing(curves[1], tokens) / sim.crossing(curves[0], tokens))
    assert lag.outcome == Outcome.FOUND and 0 < lag.low <= truth <= lag.high
    own = {t.group: t.tokens for t in found.transitions if t.estimand == "takeoff"}
    assert lag.log_ratio == pytest.approx(math.log(own["target=fr"] / own["target=de"]), abs=0.05)


def test_the_command_takes_pairs_with_commas(cube, tmp_path):
    calque.write(cube, tmp_path / "c.nc")
    file = tmp_path / "c.nc"
    refused(phases("detect", file, "--lag", "copying", "--boot", 19), "--lag has 'copying'; expected two names")
    refused(phases("detect", file, "--primary", "copyin", "--boot", 19), "--primary is 'copyin', which is not analysed")
