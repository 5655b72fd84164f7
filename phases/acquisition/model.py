"""Accelerated failure times of items: fit, errors clustered by concept and language, explained variation.

``ln T = x'b + s e`` with T in tokens, known to lie in an interval. The covariance of the coefficients is the sum of two
delete-one-group jackknives, over concepts and over languages (all items of a language, as source or as target), minus
the sandwich of independent items, which both contain (the two-way clustering of Cameron, Gelbach & Miller 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.stats import f as fisher

from calque.data.quantities import plural
from calque.phases.stats.censored import FAMILIES, CensoredFit, fit_censored, robust_covariance
from calque.phases.stats.jackknife import Array, satterthwaite

FEWEST_GROUPS = 4
Index = NDArray[np.int64]
Tick = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class SurvivalData:
    """Items of a survival regression.

    Attributes
    ----------
    x : array, shape (items, p)
        Design matrix; column 0 is the constant.
    low, high : array, shape (items,)
        Ends of the interval of ln tokens; minus and plus infinity where the time is censored.
    concept, source, target : array of int, shape (items,)
        Clusters: concept, and languages numbered alike for both.
    """

    x: Array
    low: Array
    high: Array
    concept: Index
    source: Index
    target: Index

    def where(self, keep: NDArray[np.bool_]) -> SurvivalData:
        """Return the items marked in ``keep``."""
        return SurvivalData(*(getattr(self, f)[keep] for f in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Errors:
    """Covariance of :func:`with_median` (p + 1, p + 1) and degrees of freedom (p + 1,).

    NaN where a coefficient cannot be estimated without one of the groups.
    """

    covariance: Array
    df: Array
    n_concepts: int
    n_languages: int

    def clusters(self, of: str) -> str:
        """Return what the error of a coefficient counts as independent, such as ``9 languages``.

        Parameters
        ----------
        of : str
            What its covariate varies with, as :class:`calque.phases.acquisition.covariates.Covariate` says.
        """
        languages, concepts = plural(self.n_languages, "language"), plural(self.n_concepts, "concept")
        if of in ("fixed language", "concept") or self.n_languages < FEWEST_GROUPS:
            return concepts
        return languages if of == "language" else f"{languages}, {concepts}"


def choose_family(items: SurvivalData) -> dict[str, CensoredFit]:
    """Fit every family of times to ``items``; return the fits that converged by family, the lowest AIC first."""
    fits = [fit_censored(items.x, items.low, items.high, name) for name in FAMILIES]
    return {f.family: f for f in sorted((f for f in fits if f.converged), key=lambda f: f.aic)}


def with_median(fit: CensoredFit, x: Array) -> Array:
    """Return the coefficients of ``fit`` and, last, the median of ln tokens at covariates ``x`` (p,): (p + 1,)."""
    median = float(x @ fit.coefficients + fit.scale * FAMILIES[fit.family].median)
    return np.append(fit.coefficients, median)


def clustered_errors(
    items: SurvivalData, fit: CensoredFit, fixed: NDArray[np.bool_], tick: Tick = lambda _: None
) -> Errors:
    """Return the covariance of :func:`with_median` at the mean covariates.

    Parameters
    ----------
    items : SurvivalData
        Items of the regression.
    fit : CensoredFit
        Their fit.
    fixed : array of bool, shape (p,)
        Columns that are levels of a language: deleting the language deletes its level, so their errors, and with them
        those of the median, are clustered by concept alone.
    tick : callable
        Called before every refit with what is left out.
    """
    centre = items.x.mean(0)
    p = items.x.shape[1]
    concepts = np.unique(items.concept)
    languages = np.unique(np.concatenate([items.source, items.target]))
    by_concept, by_language = [], []
    for c in concepts:
        tick("without each concept")
        by_concept.append(_refit(items, items.concept != c, fit, centre))
    wide = len(languages) >= FEWEST_GROUPS
    for language in languages if wide else []:
        tick("without each language")
        keep = (items.source != language) & (items.target != language)
        by_language.append(_refit(items, keep, fit, centre))
    v_concept = _jackknife_covariance(np.array(by_concept))
    v_language = _jackknife_covariance(np.array(by_language)) if wide else np.zeros_like(v_concept)
    free = np.append(~fixed, not fixed.any())
    v_language[~np.outer(free, free)] = 0.0
    both = np.zeros_like(v_concept)
    both[:p, :p] = robust_covariance(items.x, items.low, items.high, fit) if wide else 0.0
    both[~np.outer(free, free)] = 0.0
    covariance = v_concept + v_language - both
    # the difference of estimates may be smaller than one part alone: use the larger part then
    for i in range(p + 1):
        largest = max(v_concept[i, i], v_language[i, i])
        if covariance[i, i] < largest:
            grow = np.sqrt(largest / covariance[i, i]) if covariance[i, i] > 0 else 1.0
            covariance[i, :] *= grow
            covariance[:, i] *= grow
            covariance[i, i] = largest
    df = np.array([
        satterthwaite(np.array([v_concept[i, i], v_language[i, i]]),
                      np.array([len(concepts) - 1.0, max(len(languages) - 1.0, 1.0)]))
        for i in range(p + 1)
    ])  # fmt: skip
    return Errors(covariance, df, len(concepts), len(languages))


def _refit(items: SurvivalData, keep: NDArray[np.bool_], fit: CensoredFit, centre: Array) -> Array:
    """Return :func:`with_median` of the items marked in ``keep``; NaN for what they do not determine.

    With N spanning the null space of the design, b_j is determined where row j of N is 0, and x'b where x'N is. Columns
    all of whose items are right-censored are left out, with these items: their coefficient is infinite.
    """
    part = items.where(keep)
    out = np.full(part.x.shape[1] + 1, np.nan)
    reached = np.isfinite(part.high)
    lost = np.all(part.x[reached] == 0, axis=0)
    part = part.where(~np.any(part.x[:, lost] != 0, axis=1))
    if not reached.any():
        return out
    x = part.x
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    null = vectors[:, values < 1e-9]
    can = np.ones(x.shape[1], bool)
    if null.shape[1]:
        _, _, order = qr(x, mode="economic", pivoting=True)
        can[order[len(can) - null.shape[1] :]] = False
    again = fit_censored(x[:, can], part.low, part.high, fit.family, fit.theta[np.append(can, True)])
    if again.converged:
        estimate = np.zeros(len(can))
        estimate[can] = again.coefficients
        known = np.all(np.abs(null) < 1e-6, axis=1)
        out[:-1][known] = estimate[known]
        if np.all(np.abs(centre @ null) < 1e-6):
            out[-1] = estimate @ centre + again.scale * FAMILIES[fit.family].median
    return out


def _jackknife_covariance(deleted: Array) -> Array:
    g = len(deleted)
    away = deleted - deleted.mean(0)
    return np.asarray((g - 1) / g * away.T @ away)


def wald_p(estimate: Array, covariance: Array, df: float) -> float:
    """Return the p-value of the hypothesis that all coefficients are 0; NaN without a covariance.

    The Wald statistic, divided by k, is compared with F(k, df).

    Parameters
    ----------
    estimate : array, shape (k,)
        Coefficients.
    covariance : array, shape (k, k)
        Their covariance.
    df : float
        Denominator degrees of freedom.
    """
    if not np.all(np.isfinite(covariance)):
        return float("nan")
    k = len(estimate)
    try:
        statistic = float(estimate @ np.linalg.solve(covariance, estimate)) / k
    except np.linalg.LinAlgError:
        return float("nan")
    return float(fisher.sf(statistic, k, df)) if statistic >= 0 else float("nan")


def explained_variation(x: Array, fit: CensoredFit) -> float:
    """Return var(x'b) / (var(x'b) + s^2 var(e)), the share of the variance of ln T (McKelvey & Zavoina 1975).

    Without censoring and with normal errors this is the R-squared of least squares; unlike a likelihood ratio it does
    not decrease as more times are censored.

    Parameters
    ----------
    x : array, shape (items, p)
        Design matrix.
    fit : CensoredFit
        Coefficients b, scale s and family of the errors e.
    """
    between = float(np.var(x @ fit.coefficients))
    return between / (between + fit.scale**2 * FAMILIES[fit.family].variance)


def shapley(
    items: SurvivalData, groups: Sequence[Sequence[int]], family: str, tick: Tick = lambda _: None
) -> tuple[float, Array]:
    """Divide explained variation among predictors: mean gain over all orders of entry (Lindeman, Merenda & Gold 1980).

    Parameters
    ----------
    items : SurvivalData
        Items of the regression.
    groups : sequence of sequences of int
        Columns of each predictor; column 0 is the constant.
    family : str
        Family of times.
    tick : callable
        Called before each of the 2**k - 1 fits.

    Returns
    -------
    total, shares : float and array, shape (predictors,)
        Shares sum to the total.
    """
    k = len(groups)
    worth: dict[frozenset[int], float] = {frozenset(): 0.0}
    for size in range(1, k + 1):
        for members in combinations(range(k), size):
            tick("explained variation")
            columns = [0, *(c for g in members for c in groups[g])]
            x = items.x[:, columns]
            fit = fit_censored(x, items.low, items.high, family)
            worth[frozenset(members)] = explained_variation(x, fit) if fit.converged else float("nan")
    return worth[frozenset(range(k))], shapley_shares(worth, k)


def shapley_shares(worth: Mapping[frozenset[int], float], k: int) -> Array:
    """Return the mean gain of each of k members over all orders of entry: (k,).

    Parameters
    ----------
    worth : mapping of frozenset of int to float
        Of every subset of ``range(k)``, the empty one too.
    k : int
        Members.
    """
    shares = np.zeros(k)
    for g in range(k):
        others = [i for i in range(k) if i != g]
        for size in range(k):
            weight = factorial(size) * factorial(k - size - 1) / factorial(k)
            for members in combinations(others, size):
                shares[g] += weight * (worth[frozenset(members) | {g}] - worth[frozenset(members)])
    return shares
