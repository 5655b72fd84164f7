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


def by_hand(a, errors, generating, sides, chosen):
    """Return the need of every replicate, each candidate fitted to it by least squares.

    ``sides`` gives, from the amplitudes (m,), which candidates lie on either side.
    """
    fit = a.rising
    g = fit.whiten(fit.candidates.columns[:, chosen])
    extra = fit.candidates.extra[chosen]
    centre = fit.whiten(fit.candidates.columns[:, generating] * fit.amplitude[generating])
    need, least = [], []
    for e in errors.T:
        z = centre + e
        b = np.maximum(g.T @ z, 0) / np.maximum((g * g).sum(0), 1e-9)
        rss = ((z[:, None] - g * b) ** 2).sum(0) + extra
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
    assert found == {"t50": pytest.approx(by_place, rel=3e-3), "takeoff": pytest.approx(by_height, rel=3e-3)}
    assert rank or max(by_place, by_height) > least_cut(LEVEL)


def test_a_few_candidates_are_refitted_alone(prepared):
    a, refitted, errors = prepared
    chosen = np.flatnonzero(a.rising.candidates.of_family("onset"))
    best = int(chosen[a.rising.rss[chosen].argmin()])
    tau = a.rising.candidates.theta["onset"][:, 0]
    found = refitted.among(chosen).cuts(best, {"onset": (tau, float(tau[best - chosen[0]]))}, LEVEL)["onset"]
    at = tau[best - chosen[0]]
    assert found == pytest.approx(by_hand(a, errors, best, lambda b: (tau <= at, tau >= at), chosen), rel=2e-3)


def test_a_position_that_no_other_candidate_has_asks_for_the_generating_curve_itself(prepared):
    _, refitted, _ = prepared
    best = refitted.fit.best
    lonely = np.where(np.arange(len(refitted.size)) == best, 0.0, 1.0)
    found = refitted.cuts(best, {"here": (lonely, 0.0)}, LEVEL)["here"]
    assert least_cut(LEVEL) < found < LARGEST_CUT
