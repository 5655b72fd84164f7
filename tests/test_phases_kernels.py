"""Compiled recursions and small solvers against dense linear algebra, brute force and scipy."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.special import expit, logit, ndtr
from scipy.stats import binom

from calque.phases.dictionary.grid import Dictionary
from calque.phases.dictionary.takeoff_profile import least_by_takeoff
from calque.phases.noise import kalman
from calque.phases.noise.elimination import eliminated
from calque.phases.noise.likelihood import restricted_likelihood
from calque.phases.noise.products import Products, largest
from calque.phases.noise.variants import COUNT_VARIANCE, RHO
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import generators, knots_of
from calque.phases.stats.nonnegative import coefficients
from tests import phases_simulation as sim

N = 24
GAPS = {"uniform": np.ones(N - 1), "ragged": np.random.default_rng(0).choice([0.02, 0.4, 1.0, 2.5, 9.0], N - 1)}
GAP = pytest.mark.parametrize("gap", GAPS.values(), ids=list(GAPS))
NOISES = pytest.mark.parametrize(("rho", "variance"), [(0.0, 0.3), (0.5, 0.02), (0.965, 1.3), (0.965, 0.0), (0.0, 0.0)])


def amplitudes(seed=1, n=N):
    rng = np.random.default_rng(seed)
    return rng.uniform(1e-4, 2e-3, n), rng.uniform(0.02, 0.25, n)


def dense(white, amplitude, rho, gap, variance):
    d = np.concatenate([[0.0], np.cumsum(gap)])
    apart = np.abs(d[:, None] - d)
    r = rho**apart if rho > 0 else np.eye(len(d))
    return np.diag(white) + variance * amplitude[:, None] * amplitude * r


@GAP
@NOISES
def test_whitening_is_that_of_the_dense_cholesky_factor(gap, rho, variance):
    white, amplitude = amplitudes()
    v = dense(white, amplitude, rho, gap, variance)
    whiten = Whitener.of(white, amplitude, rho, gap, variance)
    columns = np.random.default_rng(2).standard_normal((N, 5))
    z = np.linalg.solve(np.linalg.cholesky(v), columns)
    assert np.allclose(whiten.raw(columns), z, rtol=1e-9, atol=1e-9)
    assert np.allclose(whiten.raw(columns[:, 0]), z[:, 0], rtol=1e-9, atol=1e-9)
    one = np.ones(N)
    inside = one @ np.linalg.solve(v, one)
    level = one @ np.linalg.solve(v, columns) / inside
    assert whiten.length == pytest.approx(np.sqrt(inside)) and np.allclose(whiten.level(columns), level)
    g = np.linalg.solve(np.linalg.cholesky(v), columns - level)
    assert np.allclose(whiten(columns), g, rtol=1e-8, atol=1e-8)
    gz, gg = whiten.project(columns[:, 1:], whiten(columns[:, 0]))
    assert np.allclose(gz, g[:, 1:].T @ g[:, 0], rtol=1e-8, atol=1e-7)
    assert np.allclose(gg, (g[:, 1:] ** 2).sum(0), rtol=1e-8)
    # the nearest a + b g, b >= 0, with a free in sign: two columns
    curve = np.linspace(0, 1, N) ** 2
    y, a, b = (np.linalg.solve(np.linalg.cholesky(v), c) for c in (columns[:, 0], one, curve))
    x = nnls(np.column_stack([a, -a, b]), y)[0]
    assert np.allclose(whiten.place(columns[:, 0], curve), x[0] - x[1] + x[2] * curve, rtol=1e-6, atol=1e-8)


@GAP
@NOISES
def test_whitening_until_a_checkpoint_is_that_of_the_prefix(gap, rho, variance):
    white, amplitude = amplitudes()
    part, n = Whitener.of(white, amplitude, rho, gap, variance).until(9), 9
    prefix = Whitener.of(white[:n], amplitude[:n], rho, gap[: n - 1], variance)
    columns = np.random.default_rng(3).standard_normal((n, 4))
    assert np.allclose(part(columns), prefix(columns), rtol=1e-12, atol=1e-12)
    assert part.length == pytest.approx(prefix.length) and np.allclose(part.level(columns), prefix.level(columns))


@GAP
def test_products_are_the_dense_ones_at_every_grid_point(gap):
    white, amplitude = amplitudes(4)
    columns = np.random.default_rng(5).standard_normal((N, 3))
    log, out = kalman.products(columns, white, amplitude, gap, RHO, COUNT_VARIANCE)
    for i, rho in enumerate(RHO):
        for k, variance in enumerate(COUNT_VARIANCE):
            v = dense(white, amplitude, rho, gap, variance)
            assert log[i, k] == pytest.approx(np.linalg.slogdet(v)[1], abs=1e-8)
            assert np.allclose(out[i, k], columns.T @ np.linalg.solve(v, columns), rtol=1e-7, atol=1e-6)


@GAP
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.965])
def test_shifts_have_the_covariance_of_an_autoregression(gap, rho):
    phi = np.concatenate([[1.0], rho**gap if rho else np.zeros(N - 1)])
    root = kalman.shifts(np.eye(N), np.tile(phi[:, None], N), np.full(N, 0.7))
    v = dense(np.zeros(N), np.ones(N), rho, gap, 0.49)
    assert np.allclose(root @ root.T, v, atol=1e-12) and np.allclose(root, np.tril(root))


@pytest.mark.parametrize(("trials", "p"), [(1, 0.3), (40, 0.02), (40, 0.97), (150, 0.5), (4000, 0.003), (79, 0.5)])
def test_small_counts_are_binomial_by_inversion(trials, p):
    assert trials * p * (1 - p) <= 40
    g = np.linspace(-4, 4, 801)
    k = np.array([kalman._binomial(float(trials), p, x) for x in g])
    exact = binom.ppf(ndtr(g), trials, p)
    if trials * p * (1 - p) <= 20:
        # the two sum the masses from different ends: a score exactly at a step may fall on either side of it
        assert (k != exact).mean() < 0.005 and np.abs(k - exact).max() <= 1
    else:
        assert np.abs(k - exact)[np.abs(g) <= 3].max() <= 1


def simulated(mean, trials, variance, over=1.0, floor=0.02, draws=40_000, seed=6):
    """Return draws (n, B) of independent series, and the counts' trials."""
    rng = np.random.default_rng(seed)
    n = len(mean)
    shift = np.sqrt(variance) * rng.standard_normal((n, draws))
    g = rng.standard_normal((n, draws))
    full = np.full(draws, 1.0)
    each = np.full((n, draws), variance)
    return kalman.proportions(mean, np.full(n, float(trials)), shift, each, floor * full, over * full, g)


