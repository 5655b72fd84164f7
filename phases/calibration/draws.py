r"""Simulated noise around a curve: counts whose expectation is the curve, and what moves them between checkpoints.

Counts are :math:`k_t \sim \mathrm{Bin}(N, \mathrm{expit}(m_t + u_t))`, u an AR(1) shift of standard deviation
:math:`\sigma` over checkpoints, :math:`m_t` chosen so that the mean over u is the curve itself. Every simulator takes
the generator; none keeps state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit, logit, ndtr

from calque.phases.series.axis import Array
from calque.phases.series.clusters import design_effect
from calque.phases.series.trajectory import Trajectory

Spacing = Literal["uniform", "log", "pythia"]
TOKENS = 37e9
"""Tokens of the run that the suite imitates: 200 checkpoints are 185M tokens apart."""
PYTHIA_STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 3000, *range(13000, 143001, 10000))
"""Steps at which the models of Pythia were evaluated by their authors."""
PYTHIA_BATCH = 2_097_152
"""Tokens of one of these steps."""
SHARED_ITEM = 0.6
"""Share of an item's latent variance that it has in common with the other items of its concept."""


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """How scores scatter about the curve.

    Attributes
    ----------
    rho, sd : float
        Autocorrelation between neighbouring checkpoints and standard deviation of the logit shift.
    icc : float
        Correlation of the trials within one checkpoint (beta-binomial); 0 for binomial counts.
    each : int
        Items a concept; 1 for independent trials. With more, trials are concepts times ``each``, and the items of a
        concept succeed or fail together.
    lasting : float
        Share of an item's latent score that it keeps over training (only with ``each`` > 1).
    missing : float
        Share of the checkpoints that have no score.
    calm : float, optional
        Standard deviation of the logit shift at the end of the run, where ``sd`` is that at its beginning; constant
        when None. It changes evenly in logarithms over checkpoints.
    held : int
        Rows that each score is written to, as in a log whose gaps are filled with the last value; 1 for none.
    listed : int
        How often each checkpoint is in the log, with the same score; 1 for once.
    """

    rho: float = 0.6
    sd: float = 0.4
    icc: float = 0.0
    each: int = 1
    lasting: float = 0.0
    missing: float = 0.0
    calm: float | None = None
    held: int = 1
    listed: int = 1

    def sds(self, n: int) -> Array | float:
        """Return the standard deviation of the logit shift: a number, or one a checkpoint (n,) where it changes."""
        return self.sd if self.calm is None else np.geomspace(self.sd, self.calm, n)


def schedule(spacing: Spacing, n: int, tokens: float = TOKENS) -> Array:
    """Return the positions (n,) of checkpoints, in tokens.

    Parameters
    ----------
    spacing : {"uniform", "log", "pythia"}
        ``log`` spaces them evenly in log tokens, over the last 2.7 decades; ``pythia`` has the positions of
        ``PYTHIA_STEPS``, whatever ``n`` and ``tokens`` are.
    n : int
        Number of checkpoints.
    tokens : float
        Tokens at the last one.
    """
    if spacing == "pythia":
        return PYTHIA_BATCH * np.array(PYTHIA_STEPS, float)
    return np.linspace(tokens / n, tokens, n) if spacing == "uniform" else np.geomspace(tokens / 500, tokens, n)


def ar1(rng: np.random.Generator, n: int, rho: float, sd: float) -> Array:
    """Return a stationary AR(1) series (n,).

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of the innovations.
    n : int
        Length.
    rho : float
        Autocorrelation between neighbours, 0 to less than 1.
    sd : float
        Marginal standard deviation.
    """
    e = rng.standard_normal(n)
    e[1:] *= np.sqrt(1 - rho**2)
    return np.asarray(sd * lfilter([1.0], [1.0, -rho], e))


def shared_shifts(rng: np.random.Generator, n: int, rho: float, share: float) -> tuple[Array, Array]:
    """Return two AR(1) shifts, (n,) each, of unit variance and of a given correlation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of the innovations.
    n : int
        Length.
    rho : float
        Autocorrelation between neighbours, 0 to less than 1.
    share : float
        Correlation of the two shifts, 0 to 1.
    """
    common = ar1(rng, n, rho, 1.0)
    first, second = (np.sqrt(share) * common + np.sqrt(1 - share) * ar1(rng, n, rho, 1.0) for _ in range(2))
    return first, second


