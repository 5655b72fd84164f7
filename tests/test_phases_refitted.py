"""Replicates refitted in one pass against each of them refitted by plain linear algebra."""

import numpy as np
import pytest

from calque.phases.detection.analyse import analyse
from calque.phases.detection.locations import refit
from calque.phases.dictionary.functionals import share_of_rise
from calque.phases.dictionary.location import LARGEST_CUT, calibrated_cut, least_cut
from calque.phases.dictionary.refitted import Threshold
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

RISE, LEVEL, BOOT = 0.05, 0.9, 40
TOKENS = np.arange(1, 41) * sim.END / 40


@pytest.fixture(scope="module")
def prepared():
    """An analysis and its candidates against noise of the right size, with more of it where scores are low."""
    rng = np.random.default_rng(1)
    y = sim.counts(rng, sim.onset(0.3 * sim.END, 0.2)(TOKENS), 125)
    a = analyse(Trajectory.of_counts("r", "m", TOKENS, y, 125), boot=19)
    errors = rng.standard_normal((40, BOOT))
    one = a.rising.whiten.one
    return a, refit(a.rising, errors), errors - np.outer(one, one @ errors)


def by_hand(a, errors, generating, sides, chosen, exact=False):
    """Return the cut from every replicate, each candidate fitted to it by least squares.

    ``sides`` gives, from the amplitudes (m,), which candidates lie on either side. Products are with the candidates'
    projection on the space of low rank that the fit states, or with themselves where ``exact``.
    """
    fit = a.rising
    g = fit.whiten(fit.candidates.columns[:, chosen])
    size, basis = np.maximum((g * g).sum(0), 1e-9), fit.low_rank[0]
    g = g if exact else basis @ (basis.T @ g)
    extra = fit.candidates.extra[chosen]
    centre = fit.whiten(fit.candidates.columns[:, generating] * fit.amplitude[generating])
    need, least = [], []
    for e in errors.T:
        z = centre + e
        b = np.maximum(g.T @ z, 0) / size
        rss = z @ z - size * b**2 + extra
        one, two = (rss[side].min() if side.any() else np.inf for side in sides(b))
        itself = e @ e + fit.candidates.extra[generating]
        need.append(min(max(one, two), itself) - rss.min())
        least.append(rss.min())
    return calibrated_cut(len(TOKENS), np.array(least), np.array(need), LEVEL)


def test_errors_keep_no_constant(prepared):
    a, refitted, errors = prepared
    assert np.abs(a.rising.whiten.one @ refitted.errors).max() < 1e-9
    assert np.allclose(refitted.errors, errors)


@pytest.mark.parametrize("rank", [0, 30])
def test_cuts_are_those_of_replicates_fitted_one_by_one(prepared, rank):
    a, refitted, errors = prepared
    everyone = np.arange(len(a.rising.rss))
    generating = int(np.argsort(a.rising.rss)[rank])
    x = share_of_rise(a.curves, 0.5)
    height = Threshold(RISE, a.curves.reached(float(a.curves.x[len(a.curves.x) // 2])))
    found = refitted.cuts(generating, {"t50": (x, float(x[generating]))}, LEVEL, {"takeoff": height})
    by_place = by_hand(
        a, errors, generating, lambda b: (x <= x[generating] + 1e-9, x >= x[generating] - 1e-9), everyone
    )
    by_height = by_hand(
        a, errors, generating, lambda b: (b * height.reached >= RISE, b * height.reached <= RISE), everyone
    )
    # sums of squares are float32, and a cut is a quantile of their small differences
    assert found == {"t50": pytest.approx(by_place, rel=3e-4), "takeoff": pytest.approx(by_height, rel=3e-4)}
    assert rank or max(by_place, by_height) > least_cut(LEVEL)


def test_a_few_candidates_are_refitted_alone(prepared):
    a, refitted, errors = prepared
    chosen = np.flatnonzero(a.rising.candidates.of_family("onset"))
    best = int(chosen[a.rising.rss[chosen].argmin()])
    tau = a.rising.candidates.theta["onset"][:, 0]
    found = refitted.among(chosen).cuts(best, {"onset": (tau, float(tau[best - chosen[0]]))}, LEVEL)["onset"]
    at = tau[best - chosen[0]]
    assert found == pytest.approx(by_hand(a, errors, best, lambda b: (tau <= at, tau >= at), chosen), rel=3e-4)


def test_low_rank_costs_a_hundredth_of_a_cut_at_most(prepared):
    a, _, errors = prepared
    g = a.rising.whiten(a.rising.candidates.columns)
    kept = a.rising.low_rank[0].T @ g
    assert (np.abs((g * g).sum(0) - (kept * kept).sum(0)) < 1e-4 * (g * g).sum(0)).all()
    everyone = np.arange(len(a.rising.rss))
    x = share_of_rise(a.curves, 0.5)
    for generating in map(int, np.argsort(a.rising.rss)[[0, 30, 60]]):
        here = x <= x[generating] + 1e-9, x >= x[generating] - 1e-9
        low, exact = (by_hand(a, errors, generating, lambda b, of=here: of, everyone, how) for how in (False, True))
        assert low == pytest.approx(exact, rel=1e-2)


def test_a_position_that_no_other_candidate_has_asks_for_the_generating_curve_itself(prepared):
    _, refitted, _ = prepared
    best = refitted.fit.best
    lonely = np.where(np.arange(len(refitted.size)) == best, 0.0, 1.0)
    found = refitted.cuts(best, {"here": (lonely, 0.0)}, LEVEL)["here"]
    assert least_cut(LEVEL) < found < LARGEST_CUT