MEANS = np.array([0.0, 0.004, 0.05, 0.3, 0.5, 0.8, 0.97, 1.0])


@pytest.mark.simulation
@pytest.mark.parametrize(("trials", "over"), [(40, 1.0), (2000, 1.0), (400, 2.0), (400, 4.0)])
def test_simulated_proportions_without_a_shift_are_binomial(trials, over):
    y = simulated(MEANS, trials, 0.0, over)
    k = trials / over
    v = MEANS * (1 - MEANS) / k
    draws = y.shape[1]
    # 4.5 standard errors: one false alarm in 9 000 runs of these 32 means
    assert np.all(np.abs(y.mean(1) - MEANS) <= 4.5 * np.sqrt(v / draws) + 1e-12)
    fourth = 3 * v**2 + v * (1 - 6 * MEANS * (1 - MEANS)) / k**2
    error = np.sqrt(np.maximum(fourth - v**2, 0) / draws)
    # the normal branch rounds (1/12) and skews ((1-2p)^2/18) the count
    approximate = np.where(k * k * v > 20, (1 / 12 + (1 - 2 * MEANS) ** 2 / 18) / k**2, 0.0)
    assert np.all(np.abs(y.var(1) - v - approximate) <= 4.5 * error + 1e-15)
    assert np.allclose(y * k, np.round(y * k), atol=1e-9) and y.min() >= 0 and y.max() <= 1


