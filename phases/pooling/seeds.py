"""Seeds as replicates: intervals over runs of one size and mix, and claims that so few runs do not support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calque.data.quantities import plural
from calque.phases.stats.jackknife import Array, Interval, jackknife_variance, satterthwaite, t_interval

ENOUGH_SEEDS = 6
"""The fewest runs with which a two-sided sign test can be significant at .05 (2 * 2**-6 = .031)."""


LEAST_DF = 2.0
"""Fewer degrees of freedom give no interval: of two runs the t interval is 12.7 standard errors wide to each side, from
one difference, and so wide or narrow by chance alone."""


@dataclass(frozen=True, eq=False)
class PooledRuns:
    """Log times of the runs of one size, by mix, also without each language.

    Attributes
    ----------
    estimates : sequence of arrays
        One array a mix, one value a run.
    deleted : sequence of arrays, or None
        One array (runs, languages) a mix; None when runs differ in their languages.
    """

    estimates: Sequence[Array]
    deleted: Sequence[Array] | None

    @property
    def mean(self) -> float:
        """Mean over mixes of the means over their runs."""
        return float(np.mean([e.mean() for e in self.estimates]))

    @property
    def n(self) -> int:
        """Number of runs."""
        return sum(len(e) for e in self.estimates)

    def _languages(self) -> tuple[float, float] | None:
        if self.deleted is None:
            return None
        without = np.mean([d.mean(0) for d in self.deleted], axis=0)
        return float(jackknife_variance(without)), len(without) - 1.0

    def _seeds(self) -> tuple[float, float] | None:
        if any(len(e) < 2 for e in self.estimates):
            return None
        m = len(self.estimates)
        variances = np.array([e.var(ddof=1) / len(e) / m**2 for e in self.estimates])
        return float(variances.sum()), satterthwaite(variances, np.array([len(e) - 1.0 for e in self.estimates]))

    def over_languages(self, level: float) -> Interval | None:
        """Return the jackknife t interval at ``level`` of the mean over runs, for other languages and these runs."""
        found = self._languages()
        return None if found is None else t_interval(self.mean, *found, level)

    def over_seeds(self, level: float) -> Interval | None:
        """Return the t interval at ``level`` for other seeds and these languages; None when a mix has one run."""
        found = self._seeds()
        return None if found is None else t_interval(self.mean, *found, level)

    def over_both(self, level: float) -> Interval | None:
        """Return the interval at ``level`` for other seeds and other languages: the sum of both variances.

        The residual variance of a pair in a run is part of both, so the sum is slightly too large. Its degrees of
        freedom are the smaller of the two: with Satterthwaite's the interval for both could be the narrower one.
        """
        languages, seeds = self._languages(), self._seeds()
        if languages is None or seeds is None:
            return None
        return t_interval(self.mean, languages[0] + seeds[0], min(languages[1], seeds[1]), level)


def bootstrap_atoms(n: int) -> int:
    """Return how many distinct resamples n values have: C(2n - 1, n)."""
    return math.comb(2 * n - 1, n)


def sign_test_floor(n: int) -> float:
    """Return the smallest two-sided p-value of a sign test on n values: 2**(1 - n)."""
    return min(1.0, 2.0 ** (1 - n))


def cannot_be_claimed(name: str, n: int) -> tuple[str, ...]:
    """Return the claims that runs of one size and mix do not support, as sentences; none from 6 runs on.

    Parameters
    ----------
    name : str
        Name of the condition in the sentences.
    n : int
        Number of runs.
    """
    if n >= ENOUGH_SEEDS:
        return ()
    if n == 1:
        return (
            f"{name} has 1 seed: no interval, test or comparison here speaks of other seeds; "
            "its intervals are about this very run (those over pairs: about other languages in it).",
        )
    atoms, floor = bootstrap_atoms(n), sign_test_floor(n)
    of_t = (
        "of two runs no t interval is given either: it would stand on one difference"
        if n == 2 else "the t interval over seeds takes their log times to be normal, which so few cannot show"
    )  # fmt: skip
    return (
        f"{name} has {plural(n, 'seed')}: that all of them agree is p = {floor:.3g} by a two-sided sign test and "
        f"cannot reach .05; at least {ENOUGH_SEEDS} seeds can.",
        f"{name}: a percentile bootstrap over {plural(n, 'seed')} has {plural(atoms, 'distinct resample')} and never "
        f"leaves their range, so none is printed; {of_t}.",
    )


def partial_conjunction(p_values: Sequence[float], at_least: int) -> float:
    """Return the p-value of "fewer than u of n hypotheses are false" (Benjamini & Heller 2008, Bonferroni form).

    ``min(1, (n - u + 1) * p_(u))`` with p_(u) the u-th smallest; valid under any dependence of the n tests.

    Parameters
    ----------
    p_values : sequence of float
        One a hypothesis.
    at_least : int
        u, from 1 to n.
    """
    p = np.sort(np.asarray(p_values, float))
    assert 1 <= at_least <= len(p)
    return float(min(1.0, (len(p) - at_least + 1) * p[at_least - 1]))


def majority(n: int) -> int:
    """Return the smallest number of runs that is more than half of n."""
    return n // 2 + 1
