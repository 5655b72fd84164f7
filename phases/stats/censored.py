"""Location-scale regression of times known exactly, to an interval, or only as "later than" or "earlier than".

``y = x'b + s e`` with e standard normal, logistic or smallest-extreme-value. In ``d = b/s`` and ``t = 1/s`` every
standardised end of an interval, ``z = t y - x'd``, is linear and the log-likelihood concave (Olsen 1978 for the
normal; Prekopa 1973 for any log-concave density), so that Newton's method finds the only maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr

Array = NDArray[np.float64]
STEPS = 60
TOLERANCE = 1e-9
"""Newton stops when half the squared decrement, the gain still to come in log-likelihood, is below this."""


@dataclass(frozen=True)
class ErrorDistribution:
    """A standard error law: its name, log F, log (1 - F), log f, (log f)', (log f)'' and its moments."""

    name: str
    log_cdf: Callable[[Array], Array]
    log_sf: Callable[[Array], Array]
    log_pdf: Callable[[Array], Array]
    score: Callable[[Array], Array]
    curvature: Callable[[Array], Array]
    variance: float
    median: float


def _bounded_exp(z: Array) -> Array:
    return np.exp(np.minimum(z, 700.0))


FAMILIES: dict[str, ErrorDistribution] = {
    "lognormal": ErrorDistribution(
        "lognormal", log_ndtr, lambda z: log_ndtr(-z), lambda z: -0.5 * z**2 - 0.5 * np.log(2 * np.pi),
        lambda z: -z, lambda z: -np.ones_like(z), 1.0, 0.0,
    ),
    "loglogistic": ErrorDistribution(
        "loglogistic", lambda z: -np.logaddexp(0, -z), lambda z: -np.logaddexp(0, z),
        lambda z: -np.logaddexp(0, -z) - np.logaddexp(0, z), lambda z: 1 - 2 * expit(z),
        lambda z: -2 * expit(z) * expit(-z), np.pi**2 / 3, 0.0,
    ),
    "weibull": ErrorDistribution(
        "weibull", lambda z: np.log(-np.expm1(-np.maximum(_bounded_exp(z), 1e-300))), lambda z: -_bounded_exp(z),
        lambda z: z - _bounded_exp(z), lambda z: 1 - _bounded_exp(z), lambda z: -_bounded_exp(z),
        np.pi**2 / 6, float(np.log(np.log(2.0))),
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class CensoredFit:
    """A maximum-likelihood fit: coefficients, scale, log-likelihood, and the point in (d, t) to start the next from."""

    family: str
    coefficients: Array
    scale: float
    log_likelihood: float
    converged: bool
    theta: Array

    @property
    def aic(self) -> float:
        """Akaike's criterion; smaller is better."""
        return 2 * len(self.theta) - 2 * self.log_likelihood


def fit_censored(
    x: Array, low: Array, high: Array, family: str = "lognormal", start: Array | None = None
) -> CensoredFit:
    """Fit ``y = x'b + s e`` to intervals of y.

    Parameters
    ----------
    x : array, shape (n, p)
        Covariates with their constant; of full column rank.
    low, high : array, shape (n,)
        Ends of the interval that holds y: equal when y is known, infinite when open; ``low <= high``.
    family : {"lognormal", "loglogistic", "weibull"}
        Law of e; y is the logarithm of a time, so the names are those of the time.
    start : array, shape (p + 1,), optional
        ``theta`` of an earlier fit.

    Returns
    -------
    CensoredFit
        With ``converged`` False when the likelihood has no finite maximum (nothing observed, or separation).
    """
    law = FAMILIES[family]
    problem = _Likelihood(x, low, high, law)
    theta = problem.start() if start is None else start
    value, gradient, information = problem(theta)
    converged = False
    for _ in range(STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        gain = float(gradient @ step)
        if not np.isfinite(gain) or gain < 0:
            break
        if 0.5 * gain < TOLERANCE:
            converged = True
            break
        size = 1.0
        while size > 1e-8:
            new = theta + size * step
            if new[-1] > 0:
                tried = problem(new)
                if np.isfinite(tried[0]) and tried[0] >= value + 1e-4 * size * gain - 1e-9 * abs(value):
                    break
            size /= 2
        else:
            break
        theta, (value, gradient, information) = new, tried
    scale = 1.0 / theta[-1]
    return CensoredFit(family, theta[:-1] * scale, float(scale), value, converged, theta)


def robust_covariance(x: Array, low: Array, high: Array, fit: CensoredFit) -> Array:
    """Return the sandwich covariance of the coefficients for independent observations (White 1982).

    Parameters
    ----------
    x : array, shape (n, p)
        Covariates, as they were fitted.
    low : array, shape (n,)
        Lower ends of the intervals.
    high : array, shape (n,)
        Upper ends of the intervals.
    fit : CensoredFit
        The fit.

    Returns
    -------
    array, shape (p, p)
        Covariance.
    """
    problem = _Likelihood(x, low, high, FAMILIES[fit.family])
    scores = problem.scores(fit.theta)
    bread = np.linalg.inv(problem(fit.theta)[2])
    jacobian = np.column_stack([np.eye(len(fit.coefficients)) * fit.scale, -fit.coefficients * fit.scale])
    return np.asarray(jacobian @ bread @ (scores.T @ scores) @ bread @ jacobian.T)


class _Likelihood:
    """Log-likelihood, gradient and negative Hessian in theta = (b/s, 1/s)."""

    def __init__(self, x: Array, low: Array, high: Array, law: ErrorDistribution) -> None:
        self.x, self.law = np.asarray(x, float), law
        self.low, self.high = np.asarray(low, float), np.asarray(high, float)
        self.exact = self.low == self.high
        self.has_low, self.has_high = np.isfinite(self.low), np.isfinite(self.high)
        self.ya, self.yb = np.where(self.has_low, self.low, 0.0), np.where(self.has_high, self.high, 0.0)

    def start(self) -> Array:
        """Least squares on midpoints, an open interval standing at its known end."""
        a = np.where(self.has_low, self.low, self.high)
        b = np.where(self.has_high, self.high, self.low)
        y = 0.5 * (a + b)
        inside = np.isfinite(y)
        b_hat = np.linalg.lstsq(self.x[inside], y[inside], rcond=None)[0]
        spread = float(np.std(y[inside] - self.x[inside] @ b_hat)) if inside.any() else 1.0
        s = max(spread, 1e-3) / np.sqrt(self.law.variance)
        return np.append((b_hat) / s, 1 / s)

    def __call__(self, theta: Array) -> tuple[float, Array, Array]:
        """Return the log-likelihood, its gradient and its negative Hessian."""
        t = theta[-1]
        e = self.exact
        value, ga, gb, haa, hab, hbb = self._derivatives(theta)
        total = float(value.sum())
        if not np.isfinite(total):
            return -np.inf, np.zeros(len(theta)), np.eye(len(theta))
        gradient = np.append(-self.x.T @ (ga + gb), self.ya @ ga + self.yb @ gb + e.sum() / t)
        w = haa + 2 * hab + hbb
        cross = -self.x.T @ ((haa + hab) * self.ya + (hab + hbb) * self.yb)
        corner = haa @ self.ya**2 + 2 * hab @ (self.ya * self.yb) + hbb @ self.yb**2 - e.sum() / t**2
        hessian = np.block([[(self.x.T * w) @ self.x, cross[:, None]], [cross[None, :], np.array([[corner]])]])
        return total, gradient, -hessian

    def scores(self, theta: Array) -> Array:
        """Return each observation's gradient, shape (n, p + 1)."""
        _, ga, gb, *_ = self._derivatives(theta)
        last = self.ya * ga + self.yb * gb + self.exact / theta[-1]
        return np.column_stack([-self.x * (ga + gb)[:, None], last])

    def _derivatives(self, theta: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Return value, and first and second derivatives by the two standardised ends, of each observation."""
        d, t = theta[:-1], theta[-1]
        eta = self.x @ d
        za, zb = t * self.ya - eta, t * self.yb - eta
        law, e = self.law, self.exact
        value = np.zeros(len(eta))
        ga, gb, haa, hab, hbb = (np.zeros(len(eta)) for _ in range(5))
        value[e] = law.log_pdf(zb[e]) + np.log(t)
        gb[e], hbb[e] = law.score(zb[e]), law.curvature(zb[e])
        i = ~e
        a, b = za[i], zb[i]
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            fa = np.where(self.has_low[i], law.log_cdf(a), -np.inf)
            fb = np.where(self.has_high[i], law.log_cdf(b), 0.0)
            sa = np.where(self.has_low[i], law.log_sf(a), 0.0)
            sb = np.where(self.has_high[i], law.log_sf(b), -np.inf)
            # the tail that is smaller loses fewer digits in the difference
            mass = np.where(sa < fb, sa + _log1mexp(sb - sa), fb + _log1mexp(fa - fb))
            pa = np.where(self.has_low[i], np.exp(law.log_pdf(a) - mass), 0.0)
            pb = np.where(self.has_high[i], np.exp(law.log_pdf(b) - mass), 0.0)
            value[i] = np.where(np.isfinite(self.low[i]) | np.isfinite(self.high[i]), mass, 0.0)
            ga[i], gb[i] = -pa, pb
            haa[i] = np.where(pa > 0, -pa * law.score(a) - pa**2, 0.0)
            hbb[i] = np.where(pb > 0, pb * law.score(b) - pb**2, 0.0)
            hab[i] = pa * pb
        return value, ga, gb, haa, hab, hbb


def _log1mexp(v: Array) -> Array:
    """Return log(1 - exp(v)) for v <= 0 without losing digits."""
    v = np.minimum(v, -1e-300)
    return np.asarray(np.where(v > -np.log(2), np.log(-np.expm1(v)), np.log1p(-np.exp(v))))
