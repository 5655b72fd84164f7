"""The dictionary: what every family of shapes owes, known special cases, and candidates as a container."""

import numpy as np
import pytest
from scipy.special import expit

from calque.phases.dictionary.candidates import Candidates, unit
from calque.phases.dictionary.fit import residuals
from calque.phases.dictionary.refine import bounds, refine
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Axis
from calque.phases.shapes import (
    FAMILIES,
    cloglog,
    loglinear,
    power,
    prerise,
    richards,
    rise_and_fall,
    saturation,
    two_waves,
    weibull_onset,
)

AXES = {
    "uniform": Axis.of(np.linspace(1e5, 5e6, 40)),
    "log": Axis.of(np.geomspace(1e3, 1e9, 30)),
    "zero first": Axis.of(np.concatenate([[0.0], np.geomspace(2e4, 1e6, 16), np.linspace(1.2e6, 5e6, 20)])),
    "eight": Axis.of(np.geomspace(1e5, 5e6, 8)),
    "linear": Axis.of(np.linspace(0, 5e6, 50), "linear"),
}
EVERY = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
AXIS = pytest.mark.parametrize("axis", AXES.values(), ids=list(AXES))


def fine(axis):
    """Positions from a decade before the first checkpoint to one after the last (a full range on the linear scale)."""
    return np.linspace(axis.x[0] - 1, axis.x[-1] + 1, 400)


