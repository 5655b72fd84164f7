r"""Hidden Markov model of growth: increments whose mean switches between a slow and a fast regime (Hamilton 1989).

.. math:: d_i = \frac{z_{i+1} - z_i}{\mathrm{sd}_i} = \mu_{S_i} + \sigma e_i, \qquad
   P(S_i = k \mid S_{i-1} = j) = p_{jk}, \quad S \in \{\text{slow}, \text{fast}\}

z is the score on the scale of the link, sd its sampling error over the two checkpoints (for continuous scores a
constant), fitted by ``statsmodels``' ``MarkovRegression``. Growth is counted **per checkpoint**, whatever the spacing
in tokens, so that the scale changes nothing.

*Place.* The first checkpoint of the longest stretch in the fast regime, along the smoothed probabilities; its interval
is the percentile interval over regime paths drawn given the estimated parameters (Chib 1996): it leaves out the
uncertainty of the parameters and is too short.

*Test.* None: with one regime the other's mean and the transition probabilities do not exist, so that the likelihood
ratio has no standard law (Hansen 1992). One or two regimes are chosen by the Bayesian information criterion; there is
no p-value.

*Assumes* two growth rates and independent increments. A score plus white noise has increments correlated by -1/2, and
smooth growth has as many rates as checkpoints: the regime that a steep stretch gets is then a description of it. Where
growth per checkpoint is small beside the noise, one regime is chosen whatever the curve.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.phases.classical.series import RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.axis import Array

PATHS = 1000
STARTS = (0.05, 0.12, 0.3)
"""Shares of the run whose steepest stretch the search takes as fast at first."""


@dataclass(frozen=True, eq=False)
class Switch:
    """The switch into fast growth; checkpoints are counted from 0.

    Attributes
    ----------
    first, low, high : int
        Last checkpoint before growth is fast, and its interval.
    means : (float, float)
        Mean standardised increment, slow and fast.
    fast : array, shape (n - 1,)
        Smoothed probability of the fast regime at each increment.
    gain : float
        How far the Bayesian information criterion prefers two regimes to one; twice a log-likelihood.
    """

    outcome: Outcome
    reason: str
    first: int = -1
    low: int = -1
    high: int = -1
    means: tuple[float, float] = (np.nan, np.nan)
    fast: Array | None = None
    gain: float = np.nan


def fit_switch(s: RegressionSeries, rng: np.random.Generator, level: float = 0.95) -> Switch:
    """Fit two regimes of growth to a series; a failed fit is an outcome, not an error.

    Parameters
    ----------
    s : RegressionSeries
        The series.
    rng : numpy.random.Generator
        Source of randomness for the paths of the regimes.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    Switch
        Position, interval and regimes, with outcome and reason.
    """
    d = increments(s)
    if float(np.ptp(d)) < 1e-9:
        return Switch(Outcome.NONE, "growth is the same at every checkpoint")
    fit = _fit(d)
    if fit is None:
        return Switch(Outcome.NOT_CONVERGED, "the Markov-switching likelihood has no maximum that the search reaches")
    one = -0.5 * len(d) * (np.log(2 * np.pi * d.var()) + 1)
    gain = 2 * (float(fit.llf) - float(one)) - 3 * np.log(len(d))
    const = np.asarray(fit.params)[2:4]
    order = np.argsort(const)
    means = (float(const[order[0]]), float(const[order[1]]))
    if gain <= 0:
        reason = f"one regime of growth suffices (BIC {-gain:.3g} lower than with two)"
        return Switch(Outcome.NONE, reason, means=means, gain=gain)
    fast = np.asarray(fit.smoothed_marginal_probabilities)[:, order[1]]
    start = stretch(fast > 0.5)
    if start is None:
        return Switch(Outcome.NONE, "no stretch is likelier fast than slow", means=means, gain=gain)
    entries = _entries(fit, int(order[1]), rng)
    if not len(entries):
        return Switch(Outcome.NONE, "no path of the regimes is ever fast", means=means, gain=gain)
    tail = (1 - level) / 2
    low, high = (int(q) for q in np.quantile(entries, [tail, 1 - tail], method="inverted_cdf"))
    return Switch(Outcome.FOUND, "", start, min(low, start), max(high, start) + 1, means, fast, gain)


def increments(s: RegressionSeries) -> Array:
    """Return the standardised increments of a series.

    Parameters
    ----------
    s : RegressionSeries
        The series.

    Returns
    -------
    array, shape (n - 1,)
        Increments in units of their sampling error; of their standard deviation for continuous scores.
    """
    z = s.scores
    if not s.counts:
        step = np.diff(z)
        return np.asarray(step / max(float(step.std()), 1e-12))
    p = (s.y * s.weights + 0.5) / (s.weights + 1)
    variance = 1 / (s.weights * p * (1 - p)) if s.logit else p * (1 - p) / s.weights
    return np.asarray(np.diff(z) / np.sqrt(variance[1:] + variance[:-1]))


def _fit(d: Array) -> Any | None:
    """Return the best of the fits from several starts that converged, or None.

    Warnings of the search are read here, in place of being printed: a fit that did not converge is not used.
    """
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    best = None
    for start in _starts(d):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model = MarkovRegression(d, k_regimes=2, trend="c", switching_variance=False)
                fit = model.fit(start_params=start, em_iter=20, disp=False)
            except (np.linalg.LinAlgError, ValueError, FloatingPointError, RuntimeError):
                # RuntimeError: the search went where a chain has no stationary law
                continue
        good = fit.mle_retvals.get("converged", False) and np.isfinite(fit.llf) and np.isfinite(fit.params).all()
        if good and (best is None or fit.llf > best.llf):
            best = fit
    return best


def _starts(d: Array) -> list[Array]:
    """Return starts: what is steepest, as one stretch and as single increments, is fast."""
    out = []
    for share in STARTS:
        m = max(2, round(share * len(d)))
        for fast in (float(np.convolve(d, np.ones(m), "valid").max()) / m, float(np.sort(d)[-m:].mean())):
            slow = (float(d.sum()) - m * fast) / (len(d) - m)
            stay = 1 - 1 / m
            out.append(np.array([1 - (1 - stay) * share, 1 - stay, slow, fast, float(d.var())]))
    return out


def stretch(on: NDArray[np.bool_]) -> int | None:
    """Return where the longest run of True begins, or None where all is False.

    Parameters
    ----------
    on : array of bool, shape (n,)
        Flags.

    Returns
    -------
    int or None
        Index.
    """
    edges = np.diff(np.concatenate([[0], on.astype(int), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return int(starts[(ends - starts).argmax()]) if len(starts) else None


def _entries(fit: Any, fast: int, rng: np.random.Generator) -> Array:
    """Return where the longest fast stretch begins along regime paths drawn backwards (Chib 1996)."""
    filtered = np.asarray(fit.filtered_marginal_probabilities)
    move = np.asarray(fit.regime_transition)[:, :, 0]
    n = len(filtered)
    path = np.empty((n, PATHS), int)
    path[-1] = rng.random(PATHS) < filtered[-1, 1]
    for i in range(n - 2, -1, -1):
        p = filtered[i][:, None] * move[path[i + 1], :].T
        path[i] = rng.random(PATHS) < p[1] / np.maximum(p.sum(0), 1e-300)
    found = [stretch(path[:, j] == fast) for j in range(PATHS)]
    return np.array([e for e in found if e is not None], float)
