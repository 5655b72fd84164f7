"""Scores that fall, dip or show nothing: no takeoff of a fall, a dip dated from its lowest level, power said."""

import math
from dataclasses import replace

import numpy as np
import pytest

from calque.phases.detection.analyse import analyse
from calque.phases.detection.group import judge_group
from calque.phases.detection.judge import judged, rows
from calque.phases.dictionary.grid import Dictionary
from calque.phases.noise.products import Products
from calque.phases.noise.whitening import Whitener
from calque.phases.pooling.times import takeoff_ends
from calque.phases.results import Outcome, Transition
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.cone import Cone
from calque.phases.stats.delay import DelayTest, delay_test, later_starts
from calque.phases.stats.monte_carlo import Against
from tests import phases_falling as falling

GRIDS = {name: Dictionary(Axis.of(tokens)) for name, tokens in falling.SCHEDULES.items()}
EVEN = falling.SCHEDULES["even"]


def counted(score, schedule, items=1000, seed=0):
    """A series of independent counts out of many items: little noise."""
    tokens = falling.SCHEDULES[schedule]
    share = np.maximum(tokens, 1.0) / tokens[-1]
    rng = np.random.default_rng(seed)
    return Trajectory.of_counts("r", "m", tokens, rng.binomial(items, score(share)).astype(float), items)


def rows_of(t, schedule):
    return {row.estimand: row for row in rows(analyse(t, boot=99, dictionary=GRIDS[schedule]), 0.95)}


@pytest.mark.parametrize("schedule", ["even", "pythia"])
@pytest.mark.parametrize("name", falling.FALLING)
def test_a_score_that_only_falls_is_declining(name, schedule):
    found = rows_of(counted(falling.SCORES[name], schedule), schedule)
    assert set(found) == {"delay", "takeoff"}
    assert {row.outcome for row in found.values()} == {Outcome.DECLINING}
    takeoff = found["takeoff"]
    assert (takeoff.tokens, takeoff.low, takeoff.high) == (None, None, None) and takeoff.p_value > 0.05
    assert takeoff.reason.startswith("the score falls by ")
    assert "no rise that noise does not explain" in takeoff.reason or "less than the 5 points" in takeoff.reason
    assert takeoff_ends(takeoff, 1e9) == (math.log(1e9), math.inf)


def test_a_hump_is_no_decline():
    found = rows_of(counted(falling.SCORES["hump"], "even"), "even")
    assert found["takeoff"].outcome == Outcome.FOUND and found["takeoff"].p_value <= 0.05
    assert found["peak"].tokens is not None and "points above the floor down by" in found["peak"].reason


def test_a_fall_in_noise_gets_no_takeoff():
    placed = [
        found["takeoff"].tokens is not None
        for name in ("abrupt fall", "power-law fall")
        for found in falling.answers(name, "pythia", 8, boot=99, seed=4)
    ]
    # 16 series at 5 %: 4 or more would be a share above .07 with 98 % certainty
    assert sum(placed) <= 3


@pytest.mark.parametrize("schedule", ["even", "pythia"])
def test_a_dip_is_dated_from_its_lowest_level(schedule):
    def score(s):
        return 0.3 + 0.2 * np.expm1(-s / 0.03) + 0.5 * -np.expm1(-np.maximum(s - 0.15, 0) / 0.3)

    t = counted(score, schedule)
    found = rows_of(t, schedule)
    fine = np.geomspace(t.tokens[t.tokens > 0][0], t.tokens[-1], 100_001)
    level = score(fine / fine[-1])
    start = int(level[: len(level) // 2 + level[len(level) // 2 :].argmax()].argmin())
    truth = fine[start + (level[start:] >= level[start] + 0.05).argmax()]
    takeoff = found["takeoff"]
    assert (takeoff.low or 0.0) <= truth <= (takeoff.high or math.inf) and takeoff.n_checkpoints == t.n
    assert found["delay"].outcome != Outcome.FOUND  # diminishing returns from its lowest level on
    for row in (takeoff, found["delay"]):
        assert "a dip: the score first falls by " in row.reason and "is analysed from there" in row.reason
    assert "above its lowest level" in takeoff.reason and "from its lowest level" in found["delay"].reason
    (curve,) = judge_group([t], Settings(boot=99)).curves
    assert len(curve.tokens) == len(curve.y) == t.n and np.allclose(curve.y, t.y)


def test_growth_without_a_dip_is_analysed_whole():
    assert analyse(counted(falling.SCORES["linear"], "even"), boot=19, dictionary=GRIDS["even"]).dip is None


def test_smooth_says_what_would_have_been_seen():
    found = rows_of(counted(falling.SCORES["linear"], "even"), "even")
    assert found["delay"].outcome == found["takeoff"].outcome == Outcome.SMOOTH
    assert "times later than its takeoff" in found["delay"].reason
    assert "would have been seen with 80 % power" in found["delay"].reason


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.02, "a start near its takeoff, at "), (1.3, "a start 1.3 times later than its takeoff, at ")],
)
def test_a_start_that_is_seen_near_the_takeoff_is_not_called_later(factor, words):
    a = analyse(counted(falling.SCORES["linear"], "even"), boot=99, dictionary=GRIDS["even"])
    takeoff = float(a.fit.axis.to_tokens(a.locations["takeoff"].x))
    a = replace(a, delay=DelayTest(0.5, None, ((factor * takeoff, 0.9),)))
    delay = next(row for row in rows(a, 0.95) if row.estimand == "delay")
    assert delay.outcome == Outcome.SMOOTH and words in delay.reason


