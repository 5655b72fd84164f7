"""Calibration: simulators have the stated mean, spread and truth; figures; a study's nulls; short cells."""

import math
from dataclasses import replace

import numpy as np
import pytest

from calque.phases.calibration import designs, run
from calque.phases.calibration.cells import LAG, STANDARD, Target, chosen
from calque.phases.calibration.curves import CONCAVE, CURVES, later, truth
from calque.phases.calibration.draws import NoiseSpec, ar1, clustered_items, counts, schedule, series, shared_shifts
from calque.phases.calibration.outcomes import Figure, Options, Truth, columns, figures, median, share
from calque.phases.calibration.study import calibrate
from calque.phases.series.clusters import design_effect

UNIFORM = np.linspace(1 / 200, 1, 200)


def cell(name):
    return chosen("standard", [name])[0]


# ------------------------------------------------------------------ curves


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
def test_elasticity_is_the_steepest_curvature(curve):
    x = np.linspace(math.log(1e-4), 0.0, 4001)
    slope = np.diff(curve.score(np.exp(x))) / np.diff(x)
    usable = (slope[1:] > 1e-6) & (slope[:-1] > 1e-6)
    steepest = (np.diff(np.log(np.maximum(slope, 1e-300))) / np.diff(x)[1:])[usable].max(initial=0.0)
    if math.isinf(curve.elasticity):
        # a corner ends in one step of the grid; the normal cumulative steepens without end; a step has no slope
        assert steepest > 8 or curve.name == "step"
    else:
        assert steepest == pytest.approx(curve.elasticity, rel=0.035)
    assert curve.delayed == (curve not in CONCAVE)


@pytest.mark.parametrize("curve", CONCAVE, ids=[curve.name for curve in CONCAVE])
def test_concave_curves_are_concave_and_scores_are_proportions(curve):
    s = np.linspace(1e-4, 1, 5001)
    assert np.all(np.diff(curve.score(s), 2) <= 1e-12) and np.all(np.diff(curve.score(s)) >= 0)
    assert curve.score(s).min() >= 0 and curve.score(s).max() <= 1


def test_truth_of_a_corner_a_step_and_a_constant():
    sharp = truth(CURVES["sharp"], UNIFORM)
    assert sharp.takeoff == pytest.approx(math.log10(0.3) - 0.2 * math.log(1 - 0.1), abs=1e-4)
    top = 1 - math.exp(math.log10(0.3) / 0.2)
    assert sharp.t50 == pytest.approx(math.log10(0.3) - 0.2 * math.log(1 - top / 2), abs=1e-4)
    step = truth(CURVES["step"], UNIFORM)
    assert step.takeoff == step.t50 == pytest.approx(math.log10(0.3012), abs=1e-4)
    assert np.isinf(truth(CURVES["flat"], UNIFORM).takeoff)
    assert truth(CURVES["linear"], UNIFORM).takeoff == pytest.approx(math.log10(0.1 + 1 / 200), abs=1e-4)


def test_cells_of_lags_are_apart_by_what_they_say():
    for c in STANDARD:
        if c.ask == "lag":
            apart = run.cell_truth(c, 0.05).lag / math.log(10)
            assert apart == pytest.approx(LAG if "/power/" in c.name else 0.0, abs=1e-4), c.name
    assert len({c.name for c in STANDARD}) == len(STANDARD) == len({c.digest for c in STANDARD})


# ------------------------------------------------------------------ noise


@pytest.mark.simulation
def test_shift_has_its_spread_and_autocorrelation_from_the_first_checkpoint_on():
    rng = np.random.default_rng(1)
    u = np.array([ar1(rng, 30, 0.8, 0.5) for _ in range(4000)])
    # sd of a standard deviation from 4000 draws: 1.1 %; of a correlation .8: .006
    assert u.std(0) == pytest.approx(0.5, rel=0.05)
    for lag in (1, 3):
        assert np.corrcoef(u[:, 0], u[:, lag])[0, 1] == pytest.approx(0.8**lag, abs=0.05)
    first, second = (np.array(v) for v in zip(*(shared_shifts(rng, 20, 0.6, 0.7) for _ in range(2000)), strict=True))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(0.7, abs=0.03)
    assert np.corrcoef(second[:, 4], second[:, 5])[0, 1] == pytest.approx(0.6, abs=0.06)


@pytest.mark.simulation
@pytest.mark.parametrize("icc", [0.0, 0.02])
def test_counts_have_the_curve_as_mean_and_the_stated_variance(icc):
    rng = np.random.default_rng(2)
    curve = np.array([0.03, 0.2, 0.5, 0.9])
    y = np.array([counts(rng, curve, 125, 0.6, 0.6, icc=icc) for _ in range(1500)]) / 125
    assert np.all(np.abs(y.mean(0) - curve) < 4 * y.std(0) / math.sqrt(1500))
    still = np.array([counts(rng, curve, 125, 0.0, 1e-9, icc=icc) for _ in range(1500)]) / 125
    expected = curve * (1 - curve) / 125 * (1 + 124 * icc)
    assert still.var(0) == pytest.approx(expected, rel=0.15)


