"""detect: outcomes on a simulated study, odd input, determinism, and the JSON contract."""

import json

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.detect import detect
from calque.phases.detection.influence import label_influence
from calque.phases.detection.judge import rows
from calque.phases.detection.judge_pair import crossover_row, lag_row
from calque.phases.results import Lag, Outcome, Refusal, Transition
from calque.phases.series.metrics import trajectories
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.multiplicity import benjamini_yekutieli
from tests import phases_simulation as sim
from tests.phases_cube import study

T_FIELDS = {
    "run", "group", "metric", "estimand", "outcome", "reason", "tokens", "low", "high", "level", "p_value",
    "p_adjusted", "role", "elasticity", "phases", "falls", "n_checkpoints", "without_checkpoint", "without_outcome",
    "without_tokens", "without_low", "without_high", "without_p_value", "told_by", "at_change", "axis", "position",
    "position_low", "position_high",
}  # fmt: skip
L_FIELDS = {
    "run", "group", "first", "second", "log_ratio", "low", "high", "level", "p_value", "p_adjusted", "tokens",
    "outcome", "reason", "axis",
}  # fmt: skip
FOUND = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)
FAST = Settings(boot=59)


@pytest.fixture(scope="module")
def studied():
    cube, truth = study(seed=1, runs=2, languages=6, concepts=36)
    return cube, truth, detect(cube, FAST)


def counts_cube(y, tokens, trials=100.0, runs=("a",)):
    y = np.atleast_2d(y)
    tokens = np.broadcast_to(tokens, y.shape)
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), tokens.copy()), "score": (("run", "checkpoint"), np.asarray(y, float))},
        coords={"run": list(runs)},
    )
    cube["score"].attrs = {"metric_kind": "count", "trials": trials}
    return cube


def row(report, estimand, metric="score", run="a"):
    found = report.of(run, metric, estimand)
    assert found is not None
    return found


def test_the_study_copies_first_and_translates_later(studied):
    _, truth, report = studied
    for run in ("seed0", "seed1"):
        for metric in ("copying", "translation"):
            takeoff, delay = row(report, "takeoff", metric, run), row(report, "delay", metric, run)
            assert delay.outcome in (Outcome.FOUND, Outcome.METRIC_DEPENDENT) and delay.p_value <= 0.05
            assert takeoff.low <= takeoff.tokens <= takeoff.high
            assert abs(np.log(takeoff.tokens / truth[metric])) < 0.4
        (found,) = [x for x in report.lags if x.run == run and x.first == "copying"]
        assert found.outcome == Outcome.FOUND and found.low > 0
        assert found.low <= np.log(truth["translation"] / truth["copying"]) <= found.high


def test_every_series_has_a_delay_and_a_takeoff_row(studied):
    _, _, report = studied
    series = {(t.run, t.group, t.metric) for t in report.transitions}
    assert {m for _, _, m in series} == {
        "copying", "false_copying", "translation", "translation_paired", "translation_logprob"
    }  # fmt: skip
    for run, group, metric in series:
        for estimand in ("delay", "takeoff"):
            assert report.of(run, metric, estimand, group) is not None


