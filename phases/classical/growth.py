r"""Growth curves: logistic and Gompertz regression with two free asymptotes.

.. math:: \mathrm E\, y_i = a + (c - a)\, u\!\left(\frac{x_i - m}{s}\right), \qquad
   u(z) = \frac{1}{1 + e^{-z}} \ \text{(logistic)}, \quad u(z) = e^{-e^{-z}} \ \text{(Gompertz)}

fitted by weighted least squares in turn with its weights (counts: :math:`n / \mu (1 - \mu)`) and the first-order
autocorrelation of its residuals; a proportion keeps both asymptotes in [0, 1]. Covariance from ``statsmodels``' least
squares on the whitened tangents at the solution, with the dispersion estimated (at least 1 for counts).

*Places.* :math:`x_q = m + s\, u^{-1}(q)` at q = .1 and .5 **of the rise between the fitted asymptotes**, intervals by
the delta method and Student's t. Width: :math:`s (u^{-1}(.5) - u^{-1}(.1))`, with an interval symmetric in ln s.

*Test.* None: without a rise m and s do not exist. A rise is kept when the Bayesian information criterion prefers it to
a constant.

*Assumes* that growth has this shape, from the first checkpoint to the asymptote. The curve has no beginning, so nothing
here is an onset; where training ends before growth does, the asymptote is extrapolated and so are the places
(``censored``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares
from scipy.special import expit, logit
from scipy.stats import t as student

from calque.phases.classical.autocorrelation import correlation, first_order
from calque.phases.classical.series import RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.axis import Array

Name = Literal["logistic", "gompertz"]
ROUNDS = 4
STARTS = 3
LEAST = 0.004
"""Scores nearer to 0 or 1 have the variance of this score: a floor seen as exactly 0 is not noiseless."""


@dataclass(frozen=True)
class Shape:
    """A curve from 0 to 1 and its inverse."""

    rise: Callable[[Array], Array]
    at: Callable[[float], float]


SHAPES: dict[str, Shape] = {
    "logistic": Shape(lambda z: np.asarray(expit(z)), lambda q: float(logit(q))),
    "gompertz": Shape(lambda z: np.exp(-np.exp(-np.clip(z, -700.0, None))), lambda q: float(-np.log(-np.log(q)))),
}


@dataclass(frozen=True, eq=False)
class Growth:
    """A fitted growth curve.

    Attributes
    ----------
    theta : array, shape (4,)
        Asymptotes a and c, middle m, and ln s.
    covariance : array, shape (4, 4)
        Of theta; 0 for an asymptote that stands on its bound.
    freedom : int
        Degrees of freedom of its intervals.
    dispersion, rho : float
        Of the standardised residuals.
    gain : float
        How far the Bayesian information criterion prefers the rise to a constant.
    """

    outcome: Outcome
    reason: str
    name: Name = "logistic"
    theta: Array | None = None
    covariance: Array | None = None
    freedom: int = 1
    dispersion: float = np.nan
    rho: float = 0.0
    gain: float = np.nan

    def scores(self, x: Array) -> Array:
        """Return the fitted curve at ``x``."""
        assert self.theta is not None
        return curve(self.name, self.theta, x)

    def place(self, q: float, level: float) -> tuple[float, float, float]:
        """Return the position at which a share of the rise is reached, with its interval.

        Parameters
        ----------
        q : float
            Share of the rise, between 0 and 1.
        level : float
            Coverage of the interval, between 0 and 1.

        Returns
        -------
        tuple of float
            Position, lower and upper end, all on the axis x.
        """
        assert self.theta is not None and self.covariance is not None
        z, s = SHAPES[self.name].at(q), float(np.exp(self.theta[3]))
        gradient = np.array([0.0, 0.0, 1.0, s * z])
        half = self._quantile(level) * float(np.sqrt(gradient @ self.covariance @ gradient))
        at = float(self.theta[2] + s * z)
        return at, at - half, at + half

    def width(self, level: float) -> tuple[float, float, float]:
        """Return the distance between 10 and 50 % of the rise, with its interval.

        Parameters
        ----------
        level : float
            Coverage of the interval, between 0 and 1.

        Returns
        -------
        tuple of float
            Distance, lower and upper end, in units of the axis x.
        """
        assert self.theta is not None and self.covariance is not None
        at = SHAPES[self.name].at
        w = float(np.exp(self.theta[3])) * (at(0.5) - at(0.1))
        with np.errstate(over="ignore"):  # a width that the data do not bound has an interval from 0 to inf
            factor = float(np.exp(self._quantile(level) * np.sqrt(self.covariance[3, 3])))
        return w, w / factor, w * factor

    def _quantile(self, level: float) -> float:
        return float(student.ppf((1 + level) / 2, self.freedom))


def curve(name: Name, theta: Array, x: Array) -> Array:
    """Evaluate a growth curve.

    Parameters
    ----------
    name : {"logistic", "gompertz"}
        Family.
    theta : array, shape (4,)
        Asymptotes a and c, middle m, and ln s.
    x : array, shape (n,)
        Positions.

    Returns
    -------
    array, shape (n,)
        Values.
    """
    a, c, m, log_s = theta
    return np.asarray(a + (c - a) * SHAPES[name].rise((x - m) / np.exp(log_s)))


def fit_growth(s: RegressionSeries, name: Name = "logistic", *, proportion: bool = False) -> Growth:
    """Fit one growth curve to a series; a failed fit is an outcome, not an error.

    Parameters
    ----------
    s : RegressionSeries
        The series.
    name : {"logistic", "gompertz"}
        Family.
    proportion : bool
        Whether both asymptotes are held in [0, 1].

    Returns
    -------
    Growth
        The fit, with outcome and reason.
    """
    span = float(np.ptp(s.x))
    lower = np.array([0.0 if proportion else -np.inf] * 2 + [s.x[0] - span, np.log(span / 1000)])
    upper = np.array([1.0 if proportion else np.inf] * 2 + [s.x[-1] + span, np.log(5 * span)])
    whiten = _whitener(s, np.full(s.n, float(s.y.mean())), 0.0, proportion)
    tried = [_solve(s, name, start, lower, upper, whiten) for start in _starts(s, name, span, lower, upper)]
    done = [t for t in tried if t is not None]
    if not done:
        return Growth(Outcome.NOT_CONVERGED, f"the {name} curve does not converge")
    theta = min(done, key=lambda t: t[1])[0]
    rho = 0.0
    for _ in range(ROUNDS):
        mu = curve(name, theta, s.x)
        rho = first_order((s.y - mu) / _deviation(s, mu, proportion), s.index, 4)
        whiten = _whitener(s, mu, rho, proportion)
        solved = _solve(s, name, theta, lower, upper, whiten)
        if solved is None:
            return Growth(Outcome.NOT_CONVERGED, f"the {name} curve does not converge")
        moved, theta = float(np.abs(solved[0] - theta).max()), solved[0]
        if moved < 1e-5:
            break
    r = whiten(s.y - curve(name, theta, s.x))
    rss = float(r @ r)
    if rss <= 1e-18 * float((whiten(s.y) ** 2).sum()):
        return Growth(Outcome.NOT_CONVERGED, "no noise: the curve passes through every score, so it has no interval")
    free = (theta - lower > 1e-6) & (upper - theta > 1e-6)
    freedom = s.n - int(free.sum())
    dispersion = max(1.0, rss / freedom) if s.counts else rss / freedom
    one = whiten(np.ones(s.n))
    flat = whiten(s.y) - one * float(one @ whiten(s.y)) / float(one @ one)
    gain = (float(flat @ flat) - rss) / dispersion - 3 * np.log(s.n)
    if gain <= 0:
        return Growth(Outcome.NONE, f"a constant suffices (BIC {-gain:.3g} lower than with a {name} rise)", gain=gain)
    if theta[1] <= theta[0]:
        return Growth(Outcome.NONE, f"the score falls; a {name} curve rises", gain=gain)
    if theta[3] < lower[3] + 0.01 or theta[3] > upper[3] - 0.01:
        how = "within one checkpoint" if theta[3] < lower[3] + 0.01 else "without a bend"
        reason = f"the rise is {how}: the steepness of a {name} curve has no finite estimate"
        return Growth(Outcome.NOT_CONVERGED, reason, gain=gain)
    if not (free[2] and free[3]):
        return Growth(Outcome.NOT_CONVERGED, f"the middle of the {name} curve lies far outside the run", gain=gain)
    inverse = _inverse(whiten(_tangents(name, theta, s.x)[:, free]), r)
    if inverse is None:
        return Growth(Outcome.NOT_CONVERGED, f"the parameters of the {name} curve cannot be told apart", gain=gain)
    covariance = np.zeros((4, 4))
    covariance[np.ix_(free, free)] = dispersion * inverse
    return Growth(Outcome.FOUND, "", name, theta, covariance, freedom, dispersion, rho, gain)


def _tangents(name: Name, theta: Array, x: Array) -> Array:
    steps = np.diag(1e-6 * np.maximum(1.0, np.abs(theta)))
    sides = [(curve(name, theta + h, x) - curve(name, theta - h, x)) / (2 * h.max()) for h in steps]
    return np.column_stack(sides)


def _inverse(tangents: Array, residuals: Array) -> Array | None:
    """Return the covariance of the parameters at dispersion 1, or None where they are not identified."""
    import statsmodels.api as sm

    if np.linalg.cond(tangents / np.linalg.norm(tangents, axis=0)) > 1e8:
        return None
    found = np.asarray(sm.OLS(residuals, tangents).fit().normalized_cov_params, float)
    return found if np.isfinite(found).all() else None


def _starts(s: RegressionSeries, name: Name, span: float, lower: Array, upper: Array) -> list[Array]:
    """Return the best starts of a grid over (m, ln s), where the asymptotes are least squares."""
    found = []
    for m in np.linspace(s.x[0], s.x[-1], 15):
        for scale in span * np.array([0.01, 0.04, 0.12, 0.35]):
            u = SHAPES[name].rise((s.x - m) / scale)
            a, c = np.linalg.lstsq(np.column_stack([1 - u, u]), s.y, rcond=None)[0]
            theta = np.clip([a, c, m, np.log(scale)], lower + 1e-9, upper - 1e-9)
            found.append((float(((s.y - curve(name, theta, s.x)) ** 2).sum()), theta))
    return [theta for _, theta in sorted(found, key=lambda f: f[0])[:STARTS]]


def _deviation(s: RegressionSeries, mu: Array, proportion: bool) -> Array:
    """Return the standard deviation of sampling, up to the dispersion, shape (n,)."""
    if not proportion:
        return np.ones(s.n)
    p = np.clip(mu, LEAST, 1 - LEAST)
    return np.asarray(np.sqrt(p * (1 - p) / s.weights))


def _whitener(s: RegressionSeries, mu: Array, rho: float, proportion: bool) -> Callable[[Array], Array]:
    root, deviation = np.linalg.cholesky(correlation(s.index, rho)), _deviation(s, mu, proportion)

    def whiten(v: Array) -> Array:
        scaled = v / (deviation if v.ndim == 1 else deviation[:, None])
        return np.asarray(scaled if rho == 0 else solve_triangular(root, scaled, lower=True))

    return whiten


def _solve(
    s: RegressionSeries, name: Name, start: Array, lower: Array, upper: Array, whiten: Callable[[Array], Array]
) -> tuple[Array, float] | None:
    """Return parameters and half the whitened sum of squares, or None where the search does not end."""
    inside = np.clip(start, lower + 1e-9, upper - 1e-9)

    def residuals(theta: Array) -> Array:
        return whiten(s.y - curve(name, theta, s.x))

    found = least_squares(residuals, inside, bounds=(lower, upper), x_scale="jac")
    return (found.x, float(found.cost)) if found.success and np.isfinite(found.cost) else None