@pytest.mark.simulation
def test_items_follow_the_curve_and_fail_together():
    rng = np.random.default_rng(3)
    curve = np.linspace(0.1, 0.6, 6)
    draws = [clustered_items(rng, curve, 40, 8, 0.7, sd=0.3) for _ in range(300)]
    means = np.array([success.mean(1) for success, _ in draws])
    assert np.all(np.abs(means.mean(0) - curve) < 4 * means.std(0) / math.sqrt(300))
    t = series(rng, "r", "m", CURVES["linear"].score, schedule("uniform", 60), 40, NoiseSpec(each=8, lasting=0.0))
    assert t.trials[0] == 320 and 2.5 < t.design_effect < 6.5
    success, concept = clustered_items(rng, np.full(80, 0.4), 40, 8, 0.9, sd=0.01)
    assert design_effect(success, np.ones_like(success), concept) < 2.0


def test_missing_checkpoints_leave_the_first_and_the_last():
    tokens = schedule("uniform", 200)
    t = series(np.random.default_rng(4), "r", "m", CURVES["sharp"].score, tokens, 125, NoiseSpec(missing=0.2))
    assert 140 <= t.n <= 178 and t.tokens[0] == tokens[0] and t.tokens[-1] == tokens[-1]
    assert np.array_equal(tokens[t.index], t.tokens)


def test_a_replicate_depends_on_the_seed_and_its_number_alone():
    c = cell("lag/size/shared-shocks")
    one, again, *others = (run.draw(c, r, seed) for r, seed in ((5, 1), (5, 1), (5, 2), (6, 1)))
    assert np.array_equal(one[1].y, again[1].y)
    assert not any(np.array_equal(one[1].y, other[1].y) for other in others)
    assert not np.array_equal(one[0].y, one[1].y)


# ------------------------------------------------------------------ figures


def test_figures_count_what_they_say():
    answers = [
        {"p": 0.05, "gamma": 2.0, "made": 1, "reported": 1, "x": -0.5, "low": -0.6, "high": -0.4, "t50_x": -0.3,
         "t50_low": -0.35, "t50_high": -0.1},
        {"p": 0.06, "gamma": 0.0, "made": 1, "reported": 0, "x": -0.2, "low": -0.3, "high": np.inf, "t50_x": -0.3,
         "t50_low": -0.2, "t50_high": -0.1},
        {"p": 0.01, "gamma": 3.0, "made": 1, "reported": 1, "x": -0.5, "low": -np.inf, "high": -0.45, "t50_x": 0.0,
         "t50_low": -0.4, "t50_high": np.inf},
        {"p": 1.0, "gamma": 0.0, "made": 0, "reported": 0, "x": np.nan, "low": np.nan, "high": np.nan,
         "t50_x": np.nan, "t50_low": np.nan, "t50_high": np.nan},
    ]  # fmt: skip
    found = figures(columns(answers), "takeoff", Truth(takeoff=-0.5, t50=-0.3, elasticity=2.0), 0.95)
    values = {k: f.value for k, f in found.items()}
    assert values["rejected"] == 0.5 and values["steep"] == 0.5 and values["overstated"] == 0.5
    assert values["coverage"] == 0.5 and values["covered_if_reported"] == 1.0 and found["covered_if_reported"].n == 2
    assert values["open"] == 0.5 and math.isinf(values["width"]) and values["t50_coverage"] == 0.5
    assert values["error"] == 0.0
    nowhere = figures(columns(answers), "takeoff", Truth(), 0.95)
    assert "coverage" not in nowhere and "overstated" not in nowhere and nowhere["reported"].value == 0.5


def test_lags_are_compared_in_ln_and_their_width_is_in_decades():
    found = columns([{"p": 0.01, "made": 1, "reported": 1, "x": 0.3, "low": 0.0, "high": math.log(10)}])
    lag = figures(found, "lag", Truth(lag=0.32), 0.95)
    assert lag["width"].value == pytest.approx(1.0) and lag["coverage"].value == 1 and lag["rejected"].value == 1
    assert lag["error"].value == pytest.approx(0.02 / math.log(10)) and "steep" not in lag


def test_standard_errors_are_those_of_simulation():
    rng = np.random.default_rng(5)
    shares = [share(rng.random(400) < 0.9) for _ in range(400)]
    assert np.std([f.value for f in shares]) == pytest.approx(np.mean([f.error for f in shares]), rel=0.15)
    medians = [median(rng.exponential(size=400)) for _ in range(400)]
    assert np.std([f.value for f in medians]) == pytest.approx(np.mean([f.error for f in medians]), rel=0.15)
    assert share(np.ones(50, bool)).error > 0.005
    assert median(np.array([1.0, 2.0, np.inf])).value == 2.0