@pytest.mark.contract
def test_json_is_the_contract(studied, tmp_path):
    _, _, report = studied
    report.to_json(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert found["schema"] == 1
    assert set(found) == {
        "schema",
        "versions",
        "cube",
        "settings",
        "transitions",
        "lags",
        "notes",
        "parts",
        "families",
        "diagnostics",
        "sensitivity",
    }
    known = {o.value for o in Outcome}
    for t in found["transitions"]:
        assert set(t) == T_FIELDS and t["outcome"] in known and t["reason"]
        assert t["tokens"] is None or t["tokens"] > 0
        if t["outcome"] in ("none", "too_few_points"):
            assert t["tokens"] is None and t["low"] is None and t["high"] is None
    for found_lag in found["lags"]:
        assert set(found_lag) == L_FIELDS and found_lag["outcome"] in known
    assert {f for f in Transition.__dataclass_fields__} == T_FIELDS and set(Lag.__dataclass_fields__) == L_FIELDS


@pytest.mark.property
def test_numbers_do_not_depend_on_the_order_of_runs(studied):
    cube, _, report = studied
    turned = detect(cube.isel(run=[1, 0]), FAST)
    assert sorted(map(repr, turned.transitions)) == sorted(map(repr, report.transitions))
    assert sorted(map(repr, turned.lags)) == sorted(map(repr, report.lags))


@pytest.mark.property
def test_languages_can_be_relabelled(studied):
    cube, _, _ = studied
    names = [f"x{i}" for i in range(cube.sizes["source"])]
    other = cube.assign_coords(source=names, target=names)
    one, two = (detect(c.isel(run=[0]), Settings(boot=19, metrics=("translation",))) for c in (cube, other))
    assert one.transitions == two.transitions


def test_splitting_items_by_target_keeps_runs_apart(studied):
    cube, _, _ = studied
    found = trajectories(cube, ("translation",), ("run", "target"))
    assert {t.group for t in found} == {f"target={v}" for v in cube["target"].values}
    assert len(found) == 2 * cube.sizes["target"]
    whole = trajectories(cube, ("translation",))[0]
    parts = [t for t in found if t.run == whole.run]
    assert np.allclose(sum(t.trials for t in parts), whole.trials)


def test_false_copying_is_counted_where_the_word_should_change():
    cube, _ = study(seed=3, runs=1, languages=3, concepts=12)
    items = cube["translation_outcome"].values[0]
    off = ~np.eye(3, dtype=bool)[:, :, None] & (cube["overlap"].values != 2)
    expected = (items[:, off] == 2).mean(1)
    (t,) = trajectories(cube, ("false_copying",))
    assert np.allclose(t.y, expected)
    never = off & (cube["overlap"].values == 0) & (cube["exposure"].values == 0)
    (t,) = trajectories(cube, ("translation",))
    assert np.allclose(t.y, (items[:, never] == 1).mean(1)) and t.trials[0] == never.sum()


@pytest.mark.parametrize(
    ("y", "outcome"), [(0.0, "none"), (100.0, "none"), (37.0, "none")], ids=["zeros", "ones", "constant"]
)
def test_constant_series_have_no_transition(y, outcome):
    report = detect(counts_cube(np.full(30, y), np.linspace(1e5, 3e6, 30)), FAST)
    assert row(report, "takeoff").outcome == outcome and row(report, "delay").p_value == 1.0
    assert row(report, "takeoff").tokens is None


def test_noise_alone_is_no_transition():
    rng = np.random.default_rng(0)
    tokens = sim.schedule("mixed", 40)
    called = 0
    for s in range(6):
        report = detect(counts_cube(rng.binomial(100, 0.3, 40), tokens), Settings(boot=39, seed=s))
        called += row(report, "delay").outcome not in ("none", "smooth", "not_established", "declining")
    assert called <= 1


def test_linear_growth_is_not_called_late():
    rng = np.random.default_rng(2)
    tokens = np.linspace(1e5, 5e6, 40)
    report = detect(counts_cube(rng.binomial(200, 0.05 + 0.6 * tokens / 5e6), tokens, 200.0), FAST)
    assert row(report, "delay").outcome in ("smooth", "not_established")
    assert row(report, "takeoff").outcome in ("smooth", "not_established", "censored")
    assert row(report, "delay").elasticity is None


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_too_few_checkpoints_are_said_to_be_too_few(n):
    report = detect(counts_cube(np.linspace(0, 90, n), np.linspace(1e5, 1e6, n)), FAST)
    assert {t.outcome for t in report.transitions} == {Outcome.TOO_FEW_POINTS}


@pytest.mark.parametrize("low", [1e3, 1e7])
def test_missing_stretches_and_large_tokens(low):
    rng = np.random.default_rng(5)
    tokens = np.geomspace(low, 1e6 * low, 40)
    middle = np.sqrt(tokens[0] * tokens[-1])
    y = rng.binomial(200, 0.02 + 0.6 / (1 + (middle / tokens) ** 3)).astype(float)
    y[8:14] = np.nan
    report = detect(counts_cube(np.stack([y, np.full(40, np.nan)]), tokens, 200.0, ("a", "b")), FAST)
    takeoff = row(report, "takeoff")
    assert takeoff.outcome == "found" and takeoff.n_checkpoints == 34
    assert takeoff.low <= middle * (0.05 / 0.55) ** (1 / 3) * 1.3 and takeoff.high >= middle * 0.3
    assert row(report, "takeoff", run="b").outcome == "too_few_points"


def test_a_rise_before_the_first_trained_checkpoint_is_censored():
    tokens = np.concatenate([[0.0], np.geomspace(1e6, 1e8, 24)])
    rng = np.random.default_rng(1)
    y = np.concatenate([[1.0], rng.binomial(100, 0.8, 24)])
    takeoff = row(detect(counts_cube(y, tokens), FAST), "takeoff")
    assert takeoff.outcome == "censored" and takeoff.tokens is None and takeoff.high == pytest.approx(1e6)


def test_falling_loss_is_analysed_as_what_falls():
    rng = np.random.default_rng(4)
    tokens = np.geomspace(1e5, 1e8, 40)
    loss = 8 - 4 / (1 + (3e6 / tokens) ** 3) + rng.normal(0, 0.05, 40)
    cube = xr.Dataset({"tokens": (("run", "checkpoint"), tokens[None]), "loss": (("run", "checkpoint"), loss[None])})
    cube["loss"].attrs["metric_kind"] = "continuous"
    report = detect(cube, Settings(boot=39, metrics=("loss",)))
    takeoff = row(report, "takeoff", "loss", "run0")
    assert 6e5 < takeoff.tokens < 2e6
    assert row(report, "delay", "loss", "run0").outcome == "found"


def test_linear_scale_answers_in_tokens():
    rng = np.random.default_rng(8)
    tokens = np.linspace(0, 5e6, 50)
    curve = 0.02 + 0.5 / (1 + np.exp(-(tokens - 2.5e6) / 2e5))
    takeoff = row(
        detect(counts_cube(rng.binomial(300, curve), tokens, 300.0), Settings(boot=39, scale="linear")), "takeoff"
    )
    assert takeoff.low < 2.5e6 + 2e5 * np.log(1 / 9) < takeoff.high


def test_settings_and_metrics_that_cannot_be_used():
    cube = counts_cube(np.arange(20.0), np.linspace(1e5, 1e6, 20))
    for wrong in ({"level": 1.0}, {"level": 0.0}, {"boot": 3}, {"rise": 0.0}, {"scale": "sqrt"}, {"seed": -1}):
        with pytest.raises(UserError):
            Settings(**wrong)
    with pytest.raises(UserError, match="did you mean 'score'"):
        detect(cube, Settings(metrics=("scor",)))
    with pytest.raises(UserError, match="`by` has 'sorce', and the cube is not split by sorce; .* choose from run$"):
        detect(cube, Settings(by=("sorce",)))
    with pytest.raises(UserError, match="counts 250 successes of 100 trials"):
        detect(counts_cube(np.full(20, 250.0), np.linspace(1e5, 1e6, 20)), FAST)
    bare = cube.drop_vars("score")
    with pytest.raises(UserError, match="no variable with metric_kind"):
        detect(bare, FAST)


def test_p_values_are_adjusted_over_the_delay_tests(studied):
    _, _, report = studied
    delays = [t for t in report.transitions if t.estimand == "delay" and t.p_value is not None]
    assert all(t.p_adjusted is not None and t.p_adjusted >= t.p_value for t in delays)
    assert {t.metric for t in delays if t.role == "primary"} == {"translation"} == {report.settings["primary"]}
    together = [t for t in delays if t.role == "exploratory"]
    p = benjamini_yekutieli([t.p_value if t.outcome != Outcome.NONE else 1.0 for t in together])
    assert [t.p_adjusted for t in together] == pytest.approx(p) and len(together) == len(delays) - 2
    assert all((t.p_adjusted <= 0.05) == (t.outcome in FOUND) for t in together if t.p_value <= 0.05)
    assert any("primary test of each run: delayed start of translation" in note for note in report.notes)
    assert all(t.p_adjusted is None for t in report.transitions if t.estimand != "delay")


@pytest.mark.property
@pytest.mark.parametrize("unit", [1e-12, 1e6, 1e12])
def test_the_unit_of_a_continuous_score_changes_nothing(unit):
    tokens = np.arange(1, 46) * 8e8
    y = -6 + 3 * -np.expm1(-np.maximum(0, tokens - 12e9) / 8e9) + 0.15 * np.random.default_rng(1).standard_normal(45)
    found = []
    for factor in (1.0, unit):
        cube = xr.Dataset(
            {"tokens": (("run", "checkpoint"), tokens[None]),
             "score": (("run", "checkpoint"), factor * y[None], {"metric_kind": "continuous"})},
            coords={"run": ["r"]}, attrs={"calque_schema": 1},
        )  # fmt: skip
        report = detect(cube, Settings(boot=39))
        found.append({t.estimand: t for t in report.transitions})
        assert np.allclose(report.curves[0].y, factor * y)
        assert np.ptp(report.curves[0].fitted) > 2 * factor
    one, two = found
    assert one["delay"].outcome == two["delay"].outcome == Outcome.FOUND
    assert two["takeoff"].tokens == pytest.approx(one["takeoff"].tokens, rel=1e-6)
    assert two["delay"].p_value == pytest.approx(one["delay"].p_value)


def test_a_series_that_cannot_be_analysed_is_refused_with_its_reason():
    tokens = np.arange(1.0, 13.0)
    few = analyse(Trajectory.of_counts("r", "m", tokens[:7], np.arange(7), 100))
    assert isinstance(few, Refusal) and few.outcome == Outcome.TOO_FEW_POINTS
    assert few.reason == "7 checkpoints have a value; at least 8 are needed"
    flat = analyse(Trajectory.of_counts("r", "m", tokens, np.full(12, 25), 100))
    assert isinstance(flat, Refusal) and flat.outcome == Outcome.NONE
    assert [(t.estimand, t.outcome, t.p_value) for t in rows(flat, 0.95)] == [
        ("delay", Outcome.NONE, 1.0), ("takeoff", Outcome.NONE, None)
    ]  # fmt: skip
    assert all(t.reason == "the score is 0.25 at every checkpoint" and t.tokens is None for t in rows(flat, 0.95))
    other = analyse(Trajectory.of_counts("r", "n", tokens, np.arange(12) * 5, 100), boot=19)
    assert isinstance(other, Analysis) and other.locations
    settings = Settings(boot=19)
    assert lag_row(flat, other, {"n"}, settings).reason == "no takeoff of m to measure from"
    assert crossover_row(few, other, {"n"}, settings).outcome == Outcome.TOO_FEW_POINTS
    assert label_influence(flat, rows(flat, 0.95), analyse, 0.95) == rows(flat, 0.95)