@pytest.mark.simulation
@pytest.mark.parametrize("variance", [0.02, 0.1, 0.3])
def test_simulated_proportions_shift_by_the_logit_variance_about_the_curve(variance):
    trials, mean = 2000, np.array([0.03, 0.1, 0.3, 0.5, 0.8, 0.96])
    y = simulated(mean, trials, variance)
    # expit of a normal logit whose median moved so that its mean is the curve's: by quadrature
    nodes, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    level = logit(mean)
    for _ in range(30):
        p = expit(level[:, None] + np.sqrt(variance) * nodes)
        level -= ((p @ weight) - mean) / ((p * (1 - p)) @ weight)
    spread = (p - mean[:, None]) ** 2 @ weight
    v = spread + (p * (1 - p)) @ weight / trials
    draws = y.shape[1]
    # recentring is to second order: what is left is under a tenth of a standard deviation of the shift
    assert np.all(np.abs(y.mean(1) - mean) <= 4.5 * np.sqrt(v / draws) + 0.1 * variance * np.sqrt(spread))
    # fourth moments of a skewed shift: three times the normal ones bound them here
    assert np.all(np.abs(y.var(1) / v - 1) <= 4.5 * np.sqrt(6 / draws) + 0.2 * variance)


def test_nonnegative_least_squares_agrees_with_scipy():
    rng = np.random.default_rng(7)
    for n, k in ((30, 12), (40, 40), (12, 30)):
        columns, z = rng.standard_normal((n, k)) + 0.3, rng.standard_normal((n, 9)) + 0.2
        columns[:, 3] = 0.0
        x, drop = coefficients(columns, z)
        assert x.shape == (k, 9) and x.min() >= 0 and np.all(x[3] == 0)
        for b in range(9):
            exact, norm = nnls(columns, z[:, b])
            assert z[:, b] @ z[:, b] - drop[b] == pytest.approx(norm**2, rel=1e-6, abs=1e-6)
            if n > k:
                assert np.allclose(x[:, b], exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 3.0])
def test_nonnegative_least_squares_on_the_nearly_parallel_columns_of_a_cone(gamma):
    tokens = sim.schedule("mixed", 70)
    white, amplitude = amplitudes(8, 70)
    whiten = Whitener.of(white, amplitude, 0.9, np.ones(69), 0.3)
    columns = whiten(generators(tokens, knots_of(tokens), gamma))
    unit = columns / np.linalg.norm(columns, axis=0)
    assert np.linalg.cond(unit) > 100
    rng = np.random.default_rng(9)
    mean = whiten(np.column_stack([curve(tokens) for curve in sim.NULLS.values()]))
    z = mean + rng.standard_normal(mean.shape)
    z -= np.outer(whiten.one, whiten.one @ z)
    x, drop = coefficients(columns, z)
    for b in range(z.shape[1]):
        norm = nnls(columns, z[:, b])[1]
        rss = z[:, b] @ z[:, b] - drop[b]
        assert rss == pytest.approx(norm**2, rel=1e-5)
        assert rss == pytest.approx(((z[:, b] - columns @ x[:, b]) ** 2).sum(), rel=1e-5)
        slope = unit.T @ (z[:, b] - columns @ x[:, b])
        assert slope.max() < 1e-4 and np.abs(slope[x[:, b] > 0]).max(initial=0) < 1e-4


def test_least_by_takeoff_against_brute_force():
    rng = np.random.default_rng(11)
    m, f, boot, bins, first, width, rise = 40, 30, 6, 25, 10.0, 0.1, 0.05
    risen = np.maximum.accumulate(np.clip(rng.normal(0.02, 0.06, (m, f)).cumsum(1), 0, 1), axis=1)
    risen[:, 0] = 0.0
    at = first + 0.05 + np.sort(rng.random(f)) * 2.6
    rss, b = rng.random((m, boot)).astype(np.float32), rng.random((m, boot)).astype(np.float32)
    b[0], b[1] = 0.0, 1e-3
    found = least_by_takeoff(rss, b, risen, at, rise, first, width, bins)
    expected = np.full((bins + 1, boot), np.inf)
    for j in range(m):
        for k in range(boot):
            level = rise / max(float(b[j, k]), 1e-12)
            where = bins
            if level <= risen[j, -1]:
                i = int((risen[j] >= level).argmax())
                w = (level - risen[j, i - 1]) / (risen[j, i] - risen[j, i - 1])
                when = at[i - 1] + w * (at[i] - at[i - 1])
                where = int(np.clip((when - first) / width, 0, bins - 1))
            expected[where, k] = min(expected[where, k], rss[j, k])
    assert np.isfinite(expected).any(1).sum() > 10 and np.array_equal(found, expected)


