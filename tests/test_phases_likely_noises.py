"""The delay test over likely noises: what it is with one noise, its size under lasting noise, what it finds."""

from dataclasses import replace

import numpy as np
import pytest

from calque.phases.calibration.curves import CURVES
from calque.phases.calibration.draws import counts, schedule
from calque.phases.calibration.pathologies.curves import SMOOTH_LATE
from calque.phases.calibration.pathologies.designs import BASE, PERSISTENT, QUIET
from calque.phases.detection.fitting import delay_alone, fit_series
from calque.phases.dictionary.grid import Dictionary
from calque.phases.noise.likelihood import restricted_likelihood
from calque.phases.noise.variants import VARIANTS
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats import likely_noises
from calque.phases.stats.cone import Cone
from calque.phases.stats.delay import DelayTest
from calque.phases.stats.likely_noises import APART, MOST, LikelyNoises, apart

TOKENS = schedule("uniform", 100)
S = TOKENS / TOKENS[-1]


def drawn(curve, noise, seed):
    rng = np.random.default_rng([17, seed])
    return Trajectory.of_counts(f"r{seed}", "m", TOKENS, counts(rng, curve, 125, noise.rho, noise.sd), 125)


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary(Axis.of(TOKENS))


def rejected(curve, noise, series, dictionary):
    found = [
        delay_alone(drawn(curve, noise, i), boot=99, level=0.95, seed=0, dictionary=dictionary) for i in range(series)
    ]
    return np.array([isinstance(one, DelayTest) and one.p_value <= 0.05 for one in found])


def test_the_determinant_is_that_of_series_without_their_constant():
    rng = np.random.default_rng(0)
    white, amplitude = rng.uniform(0.5, 2.0, 9), rng.uniform(0.5, 2.0, 9)
    whiten = Whitener.of(white, amplitude, 0.7, np.ones(8), 1.3)
    apart_by = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    covariance = np.diag(white) + 1.3 * np.outer(amplitude, amplitude) * 0.7**apart_by
    one = np.ones(9)
    expected = np.linalg.slogdet(covariance)[1] + np.log(one @ np.linalg.solve(covariance, one))
    assert whiten.determinant == pytest.approx(expected, abs=1e-9)


def test_noises_are_apart_and_hold_the_likeliest_of_both():
    t = drawn(CURVES["linear"].score(S), PERSISTENT, 0)
    first = restricted_likelihood(t, np.full(100, t.y.mean()), np.zeros((100, 0)))
    second = restricted_likelihood(t, CURVES["linear"].score(S), np.zeros((100, 0)))
    points = apart(first, second)
    assert 1 < len(points) <= MOST
    for i, (k, *at) in enumerate(points):
        for of, *by in points[:i]:
            assert VARIANTS[k].trend != VARIANTS[of].trend or np.abs(np.subtract(at, by)).sum() >= APART
    total = first.weight + second.weight
    assert points[0] == np.unravel_index(total.argmax(), total.shape)


def test_with_one_noise_the_statistic_is_the_drop_of_the_whitened_residual_sum_of_squares(dictionary, monkeypatch):
    t = drawn(SMOOTH_LATE.score(S), QUIET, 1)
    curve = SMOOTH_LATE.score(S)
    noise = restricted_likelihood(t, curve, np.zeros((100, 0)))
    columns = dictionary.everywhere.columns[:, :200]
    seen = []
    monkeypatch.setattr(likely_noises, "MOST", 1)
    monkeypatch.setattr(likely_noises, "in_blocks", lambda observed, most, of: seen.append((observed, of(0, most))))
    test = LikelyNoises(t, columns, curve, noise, noise.whitener(curve), np.random.default_rng(0), 5)
    test.test(1.0)
    observed, null = seen[0]
    simple, generators = Cone.diminishing(TOKENS, test.whiten, 1.0).fitted(t.y, test.whiten)
    other = restricted_likelihood(t, simple, generators)
    whiten = other.whitener_at(0.5 * (simple + curve), apart(noise, other)[0])
    z, g = whiten(t.y), whiten(columns)
    growth = z @ z - np.max(np.maximum(z @ g, 0) ** 2 / np.sum(g * g, axis=0))
    even = Cone.diminishing(TOKENS, whiten, 1.0).rss(z[:, None])[0]
    assert observed == pytest.approx(even - growth, abs=1e-3)
    assert null.shape == (5,)


def test_of_continuous_scores_the_unit_does_not_matter(dictionary):
    rng = np.random.default_rng(3)
    y = SMOOTH_LATE.score(S) + 0.03 * rng.standard_normal(100)
    p = []
    for unit in (1.0, 1e-3):
        t = Trajectory.of_values("r", "m", TOKENS, unit * y)
        noise = restricted_likelihood(t, unit * SMOOTH_LATE.score(S), np.zeros((100, 0)))
        columns = dictionary.everywhere.columns[:, :200]
        curve = unit * SMOOTH_LATE.score(S)
        p.append(
            LikelyNoises(t, columns, curve, noise, noise.whitener(curve), np.random.default_rng(0), 99)
            .test(1.0)
            .p_value
        )
    assert p[0] == pytest.approx(p[1], abs=0.021)


def test_a_series_that_is_told_from_noise_keeps_the_noise_of_its_curve(dictionary):
    for i in range(8):
        found = fit_series(drawn(SMOOTH_LATE.score(S), QUIET, i), boot=99, level=0.95, seed=0, dictionary=dictionary)
        before = dictionary.fit(found.trajectory)
        if before.alone is not None and found.delay.elasticity is not None:
            assert found.fit.alone is None and found.fit.shortfall == 0
            return
    pytest.fail("no series of eight was told from noise that could explain it")


@pytest.mark.simulation
def test_smooth_late_starts_are_found_and_lasting_noise_is_not_called_late(dictionary):
    # 80 series each on docs/benchmarks/pathologies.md's designs: .66 and .05
    assert rejected(SMOOTH_LATE.score(S), QUIET, 12, dictionary).sum() >= 4
    linear = CURVES["linear"].score(S)
    assert rejected(linear, PERSISTENT, 12, dictionary).sum() <= 3
    assert rejected(linear, replace(BASE, rho=0.9), 12, dictionary).sum() <= 3