def test_a_design_without_power_establishes_nothing():
    few = np.linspace(1e9, 1e10, 9)
    rng = np.random.default_rng(3)
    y = rng.binomial(40, 0.1 + 0.5 * few / few[-1]).astype(float)
    t = Trajectory.of_counts("r", "m", few, y, 40)
    found = {row.estimand: row for row in rows(analyse(t, boot=99), 0.95)}
    assert found["delay"].outcome == Outcome.NOT_ESTABLISHED and found["delay"].p_value > 0.05
    assert "would have been seen" in found["delay"].reason
    assert found["takeoff"].outcome not in (Outcome.FOUND, Outcome.SMOOTH)


def test_the_first_start_that_is_seen():
    test = DelayTest(0.5, None, ((1.0, 0.9), (2.0, 0.5), (3.0, 0.85), (4.0, 0.95)))
    assert test.seen(0.0, 0.8) == 1.0 and test.seen(1.5, 0.8) == 3.0 and test.seen(3.5, 0.99) is None


@pytest.fixture(scope="module")
def straight():
    """Growth in proportion to tokens under known noise, with the curves of the alternative."""
    n = len(EVEN)
    whiten = Whitener.of(np.full(n, 0.004), np.full(n, 0.05), 0.6, np.ones(n - 1), 1.0)
    grid = GRIDS["even"]
    growing = Products.of(grid.everywhere.columns[:, : grid.n_simple], whiten)
    return 0.1 + 0.25 * EVEN / EVEN[-1], whiten, growing


def noise_of(whiten, rng, size):
    e = rng.standard_normal((len(EVEN), size))
    return e - np.outer(whiten.one, whiten.one @ e)


def test_the_stated_power_is_the_power(straight):
    mean, whiten, growing = straight
    rng = np.random.default_rng(5)
    law = noise_of(whiten, rng, 199)
    against = Against(growing, whiten(mean), law)
    test = delay_test(
        EVEN, mean, whiten, lambda gamma, most: against.test(Cone.diminishing(EVEN, whiten, gamma), most), 0.95
    )
    starts, shapes = later_starts(EVEN, mean, whiten, Cone.diminishing(EVEN, whiten, 1.0))
    stated = np.array([power for _, power in test.power])
    assert np.allclose([start for start, _ in test.power], starts) and 0 < starts[0] < starts[-1] < EVEN[-1]
    i = int(np.abs(stated - 0.7).argmin())
    assert 0.4 < stated[i] < 0.95
    late = whiten(shapes[:, i])
    simple = Cone.diminishing(EVEN, whiten, 1.0)
    errors = noise_of(whiten, rng, 80)
    seen = [Against(growing, late + errors[:, b], law).test(simple).p_value <= 0.05 for b in range(80)]
    # three standard errors of a share of 80, and a tenth for what the approximation leaves out
    assert abs(np.mean(seen) - stated[i]) <= 3 * math.sqrt(0.25 / 80) + 0.1


def test_p_values_of_diminishing_returns_are_spread_evenly(straight):
    mean, whiten, growing = straight
    rng = np.random.default_rng(6)
    law, errors = noise_of(whiten, rng, 99), noise_of(whiten, rng, 60)
    simple = Cone.diminishing(EVEN, whiten, 1.0)
    p = np.array([Against(growing, whiten(mean) + errors[:, b], law).test(simple).p_value for b in range(60)])
    assert (p == 1.0).mean() < 0.2 and 0.3 < np.median(p) < 0.75 and (p <= 0.05).mean() <= 0.15


def test_a_member_of_a_cone_is_nearest_to_itself():
    whiten = Whitener.of(np.full(20, 0.01), np.full(20, 0.1), 0.5, np.ones(19), 1.0)
    cone = Cone.never_rising(20, whiten)
    fall, rise = np.linspace(1, 0, 20) ** 3, np.linspace(0, 1, 20)
    assert cone.rss(whiten(fall[:, None]))[0] < 1e-6
    assert np.allclose(cone.nearest(whiten(rise)), 0.0)


@pytest.mark.parametrize(("low", "high", "factor", "outcome"), [
    (False, False, 3.0, Outcome.FOUND), (False, False, 30.0, Outcome.NOT_SHARPLY_LOCATED),
    (True, False, math.inf, Outcome.CENSORED), (False, True, math.inf, Outcome.CENSORED),
    (True, True, math.inf, Outcome.NOT_SHARPLY_LOCATED),
])  # fmt: skip
def test_an_open_end_is_not_located(low, high, factor, outcome):
    found, why = judged(low, high, factor)
    assert found == outcome and (why == "") == (outcome == Outcome.FOUND)


def test_a_takeoff_with_an_open_lower_end_is_censored_on_the_left_in_pooling():
    row = Transition(
        run="r", group="", metric="m", estimand="takeoff", outcome=Outcome.CENSORED, reason="", tokens=5.0, low=None,
        high=8.0, level=0.95, n_checkpoints=20,
    )  # fmt: skip
    assert takeoff_ends(row, 100.0) == (-math.inf, math.log(8.0))