def test_products_are_those_of_the_whitened_curves():
    tokens = sim.schedule("mixed")
    every = Dictionary(Axis.of(tokens)).everywhere
    white, amplitude = amplitudes(12, len(tokens))
    whiten = Whitener.of(white, amplitude, 0.78, np.ones(len(tokens) - 1), 0.1)
    flat = np.zeros((len(tokens), 1))
    columns = np.hstack([flat, every.columns])
    g = whiten(columns)
    unit = g / np.where(np.linalg.norm(g, axis=0) > 1e-6, np.linalg.norm(g, axis=0), np.inf)
    z = np.random.default_rng(13).standard_normal((len(tokens), 20))
    products = Products.of(columns, whiten)
    found = products.scores(z)
    assert found.shape == (columns.shape[1], 20) and np.all(found[0] == 0)
    assert np.allclose(found, unit.T @ z, atol=1e-4)
    shift = np.linspace(-1, 1, len(found)).astype(np.float32)
    assert np.array_equal(largest(found, shift), np.maximum(found + shift[:, None], 0).max(0))
    assert np.all(largest(found, np.full(len(found), -1e6, np.float32)) == 0)
    assert np.allclose(products.first(7).scores(z), found[:7], atol=1e-5)


@pytest.mark.simulation
@pytest.mark.parametrize("counts", [True, False])
def test_the_posterior_of_the_noise_settles_on_the_truth(counts):
    rho, errors = 0.78, []
    for n in (150, 3000):
        rng = np.random.default_rng([n, 1])
        tokens = np.arange(1, n + 1) * 1e5
        x = tokens / tokens[-1]
        mu = 0.4 + 0.02 * x
        shift = sim.ar1(rng, n, rho, 1.0)
        if counts:
            y = rng.binomial(3000, expit(logit(mu) + np.sqrt(0.1) * shift))
            t, true = Trajectory.of_counts("r", "m", tokens, y, 3000), 0.1
        else:
            y = mu + 0.02 * (rng.standard_normal(n) + np.sqrt(1.5) * shift)
            t, true = Trajectory.of_values("r", "m", tokens, y, falls=False), 1.5
        noise = restricted_likelihood(t, mu, x[:, None] ** 2)
        assert noise.weight.sum() == pytest.approx(1.0) and noise.weight.min() >= 0
        by_rho = noise.weight.sum((0, 2))
        near = float(by_rho[np.abs(RHO - rho) < 0.14].sum())
        _, mean_rho, s2, phi = noise.mean()
        errors.append((near, abs(mean_rho - rho), abs(s2 / true - 1), phi))
    short, long = errors
    # n (1 - rho^2)/(1 + rho^2) = 730 independent values: sigma^2 to 5 %, rho to .03 beside white noise; the grid has
    # steps of a factor of 1.7 and of .13, and a value between two of them is shared by both
    assert long[0] > 0.99 and long[0] >= short[0]
    assert long[1] < 0.08 and long[2] < 0.3
    assert long[3] == (1.0 if counts else pytest.approx(4e-4, rel=0.25))


@pytest.mark.parametrize("q", [1, 4, 8])
def test_fixed_effects_are_taken_out_as_by_regression(q):
    rng = np.random.default_rng(q)
    data = rng.standard_normal((3, 2, 40, q + 1))
    data[..., q - 1] *= 1e-3  # of another length than the others
    rss, determinant = eliminated(np.einsum("rsni,rsnj->rsij", data, data))
    for at in np.ndindex(3, 2):
        x, y = data[at][:, :q], data[at][:, q]
        left = y - x @ np.linalg.lstsq(x, y)[0]
        np.testing.assert_allclose(rss[at], left @ left, rtol=1e-7)
        np.testing.assert_allclose(determinant[at], np.linalg.slogdet(x.T @ x)[1], atol=1e-7)
