"""Pooling log times over directed pairs of languages: the mean, with a delete-one-language jackknife t interval.

Pairs that share a language are not independent: with L languages, L(L-1) directed pairs carry about L independent
pieces of information. Deleting a language deletes all its pairs, as source and as target. Where some pairs are
censored (no takeoff by the last checkpoint, or one before the first) the mean is that of a normal distribution fitted
to intervals (Tobin 1958), refitted without each language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.quantities import plural
from calque.phases.results import Outcome
from calque.phases.stats.censored import fit_censored
from calque.phases.stats.jackknife import Array, Interval, jackknife_variance, t_interval

FEWEST_LANGUAGES = 4
"""A jackknife t over three languages has 2 degrees of freedom and single pairs in its deletions."""
MOST_CENSORED = 0.5
"""Beyond this share the mean lies where nothing was observed: it would depend on the assumed distribution alone."""


@dataclass(frozen=True, eq=False)
class PairTimes:
    """Log times of directed pairs.

    Attributes
    ----------
    source, target : array of int, shape (n,)
        Languages, numbered from 0 alike for both.
    low, high : array, shape (n,)
        Ends of the log time: equal when located, ``high`` infinite when not reached by the end, ``low`` minus infinite
        when passed before the beginning.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    low: Array
    high: Array

    @property
    def languages(self) -> NDArray[np.int64]:
        """Languages in at least one pair."""
        return np.unique(np.concatenate([self.source, self.target]))

    def without(self, language: int) -> PairTimes:
        """Return the pairs without those that have ``language`` as source or as target."""
        keep = (self.source != language) & (self.target != language)
        return PairTimes(self.source[keep], self.target[keep], self.low[keep], self.high[keep])


@dataclass(frozen=True, eq=False)
class PooledTimes:
    """The pooled log time of one run; ``interval`` and ``deleted`` are None unless ``outcome`` is found.

    ``deleted`` holds the estimate without each language, in the order of ``languages``.
    """

    outcome: Outcome
    reason: str
    n_pairs: int
    n_right: int
    n_left: int
    languages: tuple[int, ...]
    interval: Interval | None = None
    deleted: Array | None = None
    estimator: str = "mean"


def mean_time(low: Array, high: Array) -> float:
    """Return the mean log time; with censored times that of a fitted normal distribution, NaN when it has no maximum.

    Parameters
    ----------
    low, high : array, shape (n,)
        Ends of the log times, as in :class:`PairTimes`.
    """
    if len(low) == 0:
        return float("nan")
    if np.all(low == high):
        return float(low.mean())
    if not np.any(low == high):
        return float("nan")
    fit = fit_censored(np.ones((len(low), 1)), low, high, "lognormal")
    return float(fit.coefficients[0]) if fit.converged else float("nan")


def pool_pairs(pairs: PairTimes, level: float = 0.95) -> PooledTimes:
    """Pool log times over pairs with a delete-one-language jackknife t interval.

    ``m -+ t(L-1) * sqrt((L-1)/L * sum_l (m_(l) - mean m_(.))**2)`` with m_(l) the mean over pairs without language l.

    Parameters
    ----------
    pairs : PairTimes
        Log times of the pairs of one run.
    level : float
        Confidence level.
    """
    right, left = int(np.isposinf(pairs.high).sum()), int(np.isneginf(pairs.low).sum())
    languages = tuple(int(v) for v in pairs.languages)
    n = len(pairs.low)

    def ended(outcome: Outcome, reason: str) -> PooledTimes:
        return PooledTimes(outcome, reason, n, right, left, languages)

    if len(languages) < FEWEST_LANGUAGES:
        reason = (
            f"{plural(len(languages), 'language has', 'languages have')} a pair; the jackknife needs at least "
            f"{FEWEST_LANGUAGES}"
        )
        return ended(Outcome.TOO_FEW_POINTS, reason)
    if right + left > MOST_CENSORED * n:
        reason = f"{right + left} of {plural(n, 'pair')} censored: a mean would rest on the assumed law, not on times"
        return ended(Outcome.CENSORED, reason)
    estimate = mean_time(pairs.low, pairs.high)
    deleted = np.array([mean_time(p.low, p.high) for p in map(pairs.without, languages)])
    if not np.isfinite(estimate):
        return ended(Outcome.NOT_CONVERGED, "the normal law of the censored times has no finite maximum")
    if not np.all(np.isfinite(deleted)):
        lost = int((~np.isfinite(deleted)).sum())
        reason = (
            f"the pairs have a mean but no interval: without one of {lost} of {plural(len(languages), 'language')} "
            "too few times are left"
        )
        return ended(Outcome.NOT_SHARPLY_LOCATED, reason)
    interval = t_interval(estimate, float(jackknife_variance(deleted)), len(languages) - 1, level)
    how = f"{plural(n, 'pair')} of {plural(len(languages), 'language')}"
    if right or left:
        how += f", {right + left} censored and fitted as such"
    return PooledTimes(
        Outcome.FOUND, how, n, right, left, languages, interval, deleted, "tobit" if right or left else "mean"
    )


def pool_deleted(estimate: float, deleted: Array, level: float = 0.95) -> PooledTimes:
    """Return the jackknife t interval of a run's one estimate from its values without each language.

    Parameters
    ----------
    estimate : float
        Log time, or log ratio, of the whole run; NaN where there is none.
    deleted : array, shape (languages,)
        The same without each language.
    level : float
        Confidence level.
    """
    languages = tuple(range(len(deleted)))

    def ended(outcome: Outcome, reason: str) -> PooledTimes:
        return PooledTimes(outcome, reason, 0, 0, 0, languages)

    if len(languages) < FEWEST_LANGUAGES:
        return ended(
            Outcome.TOO_FEW_POINTS,
            f"{plural(len(languages), 'language')}; the jackknife needs at least {FEWEST_LANGUAGES}",
        )
    if not np.isfinite(estimate):
        return ended(Outcome.CENSORED, "the run as a whole has no time to pool")
    lost = int((~np.isfinite(deleted)).sum())
    if lost:
        return ended(
            Outcome.NOT_SHARPLY_LOCATED, f"the time is gone without one of {plural(lost, 'language')}: it rests on them"
        )
    interval = t_interval(estimate, float(jackknife_variance(deleted)), len(languages) - 1, level)
    return PooledTimes(
        Outcome.FOUND, f"the run without each of {plural(len(languages), 'language')}", 0, 0, 0, languages, interval,
        deleted,
    )  # fmt: skip
