r"""The dictionary of shapes: how a score can move from its floor, one family an entry.

A family maps parameters theta to unit curves :math:`g_\theta(x)`; the model of a score is
:math:`f(x) = a + b\,g_\theta(x)` with :math:`b \ge 0`. Growth and decline alike are one column with one coefficient,
so that every question is answered over all families by the same few matrix products. A family gives a coarse grid and
the step by which it may be refined around the curves that fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit, ndtr

from phases.axis import Array, Axis

STEEPEST = 0.02


@dataclass(frozen=True)
class Family:
    """One family of curves.

    Attributes
    ----------
    curve : callable
        ``curve(theta, x)`` with theta (J, p) and x (n,) gives columns (n, J).
    grid : callable
        ``grid(axis)`` gives the coarse grid theta (J, p).
    step : tuple of float
        By how much each parameter may move in the first round of refinement.
    low, high : tuple of float
        Bounds of the parameters; positions are bounded by the checkpoints as well.
    positions : tuple of int
        Parameters that are positions on x.
    extra : float
        Penalty on the residual sum of squares for parameters beyond three (2 a parameter, as AIC charges).
    falls : bool
        Whether the curve comes down again.
    """

    name: str
    curve: Callable[[Array, Array], Array]
    grid: Callable[[Axis], Array]
    step: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    positions: tuple[int, ...] = (0,)
    extra: float = 0.0
    falls: bool = False


def _widths(axis: Axis, m: int) -> Array:
    """Natural logarithms of ``m`` scales, from half the closest spacing of checkpoints to the whole range."""
    closest = float(np.quantile(np.diff(axis.x), 0.1))
    span = float(axis.x[-1] - axis.x[0])
    return np.log(np.geomspace(max(STEEPEST, 0.4 * closest, span / 120), 0.6 * span, m))


def _cross(*parameters: Array) -> Array:
    return np.array(list(product(*parameters)), float)


def weibull_onset(theta: Array, x: Array) -> Array:
    """1 - exp(-((x - tau)+ / s)^kappa): nothing before tau. theta = tau, ln s, ln kappa."""
    tau, s, kappa = theta.T
    z = np.maximum(x[:, None] - tau, 0.0) * np.exp(-s)
    return -np.expm1(-np.minimum(z ** np.exp(kappa), 50.0))


def richards(theta: Array, x: Array) -> Array:
    """(1 + nu exp(-(x - m)/s))^(-1/nu): logistic at nu = 1, Gompertz near 0. theta = m, ln s, ln nu."""
    m, s, nu = theta.T
    e = np.exp(-np.clip((x[:, None] - m) * np.exp(-s), -40, 40))
    return (1 + np.exp(nu) * e) ** -np.exp(-nu)


def cloglog(theta: Array, x: Array) -> Array:
    """1 - exp(-exp((x - m)/s)): a cumulative Weibull in tokens. theta = m, ln s."""
    m, s = theta.T
    return -np.expm1(-np.exp(np.clip((x[:, None] - m) * np.exp(-s), -40, 3.9)))


def probit(theta: Array, x: Array) -> Array:
    """Evaluate the normal cumulative in x. theta = m, ln s."""
    m, s = theta.T
    return np.asarray(ndtr((x[:, None] - m) * np.exp(-s) / 1.6))


def saturation(theta: Array, x: Array) -> Array:
    """1 - (1 + T/t0)^-alpha: diminishing returns from the first token. theta = log10 t0, ln alpha."""
    t0, alpha = theta.T
    return -np.expm1(-np.exp(alpha) * np.log1p(10.0 ** np.clip(x[:, None] - t0, -40, 40)))


def loglinear(theta: Array, x: Array) -> Array:
    """log(1 + T/t0): a straight line in log tokens after t0. theta = log10 t0."""
    return np.log1p(10.0 ** np.clip(x[:, None] - theta[:, 0], -40, 40))


def two_waves(theta: Array, x: Array) -> Array:
    """Two logistic rises, the second of weight w. theta = m1, ln s1, m2, ln s2, w."""
    m1, s1, m2, s2, w = theta.T
    first = expit((x[:, None] - m1) * np.exp(-s1))
    return (1 - w) * first + w * expit((x[:, None] - m2) * np.exp(-s2))


def prerise(theta: Array, x: Array) -> Array:
    """Evaluate a slow saturating rise, then an onset of weight w. theta = tau, ln s, ln kappa, log10 t0, w."""
    t0, w = theta[:, 3:4], theta[:, 4]
    slow = saturation(np.hstack([t0, np.full_like(t0, np.log(0.7))]), x)
    return (1 - w) * slow / np.maximum(slow.max(0), 1e-12) + w * weibull_onset(theta[:, :3], x)


def rise_and_fall(theta: Array, x: Array) -> Array:
    """Evaluate a logistic rise times a logistic fall to a share k of it. theta = m, ln s, gap, ln s_fall, ln k."""
    m, s, gap, s_fall, k = theta.T
    fall = expit((x[:, None] - m - gap) * np.exp(-s_fall))
    return expit((x[:, None] - m) * np.exp(-s)) * (1 - -np.expm1(k) * fall)


def _onset_grid(axis: Axis) -> Array:
    return _cross(axis.anchors(56), _widths(axis, 6), np.log([1.0, 1.4, 2.0, 3.0]))


def _richards_grid(axis: Axis) -> Array:
    return _cross(axis.anchors(32, 0.5, 0.7), _widths(axis, 8) - 0.7, np.log([0.02, 0.3, 1.0, 3.0]))


def _sigmoid_grid(axis: Axis) -> Array:
    return _cross(axis.anchors(32, 0.5, 0.7), _widths(axis, 8) - 0.5)


def _saturation_grid(axis: Axis) -> Array:
    return _cross(np.linspace(axis.first - 1.5, axis.x[-1] + 1.5, 24), np.log([0.3, 0.7, 1.2, 2.5]))


def _loglinear_grid(axis: Axis) -> Array:
    return _cross(np.linspace(axis.first - 1.0, axis.x[-1] + 2.0, 24))


def _waves_grid(axis: Axis) -> Array:
    m = axis.anchors(12, 0.0, 0.2)
    s = _widths(axis, 7)[:5:2] - 0.7
    theta = _cross(m, s, m, s, np.array([0.25, 0.5, 0.75]))
    return theta[theta[:, 2] > theta[:, 0] + 1e-6]


def _prerise_grid(axis: Axis) -> Array:
    t0 = np.array([axis.x[0] + 0.3 * (axis.x[-1] - axis.x[0]), axis.x[-1] + 1.0])
    return _cross(axis.anchors(24), _widths(axis, 6)[1:5], np.log([1.0, 1.7]), t0, np.array([0.4, 0.65, 0.85]))


def _fall_grid(axis: Axis) -> Array:
    span = axis.x[-1] - axis.x[0]
    s = _widths(axis, 7) - 0.7
    return _cross(
        axis.anchors(22)[:-1], s[[0, 2, 4]], span * np.array([0.05, 0.12, 0.2, 0.3, 0.45]), s[[2, 4, 5]],
        np.log([0.01, 0.1, 0.4, 0.7]),
    )  # fmt: skip


FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        Family("onset", weibull_onset, _onset_grid, (0.05, 0.3, 0.2), (-99, -5, 0), (99, 5, 1.4)),
        Family("richards", richards, _richards_grid, (0.06, 0.2, 0.6), (-99, -5, -5), (99, 3, 2)),
        Family("cloglog", cloglog, _sigmoid_grid, (0.06, 0.2), (-99, -5), (99, 3)),
        Family("probit", probit, _sigmoid_grid, (0.06, 0.2), (-99, -5), (99, 3)),
        Family("saturation", saturation, _saturation_grid, (0.15, 0.4), (-99, -2), (99, 2)),
        Family("loglinear", loglinear, _loglinear_grid, (0.15,), (-99,), (99,)),
        Family(
            "two_waves", two_waves, _waves_grid, (0.12, 0.3, 0.12, 0.3, 0.15), (-99, -5, -99, -5, 0.03),
            (99, 2, 99, 2, 0.97), positions=(0, 2), extra=4.0,
        ),
        Family(
            "prerise", prerise, _prerise_grid, (0.06, 0.3, 0.2, 0.3, 0.12), (-99, -5, 0, -99, 0.1),
            (99, 5, 1.4, 99, 0.98), positions=(0, 3), extra=4.0,
        ),
        Family(
            "rise_and_fall", rise_and_fall, _fall_grid, (0.06, 0.3, 0.1, 0.3, 0.6), (-99, -5, 0.0, -5, -6.0),
            (99, 2, 99, 2, -0.05), extra=4.0, falls=True,
        ),
    )
}  # fmt: skip
"""Every family by name."""
