"""Classical models: known answers, and what each finds in series of known truth."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from calque.phases.classical.argmax import argmax_interval, density
from calque.phases.classical.autocorrelation import first_order
from calque.phases.classical.detect import answer
from calque.phases.classical.growth import fit_growth
from calque.phases.classical.kink import DevianceProfile, fit_kink, line, muggeo
from calque.phases.classical.level import fit_levels, further_break, partition
from calque.phases.classical.markov import fit_switch, stretch
from calque.phases.classical.series import RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.many_tests import with_roles
from tests import known_answers as known
from tests import phases_simulation as sim
from tests.classical_series import TOKENS, X, counted, only, valued


def series(t, scale="log", link="logit"):
    s = RegressionSeries.of(t, scale, link)
    assert isinstance(s, RegressionSeries), s
    return s


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def down():
    return Trajectory.of_counts("bc", "down", known.DOWN_AGE, known.DOWN_CASES, known.DOWN_BIRTHS)


@pytest.fixture(scope="module")
def nile():
    years = known.NILE_FIRST_YEAR + np.arange(100.0)
    return Trajectory.of_values("nile", "flow", years, sm.datasets.nile.load().data["volume"].to_numpy())


@pytest.mark.golden
def test_kink_of_down_syndrome_by_mothers_age(down):
    row = only(down, "kink", scale="linear", link="logit")
    assert row.outcome == Outcome.FOUND and row.p_value < 1e-6
    assert row.tokens == pytest.approx(known.DOWN_KINK, abs=0.01)
    assert 29.0 <= row.low < row.tokens < row.high <= 34.2
    assert (row.low, row.high) == pytest.approx((29.02, 34.19), abs=0.02)
    k = fit_kink(series(down, "linear"))
    years = known.DOWN_AGE[-1] / 2
    assert k.standard_error * years / np.sqrt(k.dispersion) == pytest.approx(known.DOWN_STANDARD_ERROR, abs=2e-4)
    assert np.array(k.slopes) / years == pytest.approx((-0.01341, 0.26081), abs=2e-5)
    assert k.rho == 0 and k.p_second > 0.5


@pytest.mark.golden
def test_level_of_the_nile(nile):
    row = only(nile, "level", scale="linear", link="identity")
    assert row.outcome == Outcome.FOUND and row.p_value <= 0.02
    assert (row.low, row.tokens, row.high) == known.NILE_BREAK


@pytest.mark.golden
def test_law_of_a_break_is_yaos():
    assert argmax_interval(1.0, 1.0, 0.95) == pytest.approx((11.033, 11.033), abs=0.01)
    assert argmax_interval(1.0, 1.0, 0.90) == pytest.approx((7.687, 7.687), abs=0.01)
    s = np.geomspace(1e-9, 3000, 20_000)
    assert np.trapezoid(density(s, 0.5, 2.0), s) + np.trapezoid(density(s, 2.0, 0.5), s) == pytest.approx(1, abs=1e-3)


@pytest.mark.simulation
def test_law_of_a_break_is_that_of_simulated_walks(rng):
    left, right, step, n = 1.0, 2.0, 0.05, 1200
    sides = [np.cumsum(step**0.5 * phi * rng.standard_normal((2000, n)) - step / 2, axis=1) for phi in (left, right)]
    best = [s.max(1) for s in sides]
    place = np.where(best[1] > best[0], sides[1].argmax(1), -sides[0].argmax(1)) * step
    before, after = argmax_interval(left, right, 0.8)
    assert np.mean(place > after) == pytest.approx(0.1, abs=0.03)
    assert np.mean(place < -before) == pytest.approx(0.1, abs=0.03)


@pytest.mark.simulation
def test_kink_covers_a_kink_and_keeps_a_line(rng):
    covered, rejected = [], []
    for _ in range(16):
        k = fit_kink(series(counted(sim.counts(rng, expit(-2 + 5 * np.maximum(X + 0.5, 0)), 200, 0.0, 0.2))))
        covered.append(k.low <= -0.5 <= k.high)
        rejected.append(fit_kink(series(counted(sim.counts(rng, expit(-1 + X), 200, 0.0, 0.2)))).p_value <= 0.05)
    assert np.sum(covered) >= 13 and np.sum(rejected) <= 3


def test_kink_finds_the_deepest_of_several_valleys(rng):
    x = np.linspace(0, 2, 40)
    score = np.interp(x, [0, 0.3, 1.6, 2], [0, 0.6, 0.6, 1.5]) + 0.05 * rng.standard_normal(40)
    s = series(valued(score, tokens=x + 1, falls=False), "linear", "identity")
    k = fit_kink(s)
    profile = [(np.linalg.lstsq(line(s.x, p), s.y, rcond=None)[1][0], p) for p in np.linspace(s.x[2], s.x[-3], 2000)]
    assert k.position == pytest.approx(min(profile)[1], abs=0.003)
    stuck = muggeo(DevianceProfile(s), float(s.x[3]), (float(s.x[2]), float(s.x[-3])))
    assert abs(stuck - k.position) > 0.5
    assert k.p_second < 1e-3


def test_kink_on_the_scores_own_scale_is_least_squares(rng):
    score = 1 + 3 * np.maximum(X + 0.4, 0) + 0.05 * rng.standard_normal(40)
    row = only(valued(score, falls=False), "kink", link="logit")
    assert row.low < TOKENS[-1] * 10**-0.4 < row.high and "modelled as it is" in row.reason
    flipped = only(valued(-score), "kink")
    assert flipped.tokens == pytest.approx(row.tokens)
    assert "to 3.04 per decade" in row.reason and "to -3.04 per decade" in flipped.reason


def test_autocorrelation_widens_the_interval_of_a_kink(rng):
    base = 3 * np.maximum(X + 0.4, 0)
    white = fit_kink(series(valued(base + 0.1 * rng.standard_normal(40), falls=False)))
    slow = fit_kink(series(valued(base + sim.ar1(rng, 40, 0.9, 0.1), falls=False)))
    assert white.rho == 0 and slow.rho > 0.5
    alone = slow.standard_error / np.sqrt(slow.dispersion), white.standard_error / np.sqrt(white.dispersion)
    assert alone[0] > 1.5 * alone[1]


@pytest.mark.simulation
def test_levels_keep_their_size_under_autocorrelation(rng):
    def alarms(rho):
        made = [valued(sim.ar1(rng, 200, rho, 1.0), np.arange(1.0, 201), falls=False) for _ in range(60)]
        return sum(fit_levels(series(t, "linear"), rng, boot=99).outcome == Outcome.FOUND for t in made)

    assert alarms(0.0) <= 7 and alarms(0.6) <= 9


def test_levels_of_two_steps(rng):
    mean = np.repeat([0.2, 0.5, 0.8], [60, 70, 70])
    t = counted(sim.counts(rng, mean, 200, 0.3, 0.2), tokens=np.linspace(1e5, 2e7, 200))
    rows = answer(t, Settings(family="level", boot=99)).rows
    assert [r.outcome for r in rows] == [Outcome.FOUND] * 2
    for r, last in zip(rows, (59, 129), strict=True):
        assert r.low <= t.tokens[last] <= r.high
    assert "break 2 of 2" in rows[1].reason


def test_partition_is_least_squares(rng):
    z = np.repeat([0.0, 2.0, 1.0], [20, 15, 25]) + 0.3 * rng.standard_normal(60)

    def rss(ends):
        return sum(((p - p.mean()) ** 2).sum() for p in np.split(z, ends))

    every = [(rss([i, j]), [i, j]) for i in range(5, 50) for j in range(i + 5, 56)]
    assert partition(z, 2, 5) == min(every)[1]
    gain = rss([]) - min(rss([i]) for i in range(5, 56))
    assert further_break(z[:, None], [], 5)[0] == pytest.approx(gain / (rss([]) - gain))


def test_switch_into_fast_growth(rng):
    mean = np.concatenate([np.full(60, 0.05), np.linspace(0.05, 0.9, 41)[1:], np.full(50, 0.9)])
    t = counted(rng.binomial(20_000, mean), 20_000, np.linspace(1e5, 1.5e7, 150))
    row = only(t, "markov", link="identity")
    assert row.outcome == Outcome.FOUND and row.estimand == "kink" and row.p_value is None
    assert row.low <= row.tokens <= row.high
    assert abs(np.searchsorted(t.tokens, row.tokens) - 59) <= 1
    steady = only(counted(rng.binomial(2000, np.linspace(0.1, 0.9, 40)), 2000), "markov", link="identity")
    assert steady.outcome == Outcome.NONE and "one regime" in steady.reason


def test_the_longest_stretch_counts():
    assert stretch(np.array([1, 0, 1, 1, 1, 0, 1, 1], bool)) == 2
    assert stretch(np.zeros(4, bool)) is None


@pytest.mark.parametrize("family", ["logistic", "gompertz"])
def test_growth_curves_find_their_own(family, rng):
    middle, scale = -0.5, 0.12
    z = (X - middle) / scale
    share, q = (expit(z), [-np.log(9), 0.0]) if family == "logistic" else (
        np.exp(-np.exp(-z)), [-np.log(-np.log(0.1)), -np.log(-np.log(0.5))])  # fmt: skip
    t = counted(rng.binomial(2000, 0.05 + 0.6 * share), 2000)
    rows = {r.estimand: r for r in answer(t, Settings(family=family)).rows}
    for name, at in zip(("t10", "t50"), q, strict=True):
        truth = TOKENS[-1] * 10 ** (middle + scale * at)
        assert rows[name].outcome == Outcome.FOUND
        assert rows[name].low < truth < rows[name].high and rows[name].high / rows[name].low < 1.15
    assert rows["width"].low < rows["width"].tokens < rows["width"].high
    assert rows["t10"].tokens + rows["width"].tokens == pytest.approx(rows["t50"].tokens, rel=1e-6)


def test_growth_beyond_the_run_is_censored(rng):
    t = counted(rng.binomial(2000, 0.02 + 0.9 * expit((X - 0.3) / 0.15)), 2000)
    rows = {r.estimand: r for r in answer(t, Settings(family="logistic")).rows}
    assert rows["t50"].outcome == Outcome.CENSORED and "extrapolated" in rows["t50"].reason


def test_autocorrelation_is_found_and_its_bias_undone(rng):
    index = np.arange(60)
    q = np.linalg.qr(line(index / 30, 1.0))[0]
    noise = np.stack([sim.ar1(rng, 60, 0.6, 1.0) for _ in range(400)])
    left = noise - noise @ q @ q.T
    rho = [first_order(r, index, 3, always=True) for r in left]
    raw = [(r[1:] * r[:-1]).sum() / (r**2).sum() for r in left]
    assert np.mean(rho) == pytest.approx(0.6, abs=0.025)
    assert np.mean(raw) < 0.55
    white = [first_order(rng.standard_normal(60), index, 1) for _ in range(200)]
    assert np.mean(np.array(white) > 0) < 0.1


def test_adjusted_p_is_benjamini_yekutieli_over_exploratory_series(down, nile):
    rows = [r for t in (down, nile) for r in answer(t, Settings(family="kink", scale="linear", link="identity")).rows]
    p = np.sort([r.p_value for r in rows])
    harmonic = 1.5
    expected = np.minimum(1, np.minimum.accumulate((p * 2 / np.array([1, 2]) * harmonic)[::-1])[::-1])
    decided = with_roles(rows, "another", 0.95)
    assert sorted(t.p_adjusted for t in decided) == pytest.approx(expected)
    assert all((t.p_adjusted <= 0.05) == (t.outcome == Outcome.FOUND) for t in decided if t.p_value <= 0.05)


def test_models_answer_through_series_alone(rng):
    s = series(counted(rng.binomial(200, expit(2 * X))))
    assert fit_growth(s, "logistic", proportion=True).outcome in set(Outcome)
    assert fit_switch(s, rng).outcome in set(Outcome)