@pytest.mark.parametrize(
    ("target", "value", "error", "word"),
    [
        (Target("f", 0.92, 0.98), 0.95, 0.007, "met"), (Target("f", 0.92, 0.98), 0.93, 0.007, "met?"),
        (Target("f", 0.92, 0.98), 0.91, 0.007, "missed?"), (Target("f", 0.92, 0.98), 0.85, 0.007, "missed"),
        (Target("f", high=0.06), math.inf, math.inf, "missed"), (Target("f", 0.9), 1.0, 0.01, "met"),
        (Target("f"), 1.0, 0.01, ""),
    ],
)  # fmt: skip
def test_a_verdict_says_when_the_bound_is_near(target, value, error, word):
    assert run.verdict(target, Figure(value, error, 1000)) == word


# ------------------------------------------------------------------ a study's own design


def test_the_null_of_a_late_start_is_concave_and_no_lower_than_its_floor():
    c = cell("takeoff/sharp/40-checkpoints")
    t = run.draw(c, 0, 0)[0]
    fitted = c.curve.score(t.tokens / t.tokens[-1])
    null = designs.nearest_concave(t, fitted, np.full(t.n, 0.05))
    assert np.all(np.diff(np.diff(null) / np.diff(t.tokens)) <= 1e-12) and null.min() >= fitted.min() - 1e-9
    assert np.abs(null - fitted).max() > 0.05, "no concave curve is near a late start"
    hump = CURVES["peak"].score(t.tokens / t.tokens[-1])
    falls = designs.nearest_concave(replace(t, y=hump), hump, np.full(t.n, 0.05))
    top = int(hump.argmax())
    assert np.allclose(np.diff(falls[top:]), np.diff(hump[top:]))


def test_a_curve_is_moved_to_the_takeoff_asked_for():
    t = run.draw(cell("takeoff/sharp/rho-0.6"), 0, 0)[0]
    curve = CURVES["sharp"].score(t.tokens / t.tokens[-1])
    assert designs.takeoff_of(t, curve, 0.05) == pytest.approx(truth(CURVES["sharp"], UNIFORM).takeoff, abs=0.003)
    moved = designs.moved_to(t, curve, -0.9, 0.05)
    assert designs.takeoff_of(t, moved, 0.05) == pytest.approx(-0.9, abs=1e-4)


@pytest.mark.simulation
def test_a_study_is_calibrated_series_and_lags():
    made = run.draw(replace(cell("lag/power/independent"), checkpoints=40, second=CURVES["flat"]), 1, 0)
    quarter = later(CURVES["sharp"], math.log10(0.25)).score
    early = series(np.random.default_rng(1), made[0].run, "early", quarter, made[0].tokens, 125, NoiseSpec())
    short = early.until(5)
    rows = calibrate(
        [early, made[0], made[1], replace(short, metric="short")],
        [("early", "first"), ("first", "second"), ("first", "absent")],
        Options(boot=39), replicates=5,
    )  # fmt: skip
    of = {(r.metric, r.second): r for r in rows}
    assert list(of) == [("early", None), ("first", None), ("second", None), ("short", None), ("early", "first"),
                        ("first", "second")]  # fmt: skip
    sharp, flat, lag = of["first", None], of["second", None], of["early", "first"]
    # of five: four or more at power .97 (99 %), at most two at size .07, three or more at coverage .92 (99.5 %)
    assert sharp.fitted["rejected"].value >= 4 / 5 and sharp.null["rejected"].value <= 2 / 5
    assert sharp.fitted["coverage"].value >= 3 / 5 and sharp.fitted["reported"].value == 1
    assert flat.fitted["reported"].value <= 2 / 5 and "gives no takeoff" in flat.reason and not sharp.reason
    assert lag.fitted["rejected"].value >= 4 / 5 and lag.null["rejected"].value <= 2 / 5
    assert of["short", None].fitted is None and "too few" in of["short", None].reason
    assert of["first", "second"].fitted is None and "gives no takeoff" in of["first", "second"].reason


# ------------------------------------------------------------------ short cells


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("name", "replicates", "figure", "low", "high"),
    [
        # at the bound of the target, chance of failing: size .07, 5 of 20 or more: .009
        ("delay/size/linear/40-checkpoints", 20, "rejected", 0, 4),
        # coverage .92, 15 of 20 or fewer: .015; .95: .003
        ("takeoff/sharp/40-checkpoints", 20, "coverage", 16, 20),
    ],
)
def test_a_cell_in_short(name, replicates, figure, low, high):
    result = run.run([cell(name)], Options(seed=11, boot=59), replicates=replicates)[0]
    assert low <= round(result.figures[figure].value * replicates) <= high
