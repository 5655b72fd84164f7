"""One mode or two across seeds: the mixture against its likelihood by hand, size and power of its test, its rows."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from calque.phases.pooling.modes import adjusted_modes, null_law, p_of_one_mode, seed_modes, two_normals
from calque.phases.pooling.questions import Question
from calque.phases.pooling.rows import Condition
from calque.phases.results import Outcome

TWO = np.log(np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 3.0, 3.2, 2.9, 3.1, 3.05, 2.8]) * 1e9)


def designs(n, size="1b"):
    return [Condition(f"r{i}", size, None, None) for i in range(n)]


def ends(values):
    return {f"r{i}": (v, v) for i, v in enumerate(values)}


def test_the_mixture_is_that_of_greatest_likelihood():
    """Against a general optimiser of the likelihood of two normals with one standard deviation."""

    def minus(theta):
        share, sd = expit(theta[0]), np.exp(theta[3])
        return -np.log(share * norm.pdf(y, theta[1], sd) + (1 - share) * norm.pdf(y, theta[2], sd)).sum()

    rng = np.random.default_rng(0)
    for n, apart in ((12, 5.0), (30, 4.0)):
        y = rng.standard_normal(n) + apart * (np.arange(n) < n // 3)
        found = two_normals(y)
        best = minimize(minus, [math.log(2), 0.0, apart, 0.0], method="Nelder-Mead", options={"maxiter": 4000})
        one = norm.logpdf(y, y.mean(), y.std()).sum()
        assert found.statistic == pytest.approx(2 * (-best.fun - one), rel=1e-3)
        assert found.means == pytest.approx(sorted(best.x[1:3]), abs=0.02)
        assert found.sd == pytest.approx(np.exp(best.x[3]), abs=0.02) and sum(found.counts) == n
        moved = two_normals(1e3 * y - 7)
        assert moved.statistic == pytest.approx(found.statistic, abs=1e-3) and moved.counts == found.counts


@pytest.mark.simulation
def test_one_mode_is_rarely_rejected_and_two_separated_modes_are_seen():
    rng = np.random.default_rng(1)
    one = [two_normals(rng.standard_normal(12)).statistic for _ in range(120)]
    two = [two_normals(rng.standard_normal(12) + 6 * (np.arange(12) < 6)).statistic for _ in range(60)]
    cut = null_law(12, 199)[-10]  # p = .05 and less
    assert np.mean(np.array(one) >= cut) <= 0.11 and np.mean(np.array(two) >= cut) >= 0.8
    assert p_of_one_mode(TWO, 199) <= 0.05 < p_of_one_mode(rng.standard_normal(12), 199)


def test_rows_say_where_the_modes_are_and_how_many_runs_each_has():
    (row,) = seed_modes(designs(12), Question("acc", "takeoff"), ends(TWO), 0.95)
    assert (row.outcome, row.n_early, row.n_late, row.n_located) == (Outcome.FOUND, 6, 6, 12)
    assert row.early == pytest.approx(1e9, rel=0.05) and row.late == pytest.approx(3e9, rel=0.05)
    assert "two modes, 6 runs around 1B and 6 around 3.01B tokens" in row.reason and row.size == "1b"
    known = ends(TWO) | {"r12": (math.log(5e9), math.inf), "r13": None}
    (row,) = seed_modes(designs(14), Question("acc", "takeoff"), known, 0.95)
    assert row.outcome == Outcome.FOUND and "located in 12 of 14 runs" in row.reason
    assert row.reason.endswith("runs without a time are no part of this")
    ratio = seed_modes(designs(12), Question("acc", "lag", "copying"), ends(TWO - TWO[0]), 0.95)[0]
    assert ratio.unit == "ratio" and "around 3.01 times the tokens of copying" in ratio.reason


def test_what_cannot_be_asked_or_shown_is_said():
    q = Question("acc", "takeoff")
    (few,) = seed_modes(designs(5), q, ends(TWO[:5]), 0.95)
    assert few.outcome == Outcome.TOO_FEW_POINTS and few.p_value is None
    assert few.reason == "takeoff located in 5 of 5 runs: one mode or two is a question for 6 runs or more"
    (same,) = seed_modes(designs(8), q, ends([3.0] * 8), 0.95)
    assert same.outcome == Outcome.NONE and "all at the same time" in same.reason
    (one,) = seed_modes(designs(12), q, ends(np.linspace(20, 20.5, 12)), 0.95)
    assert one.outcome == Outcome.NONE and "a second mode is not shown" in one.reason
    assert seed_modes(designs(1), q, ends(TWO[:1]), 0.95) == []


def test_many_questions_are_adjusted_together():
    q = Question("acc", "takeoff")
    rows = seed_modes(designs(12), q, ends(TWO), 0.95) * 1
    rows += seed_modes(designs(12), q, ends(np.linspace(20, 20.5, 12)), 0.95) * 30
    out = adjusted_modes(rows, 0.95)
    assert out[0].p_adjusted == pytest.approx(min(1, rows[0].p_value * 31 * sum(1 / k for k in range(1, 32))))
    assert out[0].outcome == Outcome.NOT_ESTABLISHED and "among 31 tests of two modes" in out[0].reason
    assert adjusted_modes(rows[:1], 0.95)[0].outcome == Outcome.FOUND
