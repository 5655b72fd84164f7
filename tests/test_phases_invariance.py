"""What the answers must not depend on: units, order, labels, copies of items, replicates, processes."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import calque.phases.detection.detect
from calque.phases.detection.analyse import analyse
from calque.phases.detection.detect import detect
from calque.phases.detection.fitting import delay_alone, fit_series
from calque.phases.dictionary.grid import Dictionary
from calque.phases.series.axis import Axis
from calque.phases.series.metrics import trajectories
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from tests import phases_simulation as sim
from tests.phases_cube import study

pytestmark = pytest.mark.property
TOKENS = sim.schedule("mixed", 30)
DICTIONARY = Dictionary(Axis.of(TOKENS))
FAST = Settings(boot=19)


def counts(curve, seed, tokens=TOKENS):
    return sim.counts(np.random.default_rng([seed, 5]), curve(tokens), 200, 0.6, 0.3)


def cube_of(tokens, successes, names):
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), tokens), "score": (("run", "checkpoint"), np.asarray(successes, float))},
        coords={"run": list(names)},
    )
    cube["score"].attrs = {"metric_kind": "count", "trials": 200}
    return cube


def three(tokens=TOKENS):
    curves = (sim.onset(1.3e6, 0.2), sim.NULLS["saturating"], sim.hump(5e5, 2e6))
    successes = np.stack([counts(c, s) for s, c in enumerate(curves)])
    return cube_of(np.tile(tokens, (3, 1)), successes, "abc")


def rows(report):
    return sorted(map(repr, (*report.transitions, *report.lags)))


@settings(max_examples=3)
@given(factor=st.sampled_from([1e3, 1e-3, 1e9]), scale=st.sampled_from(["log", "linear"]))
def test_the_unit_of_tokens_scales_the_answers_and_nothing_else(factor, scale):
    chosen = Settings(boot=19, scale=scale)
    one, two = (detect(three(t), chosen).transitions for t in (TOKENS, TOKENS * factor))
    assert len(one) == len(two) > 6
    for a, b in zip(one, two, strict=True):
        assert (a.run, a.estimand, a.outcome, a.elasticity) == (b.run, b.estimand, b.outcome, b.elasticity)
        assert (a.p_value, a.p_adjusted) == (pytest.approx(b.p_value), pytest.approx(b.p_adjusted))
        for name in ("tokens", "low", "high"):
            x, y = getattr(a, name), getattr(b, name)
            assert (x is None) == (y is None) and (x is None or y == pytest.approx(x * factor, rel=1e-6))


@settings(max_examples=3)
@given(order=st.permutations(range(3)), split=st.booleans())
def test_runs_answer_for_themselves(order, split):
    cube = three()
    other = cube.isel(run=order)
    if split:
        other = other.isel(run=[0])
    whole, part = detect(cube, FAST), detect(other, FAST)
    names = set(other["run"].values)
    # adjusting for several tests is the one thing that looks at the other runs
    keep = {repr(t)[: repr(t).index("p_adjusted")] for t in whole.transitions if t.run in names}
    assert {repr(t)[: repr(t).index("p_adjusted")] for t in part.transitions} == keep
    if not split:
        assert rows(whole) == rows(part)


@settings(max_examples=2)
@given(seed=st.integers(0, 99))
def test_languages_and_concepts_can_be_renamed_and_reordered(seed):
    cube, _ = study(seed=2, runs=1, languages=3, concepts=12, n=24)
    rng = np.random.default_rng(seed)
    languages, concepts = rng.permutation(3), rng.permutation(12)
    other = cube.isel(source=languages, target=languages, concept=concepts)
    names = [f"x{i}" for i in languages]
    other = other.assign_coords(source=names, target=names, concept=[f"y{i}" for i in concepts])
    one, two = (detect(c, Settings(boot=19, metrics=("copying", "translation"))) for c in (cube, other))
    assert rows(one) == rows(two)


def copied(along, persistence, seed=4):
    """Two cubes: 3 source languages, 3 others as targets; and the same with every source or concept twice."""
    big, _ = study(seed=seed, runs=1, languages=6, concepts=24, n=30, persistence=persistence, exposure=False)
    one = big[["tokens", "translation_outcome"]].isel(source=slice(0, 3), target=slice(3, 6), concept=slice(8, 24))
    twin = one.assign_coords({along: [f"{name}-copy" for name in one[along].values]})
    return one, xr.concat([one, twin], along, data_vars=["translation_outcome"])


@pytest.mark.parametrize("persistence", [0.0, 0.5])
def test_copies_that_share_a_concept_add_nothing(persistence):
    one, two = (trajectories(c, ("translation",))[0] for c in copied("source", persistence))
    assert np.array_equal(two.trials, 2 * one.trials) and np.array_equal(one.y, two.y)
    assert one.design_effect > 1 and two.design_effect == pytest.approx(2 * one.design_effect)
    a, b = (analyse(t, boot=19).locations["takeoff"] for t in (one, two))
    assert (b.low, b.x, b.high) == pytest.approx((a.low, a.x, a.high), abs=1e-9)


def test_copies_under_new_concepts_pass_for_new_evidence():
    # only the label could tell: two concepts of equal outcomes might be two words that are equally hard
    one, two = (trajectories(c, ("translation",))[0] for c in copied("concept", 0.0))
    assert one.design_effect > 1
    m = 16
    assert two.design_effect == pytest.approx(one.design_effect * (2 * m / (2 * m - 1)) / (m / (m - 1)))
    assert np.all(two.effective_trials > 1.9 * one.effective_trials)


@pytest.fixture(scope="module")
def many():
    # growth of which it is not clear whether it began late: p between the extremes
    t = Trajectory.of_counts("r", "m", TOKENS, counts(sim.logistic(1e6, 0.3), 1), 200)
    return t, {boot: analyse(t, boot=boot, dictionary=DICTIONARY) for boot in (499, 1999)}


def test_more_replicates_change_an_answer_within_their_monte_carlo_error(many):
    t, found = many
    few, more = found[499], found[1999]
    for name in ("p_rise", "p_value"):
        p, q = (getattr(a if name == "p_rise" else a.delay, name) for a in (few, more))
        centre = (p * 499 + q * 1999) / 2498
        # sequential stopping may leave 100 of the replicates, and + 1 of each p is not noise
        drawn = [100 if x > 0.15 else boot for x, boot in ((p, 499), (q, 1999))]
        assert abs(p - q) <= 4 * np.sqrt(centre * (1 - centre) * sum(1 / d for d in drawn)) + 1 / 499
    # an order statistic of 499 at .95 lies within four binomial standard errors of that level
    error = 4 * np.sqrt(0.95 * 0.05 * (1 / 499 + 1 / 1999))
    inner, outer = (analyse(t, boot=1999, dictionary=DICTIONARY, level=0.95 + e) for e in (-error, error))
    step = 0.02
    for name, place in few.locations.items():
        low, high = inner.locations[name], outer.locations[name]
        assert low.cut - 1e-6 <= place.cut <= high.cut + 1e-6
        assert high.low - step <= place.low <= low.low + step and low.high - step <= place.high <= high.high + step


def test_the_seed_moves_the_bootstrap_alone(many):
    t, _ = many
    a, b, c = (fit_series(t, boot=99, level=0.95, seed=s, dictionary=DICTIONARY) for s in (0, 1, 0))
    assert np.array_equal(a.fit.curve, b.fit.curve) and np.array_equal(a.fit.rss, b.fit.rss)
    assert np.array_equal(a.fit.noise.weight, b.fit.noise.weight)
    assert (a.risen, a.fallen) == (b.risen, b.fallen)
    assert a.delay == c.delay and a.delay != b.delay
    assert delay_alone(t, boot=99, level=0.95, seed=0, dictionary=DICTIONARY) == a.delay
    assert analyse(t, boot=99, dictionary=DICTIONARY).delay == a.delay
    one, two, again = (analyse(t, boot=99, seed=s, dictionary=DICTIONARY).locations for s in (0, 1, 0))
    assert one == again and one != two and set(one) == set(two)


def test_processes_do_not_change_a_number(monkeypatch):
    monkeypatch.setattr(calque.phases.detection.detect, "WORTH_SPREADING", 1)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # processes inherit these, this one has begun without
        monkeypatch.setenv(name, "1")
    one, two = (detect(three(), FAST, jobs=j) for j in (1, 2))
    assert one.transitions == two.transitions and one.lags == two.lags and len(one.transitions) > 6