def centring(curve: Array, sd: Array | float) -> Array:
    """Return what to add to logit(curve) so that the mean under a normal shift is ``curve``: (n,).

    Newton steps on 21 Gauss-Hermite nodes.

    Parameters
    ----------
    curve : array, shape (n,)
        Expected success rates, between 0 and 1.
    sd : float or array, shape (n,)
        Standard deviation of the logit shift.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    m = np.zeros_like(curve)
    for _ in range(20):
        p = expit((logit(curve) + m)[:, None] + np.multiply.outer(np.broadcast_to(sd, curve.shape), nodes))
        m -= (p @ weights - curve) / ((p * (1 - p)) @ weights)
    return m


def rates(curve: Array, shift: Array, sd: Array | float) -> Array:
    """Return success rates (n,) under a logit ``shift`` (n,) of standard deviation ``sd``; their mean is ``curve``."""
    return np.asarray(expit(logit(curve) + shift + centring(curve, sd)))


def counts(
    rng: np.random.Generator, curve: Array, trials: int, rho: float = 0.6, sd: Array | float = 0.3,
    shock: Array | None = None, icc: float = 0.0,
) -> Array:  # fmt: skip
    """Return counts (n,) out of ``trials`` whose expectation is ``trials * curve``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of shift and counts.
    curve : array, shape (n,)
        Expected success rates, between 0 and 1.
    trials : int
        Trials a checkpoint.
    rho : float
        Autocorrelation of the logit shift.
    sd : float or array, shape (n,)
        Its standard deviation.
    shock : array, shape (n,), optional
        The logit shift itself, of standard deviation ``sd``; drawn when None.
    icc : float
        Beta-binomial correlation: the variance of a count is 1 + (trials - 1) icc times the binomial one.
    """
    rate = rates(curve, sd * ar1(rng, len(curve), rho, 1.0) if shock is None else shock, sd)
    if icc > 0:
        size = (1 - icc) / icc
        rate = rng.beta(rate * size, (1 - rate) * size)
    return rng.binomial(trials, rate).astype(float)


def clustered_items(
    rng: np.random.Generator, curve: Array, concepts: int, each: int, persistence: float, rho: float = 0.6,
    sd: float = 0.2, shock: Array | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Draw the successes of items in concepts; the mean over these items, not over a population, follows ``curve``.

    Items of a concept share ``SHARED_ITEM`` of their latent score at each checkpoint. The lasting part of the scores
    is known, so the threshold of each checkpoint is solved for these items.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of scores and shift.
    curve : array, shape (n,)
        Expected success rates, between 0 and 1.
    concepts, each : int
        Number of concepts, and items a concept.
    persistence : float
        Share of the latent variance that is constant over training.
    rho, sd : float
        Autocorrelation and standard deviation of the logit shift.
    shock : array, shape (n,), optional
        The logit shift itself, of standard deviation ``sd``; drawn when None.

    Returns
    -------
    success : array of bool, shape (n, concepts * each)
        Whether each item succeeds at each checkpoint.
    concept : array of int, shape (concepts * each,)
        Concept of each item.
    """
    concept = np.repeat(np.arange(concepts), each)
    m = len(concept)

    def scores() -> Array:
        common = np.sqrt(SHARED_ITEM) * rng.standard_normal(concepts)[concept]
        return np.asarray(common + np.sqrt(1 - SHARED_ITEM) * rng.standard_normal(m))

    p = max(persistence, 1e-9)
    lasting = np.sqrt(p) * scores()
    rate = rates(curve, ar1(rng, len(curve), rho, sd) if shock is None else shock, sd)
    grid = np.linspace(-7.0, 7.0, 561)
    mean = ndtr((grid[:, None] - lasting) / np.sqrt(1 - p)).mean(1)
    threshold = np.interp(rate, mean, grid)
    success = np.array([lasting + np.sqrt(1 - p) * scores() < limit for limit in threshold])
    return success, concept


def series(
    rng: np.random.Generator, name: str, metric: str, score: Callable[[Array], Array], tokens: Array, trials: int,
    noise: NoiseSpec, shift: Array | None = None,
) -> Trajectory:  # fmt: skip
    """Draw one series of counts around a true curve.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of all draws.
    name, metric : str
        Run and metric of the series.
    score : callable
        Expected score (n,) at shares (n,) of the run.
    tokens : array, shape (n,)
        Positions of the checkpoints, ascending.
    trials : int
        Trials a checkpoint; with clustered items the number of concepts.
    noise : NoiseSpec
        How scores scatter about the curve.
    shift : array, shape (n,), optional
        A logit shift of unit variance to use, for series that share it.
    """
    curve = np.clip(score(tokens / tokens[-1]), 1e-4, 1 - 1e-4)
    sd = noise.sds(len(curve))
    shock = None if shift is None else sd * shift
    if noise.each > 1:
        success, concept = clustered_items(rng, curve, trials, noise.each, noise.lasting, noise.rho, noise.sd, shock)
        asked = np.ones_like(success)
        k, n, effect = success.sum(1).astype(float), success.shape[1], design_effect(success, asked, concept)
    else:
        k, n, effect = counts(rng, curve, trials, noise.rho, sd, shock, noise.icc), trials, 1.0
    if noise.missing > 0:
        gone = rng.random(len(k)) < noise.missing
        gone[[0, -1]] = False  # the run's length and its floor are part of the truth
        k = np.where(gone, np.nan, k)
    k = k[noise.held * (np.arange(len(k)) // noise.held)]
    if noise.listed > 1:
        tokens, k = listed(tokens, noise.listed), np.repeat(k, noise.listed)
    return Trajectory.of_counts(name, metric, tokens, k, n, design_effect=effect)


def listed(tokens: Array, times: int) -> Array:
    """Return positions (n * times,) of checkpoints that are in a log several times, a thousandth of the first apart.

    Parameters
    ----------
    tokens : array, shape (n,)
        Positions, ascending.
    times : int
        How often each is in the log.
    """
    return (tokens[:, None] + 1e-3 * tokens[tokens > 0][0] * np.arange(times)).ravel()
