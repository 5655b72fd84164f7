"""The delete-one-group jackknife: how much an estimate owes to each language, or to each concept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]


def jackknife_variance(deleted: Array) -> Array:
    """Return the variance of an estimate from its values without each of G groups.

    ``(G - 1)/G * sum_g (v_g - mean(v))**2`` over the first axis; NaN where any v_g is missing.

    Parameters
    ----------
    deleted : array, shape (m,)
        Estimates, each with one cluster left out.
    """
    g = deleted.shape[0]
    return np.asarray((g - 1) / g * ((deleted - deleted.mean(0)) ** 2).sum(0))


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error and a t interval."""

    estimate: float
    se: float
    df: float
    low: float
    high: float

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of ``estimate = null``."""
        if self.se == 0:
            return 1.0 if self.estimate == null else 0.0
        return float(2 * student.sf(abs(self.estimate - null) / self.se, self.df))


def t_interval(estimate: float, variance: float, df: float, level: float) -> Interval:
    """Return ``estimate -+ t * sqrt(variance)`` at coverage ``level``.

    Parameters
    ----------
    estimate : float
        The estimate.
    variance : float
        Its variance.
    df : float
        Degrees of freedom.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        Estimate, standard error and ends.
    """
    se = float(np.sqrt(variance))
    half = float(student.ppf(0.5 + level / 2, df)) * se
    return Interval(float(estimate), se, float(df), float(estimate) - half, float(estimate) + half)


def satterthwaite(variances: Array, dfs: Array) -> float:
    """Return the degrees of freedom of a sum of independent variances (Satterthwaite 1946).

    Parameters
    ----------
    variances : array, shape (k,)
        Variances of the terms.
    dfs : array, shape (k,)
        Their degrees of freedom.

    Returns
    -------
    float
        Degrees of freedom; the smallest of ``dfs`` where all variances are 0.
    """
    v, df = np.asarray(variances, float), np.asarray(dfs, float)
    below = float((v**2 / df).sum())
    return float(v.sum() ** 2 / below) if below > 0 else float(df.min())
