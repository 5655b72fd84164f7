r"""Segmented regression: one kink in a line, on the scale of a link (Muggeo 2003).

.. math:: g(\mathrm E\, y_i) = \beta_0 + \beta_1 x_i + \delta (x_i - \psi)_+

The position :math:`\psi` comes from Muggeo's iteration (a generalised linear model with the further columns
:math:`(x - \psi)_+` and :math:`-1\{x > \psi\}`, whose coefficients :math:`\delta, \gamma` move :math:`\psi` by
:math:`\gamma / \delta`), started at the deepest valleys of the deviance over a grid, as the deviance has several.

*Test.* Davies (1987, 2002): under one straight line :math:`\psi` does not exist, so the score statistic z of
:math:`(x - \psi)_+` is a process over :math:`\psi`, and
:math:`p \le 2[\Phi(-M) + V e^{-M^2/2} / \sqrt{8\pi}]` with M its largest modulus and V its total variation.

*Interval.* Profile deviance: :math:`\{\psi : D(\psi) - D(\hat\psi) \le \varphi \lambda\, q^2\}`, with q normal on the
logit scale and Student's t with n - 4 degrees of freedom otherwise (as R's ``segmented`` does); :math:`\varphi` is the
dispersion (at least 1 for counts) and :math:`\lambda` the factor by which AR(1) residuals inflate the variance of the
score of :math:`\psi` (Kent 1982).

*Assumes* that the mean is a line with one corner on that scale. It does not ask whether it is: smooth growth is bent
too, is rejected as a line, and gets a position and an interval all the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm
from scipy.stats import t as student

from calque.phases.classical.autocorrelation import correlation, first_order, inflation
from calque.phases.classical.series import RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.axis import Array

GRID = 60
STARTS = 3
STEPS = 30
FINE = 1e-5
"""Precision of positions, in units of the axis."""
SEPARATED = 1e-8
"""Deviance a checkpoint below which the fit passes through every score: no dispersion, no interval."""


@dataclass(frozen=True, eq=False)
class Kink:
    """One kink; numbers are NaN where there are none, and an end of the interval is infinite where it is open.

    Attributes
    ----------
    position, low, high : float
        The kink and its interval, on the axis.
    slopes : (float, float)
        Slope before and after, in units of the link per unit of x.
    standard_error : float
        Of the position by Muggeo's linearisation, at the dispersion and autocorrelation found.
    p_value, p_second : float
        Davies' test of a kink, and of a further one beside it.
    dispersion, rho : float
        Of the Pearson residuals.
    coefficients : array, shape (3,)
        Intercept, slope, change of slope.
    """

    outcome: Outcome
    reason: str
    position: float = np.nan
    low: float = np.nan
    high: float = np.nan
    slopes: tuple[float, float] = (np.nan, np.nan)
    standard_error: float = np.nan
    p_value: float = np.nan
    p_second: float = np.nan
    dispersion: float = np.nan
    rho: float = 0.0
    coefficients: Array | None = None

    def scores(self, x: Array) -> Array:
        """Return the fitted line at ``x``, on the scale of the link."""
        assert self.coefficients is not None
        return np.asarray(line(x, self.position) @ self.coefficients)


def fit_kink(s: RegressionSeries, level: float = 0.95) -> Kink:
    """Fit one kink to a series; a failed fit is an outcome, not an error.

    Parameters
    ----------
    s : RegressionSeries
        The series.
    level : float
        Coverage of the interval; the test rejects at 1 - level.

    Returns
    -------
    Kink
        Position, interval, slopes and p-values, with outcome and reason.
    """
    k = max(2, int(np.ceil(0.05 * s.n)))
    ends = (float(s.x[k - 1]), float(s.x[-k]))
    grid = np.unique(np.clip(np.append(s.axis.anchors(GRID), ends), *ends))
    profile = DevianceProfile(s)
    deviance = np.array([profile(float(psi)) for psi in grid])
    if not np.isfinite(deviance).all():
        return Kink(Outcome.NOT_CONVERGED, "the generalised linear model does not converge")
    psi = _best(profile, grid, deviance)
    full = _glm(s, line(s.x, psi))
    if full is None:
        return Kink(Outcome.NOT_CONVERGED, "the generalised linear model does not converge")
    if s.logit and full.deviance < SEPARATED * float(s.weights.sum()):
        reason = "perfect separation: the line passes through every score, so its slope on the logit scale is unbounded"
        return Kink(Outcome.NOT_CONVERGED, reason)
    if full.deviance <= 1e-20 * float((s.weights * (s.y - s.y.mean()) ** 2).sum()):
        return Kink(Outcome.NOT_CONVERGED, "no noise: the line passes through every score, so it has no interval")
    r, root = _residuals(s, full)
    dispersion = float((r**2).sum()) / (s.n - 4)
    if s.counts and s.logit:
        dispersion = max(1.0, dispersion)
    rho = first_order(r, s.index, 4)
    lags = correlation(s.index, rho)
    null = _glm(s, line(s.x, psi)[:, :2])
    if null is None:
        return Kink(Outcome.NOT_CONVERGED, "one straight line does not converge, so there is nothing to test against")
    p_value = _davies(s, null, line(s.x, psi)[:, :2], grid, dispersion, lags)
    tangents = np.column_stack([line(s.x, psi), _jump(s.x, psi)])
    p_second = _davies(s, full, tangents, grid, dispersion, lags)
    b = full.params
    score = _orthogonal(root * _jump(s.x, psi), root[:, None] * tangents[:, :3])
    spread = dispersion * float(inflation(score, lags)[0])
    error = np.sqrt(spread / float(score @ score)) / abs(b[2]) if b[2] else np.inf
    quantile = norm.ppf((1 + level) / 2) if s.logit else student.ppf((1 + level) / 2, s.n - 4)
    low, high = _interval(profile, grid, deviance, psi, spread * float(quantile) ** 2)
    outcome, reason = Outcome.FOUND, ""
    if p_value > 1 - level:
        outcome = Outcome.NONE
        reason = f"one straight line {_scale(s)} suffices (Davies p = {p_value:.2g})"
    return Kink(
        outcome, reason, psi, low, high, (float(b[1]), float(b[1] + b[2])), float(error), p_value, p_second, dispersion,
        rho, b,
    )  # fmt: skip


def line(x: Array, psi: float) -> Array:
    """Return the columns 1, x, (x - psi)+ of a line with a corner, shape (n, 3)."""
    return np.column_stack([np.ones_like(x), x, np.maximum(x - psi, 0.0)])


def _jump(x: Array, psi: float) -> Array:
    return np.where(x > psi, -1.0, 0.0)


def _scale(s: RegressionSeries) -> str:
    return "on the logit scale" if s.logit else "on the score's own scale"


@dataclass(frozen=True, eq=False)
class _Fit:
    """Coefficients (p,), fitted means (n,) and deviance of a generalised linear model."""

    params: Array
    mu: Array
    deviance: float


def _glm(s: RegressionSeries, columns: Array) -> _Fit | None:
    """Return statsmodels' fit, or None where it does not converge or has no finite coefficients.

    Warnings of the fit are read here, in place of being printed: what they warn of is in the result.
    """
    import statsmodels.api as sm

    family = sm.families.Binomial() if s.logit else sm.families.Gaussian()
    y = np.clip(s.y, 0.0, 1.0) if s.logit else s.y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = sm.GLM(y, columns, family=family, var_weights=s.weights).fit()
            fit = _Fit(np.asarray(model.params, float), np.asarray(model.mu, float), float(model.deviance))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError, sm.tools.sm_exceptions.PerfectSeparationError):
            return None
        converged = bool(model.converged)
    return fit if converged and np.isfinite(fit.params).all() and np.isfinite(fit.deviance) else None


@dataclass(frozen=True, eq=False)
class DevianceProfile:
    """Deviance as a function of the position of the kink; infinite where the fit does not converge."""

    s: RegressionSeries
    seen: dict[float, float] = field(default_factory=dict)

    def __call__(self, psi: float) -> float:
        """Return the deviance at ``psi``."""
        if psi not in self.seen:
            fit = _glm(self.s, line(self.s.x, psi))
            self.seen[psi] = np.inf if fit is None else fit.deviance
        return self.seen[psi]


def _best(profile: DevianceProfile, grid: Array, deviance: Array) -> float:
    """Return the deepest position: Muggeo's from the deepest valleys, held against a search around the grid's best."""
    padded = np.concatenate([[np.inf], deviance, [np.inf]])
    valleys = np.flatnonzero((deviance <= padded[:-2]) & (deviance <= padded[2:]))
    valleys = valleys[np.argsort(deviance[valleys], kind="stable")][:STARTS]
    found = [muggeo(profile, float(grid[i]), (float(grid[0]), float(grid[-1]))) for i in valleys]
    i = int(deviance.argmin())
    near = (float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)]))
    searched = minimize_scalar(profile, bounds=near, method="bounded", options={"xatol": FINE})
    found += [float(searched.x), float(grid[i])]
    return min(found, key=profile)


def muggeo(profile: DevianceProfile, psi: float, within: tuple[float, float]) -> float:
    """Return the position at which Muggeo's iteration ends; a step that raises the deviance is halved.

    Parameters
    ----------
    profile : DevianceProfile
        Deviance by position of the kink.
    psi : float
        Position to start from.
    within : tuple of float
        Bounds of the position.

    Returns
    -------
    float
        The position.
    """
    s, at = profile.s, profile(psi)
    for _ in range(STEPS):
        fit = _glm(s, np.column_stack([line(s.x, psi), _jump(s.x, psi)]))
        if fit is None or fit.params[2] == 0:
            return psi
        step = float(fit.params[3] / fit.params[2])
        for _ in range(10):
            new = float(np.clip(psi + step, *within))
            deviance = profile(new)
            if deviance <= at:
                break
            step /= 2
        else:
            return psi
        moved, psi, at = abs(new - psi), new, deviance
        if moved < FINE * (within[1] - within[0]):
            break
    return psi


def _residuals(s: RegressionSeries, fit: _Fit) -> tuple[Array, Array]:
    """Return Pearson residuals and the root of the working weights, both (n,)."""
    mu = fit.mu
    if not s.logit:
        root = np.sqrt(s.weights)
        return (s.y - mu) * root, root
    v = np.maximum(mu * (1 - mu), 1e-12)
    return (s.y - mu) * np.sqrt(s.weights / v), np.sqrt(s.weights * v)


def _orthogonal(v: Array, base: Array) -> Array:
    q = np.linalg.qr(base)[0]
    return np.asarray(v - q @ (q.T @ v))


def _davies(s: RegressionSeries, fit: _Fit, base: Array, grid: Array, dispersion: float, lags: Array) -> float:
    """Return the upper bound of the p-value that a kink anywhere improves ``fit``, whose columns are ``base``."""
    r, root = _residuals(s, fit)
    positions = np.linspace(grid[0], grid[-1], 4 * GRID)
    u = _orthogonal(root[:, None] * np.maximum(s.x[:, None] - positions, 0.0), root[:, None] * base)
    size = (u**2).sum(0)
    u = u[:, size > 1e-9 * max(float(size.max()), 1e-300)]
    if u.shape[1] < 2:
        return 1.0
    z = (u.T @ r) / np.sqrt(dispersion * np.einsum("im,im->m", u, lags @ u))
    m, variation = float(np.abs(z).max()), float(np.abs(np.diff(z)).sum())
    return float(min(1.0, 2 * (norm.sf(m) + variation * np.exp(-(m**2) / 2) / np.sqrt(8 * np.pi))))


def _interval(profile: DevianceProfile, grid: Array, deviance: Array, psi: float, more: float) -> tuple[float, float]:
    """Return the range of positions at most ``more`` above the least deviance; infinite where the grid ends first."""
    most = profile(psi) + more
    inside = deviance <= most
    ends = []
    for side, order in ((-1, np.arange(len(grid))), (1, np.arange(len(grid))[::-1])):
        hits = [int(i) for i in order if inside[i] and (grid[i] - psi) * side >= 0]
        edge = order[0]
        if hits and hits[0] == edge:
            ends.append(side * np.inf)
            continue
        outer = hits[0] + side if hits else int(np.searchsorted(grid, psi)) + (0 if side > 0 else -1)
        inner = float(grid[hits[0]]) if hits else psi
        if not 0 <= outer < len(grid):
            ends.append(side * np.inf)
            continue
        ends.append(float(brentq(lambda p: min(profile(p), 1e300) - most, inner, float(grid[outer]), xtol=FINE)))
    return ends[0], ends[1]