@pytest.mark.contract
@EVERY
@AXIS
def test_a_family_of_shapes(family, axis):
    theta = family.grid(axis)
    low, high = bounds(family, axis)
    p = len(family.step)
    assert theta.ndim == 2 and theta.shape[1] == p == len(low) == len(high) and len(theta) >= 8
    assert np.isfinite(theta).all() and np.all(theta >= low - 1e-9) and np.all(theta <= high + 1e-9)
    assert len(np.unique(theta, axis=0)) == len(theta), "the same curve twice"

    at = family.curve(theta, axis.x)
    assert at.shape == (axis.n, len(theta)) and np.isfinite(at).all()
    # a position's value does not depend on which others are asked for, nor a curve's on the other curves
    part, few = np.array([0, axis.n // 3, axis.n - 1]), np.arange(0, len(theta), 7)
    assert np.allclose(family.curve(theta, axis.x[part]), at[part], rtol=1e-12, atol=1e-300)
    assert np.allclose(family.curve(theta[few], axis.x), at[:, few], rtol=1e-12, atol=1e-300)

    wide = family.curve(theta, fine(axis))
    assert np.isfinite(wide).all()
    if family.falls:
        # a fall that is slow beside its rise leaves no hump; one may also fall after the last checkpoint
        far = family.curve(theta, np.append(fine(axis), 1e4))
        assert (far[-1] < far.max(0) - 0.01).mean() > 0.8
    else:
        assert np.all(np.diff(wide, axis=0) >= -1e-9 * np.maximum(1.0, np.ptp(wide, axis=0)))

    columns = unit(family, theta, axis)
    top = columns.max(0)
    assert np.all(columns[0] == 0) and np.all((np.abs(top - 1) < 1e-12) | (np.abs(columns).max(0) == 0))
    assert (top > 0).mean() > 0.7, "most of the coarse grid moves over the checkpoints"
    if not family.falls:
        assert columns.min() >= -1e-9


@pytest.mark.contract
@EVERY
@AXIS
def test_refinement_stays_within_bounds_and_gets_nearer(family, axis):
    rng = np.random.default_rng(3)
    start = Candidates.of(axis, {family.name: family.grid(axis)})
    whiten = Whitener.of(np.full(axis.n, 4e-4), np.full(axis.n, 0.1), 0.5, np.ones(axis.n - 1), 0.01)
    hidden = family.curve(family.grid(axis)[3::11] + 0.3 * np.array(family.step), axis.x)
    moving = hidden[:, [int((hidden.max(0) - hidden[0]).argmax())]]
    y = 0.1 + 0.5 * moving[:, 0] / np.ptp(moving) + 0.02 * rng.standard_normal(axis.n)
    out = refine(start, whiten, y, rng)
    theta = out.theta[family.name]
    low, high = bounds(family, axis)
    assert np.all(theta >= low - 1e-9) and np.all(theta <= high + 1e-9)
    assert np.allclose(out.columns, unit(family, theta, axis), atol=1e-12)
    assert np.all(out.extra == family.extra) and out.of_family(family.name).all()
    z = whiten(y)
    rss = [residuals(*whiten.project(c.columns, z), float(z @ z), c.extra)[0].min() for c in (start, out)]
    assert rss[1] <= rss[0] + 1e-9
    assert np.allclose(out.at(axis.x), out.columns, atol=1e-9)


@AXIS
def test_at_the_checkpoints_candidates_are_their_columns(axis):
    every = Candidates.of(axis, {name: family.grid(axis)[::5] for name, family in FAMILIES.items()})
    assert every.columns.shape == (axis.n, len(every.family)) and list(every.theta) == list(FAMILIES)
    assert np.allclose(every.at(axis.x), every.columns, atol=1e-9)
    chosen = np.arange(2, len(every.family), 13)
    x = axis.between()
    assert np.allclose(every.at(x, chosen), every.at(x)[:, chosen], rtol=1e-9, atol=1e-12)
    assert every.at(x, np.zeros(0, int)).shape == (len(x), 0)


def consistent(c):
    """Families stand together in order, and each column is made by the parameters that stand beside it."""
    assert np.all(np.diff(c.family) >= 0)
    names = list(FAMILIES)
    again = Candidates.of(c.axis, c.theta)
    assert np.array_equal(again.family, c.family) and np.array_equal(again.extra, c.extra)
    assert {names[i] for i in c.family} == set(c.theta)
    assert all(len(theta) == c.of_family(name).sum() for name, theta in c.theta.items())
    return again.columns


@pytest.mark.parametrize("axis", [AXES["zero first"], AXES["linear"]], ids=["log", "linear"])
def test_take_joined_and_until_keep_curves_with_their_parameters(axis):
    every = Candidates.of(axis, {name: family.grid(axis)[::9] for name, family in FAMILIES.items()})
    m = len(every.family)
    assert np.array_equal(consistent(every), every.columns)
    odd, rest = every.take(np.arange(1, m, 3)), every.take(np.arange(0, m // 2, 3))
    assert np.array_equal(odd.columns, every.columns[:, 1::3]) and np.allclose(consistent(odd), odd.columns, atol=1e-12)
    one = every.take(np.flatnonzero(every.of_family("probit"))[:1])
    assert set(one.theta) == {"probit"} and one.columns.shape == (axis.n, 1)
    for a, b in ((odd, rest), (rest, odd), (one, odd)):
        both = a.joined(b)
        assert both.columns.shape[1] == a.columns.shape[1] + b.columns.shape[1]
        assert np.allclose(consistent(both), both.columns, atol=1e-12)
    n = 12
    short = every.until(axis.until(n))
    assert short.columns.shape == (n, m) and consistent(short).shape == short.columns.shape
    size = every.columns[:n].max(0)
    moving = size > 1e-6
    assert np.allclose(short.columns[:, moving], consistent(short)[:, moving], rtol=1e-6, atol=1e-9)
    assert np.all((short.columns.max(0) <= 1 + 1e-12) & (short.columns[0] == 0))
    assert np.allclose(short.at(short.axis.x)[:, moving], short.columns[:, moving], rtol=1e-6, atol=1e-9)


def test_special_cases_are_the_curves_they_are_known_as():
    x = np.linspace(-3, 0, 61)
    tokens = 10.0**x
    m, s = -1.2, 0.17
    logistic = expit((x - m) / s)
    assert np.allclose(richards.curve(np.array([[m, np.log(s), 0.0]]), x)[:, 0], logistic, rtol=1e-12)
    gompertz = np.exp(-np.exp(-(x - m) / s))
    assert np.abs(richards.curve(np.array([[m, np.log(s), -5.0]]), x)[:, 0] - gompertz).max() < 0.005
    assert np.allclose(power.curve(np.zeros((1, 1)), x)[:, 0], tokens, rtol=1e-12)
    assert np.allclose(power.curve(np.log([[2.0]]), x)[:, 0], tokens**2, rtol=1e-12)
    assert np.allclose(saturation.curve(np.array([[m, 0.0]]), x)[:, 0], tokens / (tokens + 10**m), rtol=1e-12)
    shape = 1 / (s * np.log(10))
    weibull = -np.expm1(-((tokens / 10**m) ** shape))
    assert np.allclose(cloglog.curve(np.array([[m, np.log(s)]]), x)[:, 0], weibull, rtol=1e-10)
    straight = loglinear.curve(np.array([[-9.0]]), x)[:, 0]
    assert np.allclose(np.diff(straight), np.log(10) * np.diff(x), rtol=1e-5)
    waves = two_waves.curve(np.array([[m, np.log(s), -0.4, np.log(0.1), 0.3]]), x)[:, 0]
    assert np.allclose(waves, 0.7 * logistic + 0.3 * expit((x + 0.4) / 0.1), rtol=1e-12)
    hump = rise_and_fall.curve(np.array([[m, np.log(s), 0.5, np.log(0.05), np.log(0.4)]]), np.array([50.0]))
    assert hump[0, 0] == pytest.approx(0.4, rel=1e-9)
    onset = np.array([[m, np.log(s), 0.0]])
    slow = prerise.curve(np.array([[m, np.log(s), 0.0, -0.5, 1.0]]), x)
    assert np.allclose(slow, weibull_onset.curve(onset, x), rtol=1e-12)


@pytest.mark.parametrize(("kappa", "slope"), [(1.0, 1.0), (1.7, 0.0)])
def test_the_onset_has_its_corner_at_tau(kappa, slope):
    tau, s, h = -1.2, 0.17, 1e-6
    theta = np.array([[tau, np.log(s), np.log(kappa)]])
    before, just, after, scale = weibull_onset.curve(theta, np.array([tau - 1.0, tau, tau + h, tau + s]))[:, 0]
    assert before == 0 and just == 0
    assert after * s / h == pytest.approx(slope, abs=1e-3)
    assert scale == pytest.approx(1 - np.exp(-1), rel=1e-9)
