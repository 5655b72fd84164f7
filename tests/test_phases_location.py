"""Takeoff, lag and crossover: coverage in short, invariances, and what the intervals must contain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.phases.detection.analyse import analyse
from calque.phases.detection.crossover import crossover
from calque.phases.detection.lag import lag
from calque.phases.dictionary.grid import Dictionary
from calque.phases.series.axis import Axis
from calque.phases.series.clusters import design_effect
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

TOKENS = sim.schedule("mixed")
DICTIONARY = Dictionary(Axis.of(TOKENS))


def series(curve, seed, metric="m", trials=300, rho=0.6, sd=0.3, shock=None, tokens=TOKENS):
    rng = np.random.default_rng([seed, 7])
    return Trajectory.of_counts("r", metric, tokens, sim.counts(rng, curve(tokens), trials, rho, sd, shock), trials)


@pytest.mark.simulation
@pytest.mark.parametrize("curve", [sim.onset(1.3e6, 0.2), sim.logistic(3e5, 0.1, 0.7), sim.hump(5e5, 2e6)])
def test_takeoff_is_covered_and_located(curve):
    truth = np.log10(sim.crossing(curve, TOKENS) / TOKENS[-1])
    places = [analyse(series(curve, s), boot=59, dictionary=DICTIONARY).locations["takeoff"] for s in range(12)]
    covered = [p.low <= truth <= p.high for p in places]
    # 95 % nominal, measured .85 to .95: nine of twelve fails one time in forty at .9
    assert sum(covered) >= 9
    assert np.median([p.high - p.low for p in places]) < 0.45
    assert np.median([abs(p.x - truth) for p in places]) < 0.1


@pytest.mark.simulation
def test_lag_holds_its_size_and_finds_a_real_lag():
    first, second = sim.onset(6e5, 0.2), sim.onset(1.5e6, 0.2)
    size, power, covered, widths = 0, 0, 0, []
    truth = np.log(sim.crossing(second, TOKENS) / sim.crossing(first, TOKENS))
    for s in range(8):
        a = analyse(series(first, s, "a"), boot=59, dictionary=DICTIONARY)
        same = analyse(series(first, s + 100, "b"), boot=59, dictionary=DICTIONARY)
        late = analyse(series(second, s + 200, "c"), boot=59, dictionary=DICTIONARY)
        null, real = lag(a, same, boot=59, level=0.95, seed=s), lag(a, late, boot=59, level=0.95, seed=s)
        size += not null.low <= 0 <= null.high
        power += real.low > 0 and real.p_value <= 0.05
        covered += real.low <= truth <= real.high
        widths += [null.high - null.low, real.high - real.low]
    assert size <= 2 and power >= 7 and covered >= 6
    assert np.median(widths) < 0.6


@pytest.mark.simulation
def test_crossover_contains_the_true_crossing():
    first, second = sim.hump(5e5, 1.6e6), sim.onset(1.2e6, 0.2)
    truth = sim.overtaking(first, second, TOKENS)
    inside = 0
    for s in range(6):
        a = analyse(series(first, s, "a", sd=0.2), boot=59, dictionary=DICTIONARY)
        b = analyse(series(second, s + 50, "b", sd=0.2), boot=59, dictionary=DICTIONARY)
        place = crossover(a, b, boot=99, level=0.95, seed=s)
        inside += place is not None and place.low <= truth <= place.high
    assert inside >= 4


@pytest.mark.property
@settings(max_examples=6)
@given(factor=st.floats(1e-2, 1e6), seed=st.integers(0, 50))
def test_takeoff_scales_with_the_unit_of_tokens(factor, seed):
    t = series(sim.onset(1.3e6, 0.2), seed)
    scaled = Trajectory.of_counts("r", "m", t.tokens * factor, t.y * 300, 300)
    one, two = (analyse(x, boot=29, seed=1) for x in (t, scaled))
    assert one.delay.p_value == pytest.approx(two.delay.p_value)
    for name in ("takeoff", "t50"):
        a, b = one.locations[name], two.locations[name]
        tokens = [r.fit.axis.to_tokens(np.array([p.x, p.low, p.high])) for r, p in ((one, a), (two, b))]
        assert np.allclose(tokens[1], tokens[0] * factor, rtol=1e-6)


def test_interval_contains_the_bracket_of_an_instant_step():
    tokens = np.linspace(1e5, 4e6, 40)
    y = np.where(tokens < 2e6, 0.0, 1.0)
    a = analyse(Trajectory.of_counts("r", "m", tokens, y * 200, 200), boot=39)
    low, high = (a.fit.axis.to_tokens(v) for v in (a.locations["takeoff"].low, a.locations["takeoff"].high))
    left, right = tokens[tokens < 2e6][-1], tokens[tokens >= 2e6][0]
    assert low <= left * (1 + 1e-9) and high >= right * (1 - 1e-9)


def test_design_effect_counts_clusters_and_forgets_lasting_difficulty():
    rng = np.random.default_rng(0)
    tokens = np.linspace(1e5, 5e6, 60)
    curve = np.full(60, 0.4)
    asked = np.ones((60, 36 * 12), bool)
    fresh, concept = sim.clustered_items(rng, curve, 36, 12, 0.0, sd=0.05)
    assert 3.0 < design_effect(fresh, asked, concept) < 8.0
    independent = rng.random((60, 432)) < 0.4
    assert design_effect(independent, asked, concept) == pytest.approx(1.0, abs=0.15)
    lasting = np.broadcast_to(rng.random(432) < 0.4, (60, 432))
    assert design_effect(lasting, asked, concept) == 1.0
    doubled = np.repeat(fresh, 2, axis=1)
    twice = design_effect(doubled, np.ones_like(doubled), np.repeat(concept, 2))
    assert twice == pytest.approx(2 * design_effect(fresh, asked, concept), rel=0.02)
    t = Trajectory.of_counts("r", "m", tokens, fresh.sum(1), 432, design_effect=4.0)
    assert np.allclose(t.effective_trials, 108)
