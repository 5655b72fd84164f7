r"""Tests of whitened residuals z for what the model assumes; each takes many series at once.

- ``autocorrelation``: Ljung and Box (1978), :math:`Q = n(n+2)\sum_{k=1}^m r_k^2/(n-k)` against chi-square with m.
- ``variance``: Breusch and Pagan (1979) as Koenker (1981) studentised it, n R² of z² regressed on the position and its
  square, against chi-square with 2.
- ``outlier``: the largest :math:`|z_t|` over 1.4826 times their median, which is the standard deviation of normal
  residuals and does not grow with the outliers; normal, Bonferroni over the checkpoints.
- ``tails``: the kurtosis of z against that of normal residuals, 3 with variance 24/n: a collapse of several
  checkpoints is two large steps, and the noise that is fitted to them leaves all others small.
- ``dispersion``: :math:`\sum z_t^2` of counts against chi-square with n less the curve's parameters, both tails: less
  scatter than independent trials allow, or more than the noise can give.

Those of ``statsmodels.stats.diagnostic`` take one series; tests hold these to them.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2, norm

from calque.data.outliers import NORMAL
from calque.phases.dictionary.fit import FITTED
from calque.phases.series.axis import Array

LAGS = 10
"""Lags of the test of autocorrelation; a fifth of the checkpoints where these are fewer than 50."""
NAMES = ("autocorrelation", "variance", "outlier", "tails", "dispersion")


def lags_of(n: int) -> int:
    """Return the number of lags that are tested in a series of ``n`` checkpoints."""
    return max(1, min(LAGS, n // 5))


def autocorrelations(z: Array, lags: int) -> Array:
    """Return the autocorrelations of series at lags 1 to ``lags``.

    Parameters
    ----------
    z : array, shape (n, B)
        Series, one a column.
    lags : int
        Largest lag.

    Returns
    -------
    array, shape (lags, B)
    """
    e = z - z.mean(0)
    total = np.maximum((e * e).sum(0), 1e-300)
    return np.stack([(e[k:] * e[:-k]).sum(0) / total for k in range(1, lags + 1)])


def autocorrelation(z: Array) -> Array:
    """Return the p-values (B,) of Ljung and Box for series (n, B).

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    """
    n, m = len(z), lags_of(len(z))
    r = autocorrelations(z, m)
    q = n * (n + 2) * (r * r / (n - np.arange(1, m + 1))[:, None]).sum(0)
    return np.asarray(chi2.sf(q, m))


def variance(z: Array, position: Array) -> Array:
    """Return the p-values (B,) of Breusch, Pagan and Koenker for series (n, B) at positions (n,).

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    position : array, shape (n,)
        How far training has come at each checkpoint.
    """
    square = z * z
    u = square - square.mean(0)
    q = np.linalg.qr(np.column_stack([np.ones(len(z)), position, position**2]))[0][:, 1:]
    explained = ((q.T @ u) ** 2).sum(0)
    return np.asarray(chi2.sf(len(z) * explained / np.maximum((u * u).sum(0), 1e-300), 2))


def outlier(z: Array) -> Array:
    """Return the p-values (B,) of the largest standardised residual of series (n, B).

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    """
    return np.minimum(2 * len(z) * norm.sf(np.abs(z).max(0) / robust_scale(z)), 1.0)


def robust_scale(z: Array) -> Array:
    """Return the standard deviation of series (n, B) by their median absolute residual: (B,).

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    """
    return np.maximum(NORMAL * np.median(np.abs(z), axis=0), 1e-300)


def tails(z: Array) -> Array:
    """Return the p-values (B,) of the kurtosis of series (n, B).

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    """
    square = z * z
    kurtosis = (square * square).mean(0) / np.maximum(square.mean(0) ** 2, 1e-300)
    return np.asarray(norm.sf((kurtosis - 3) / np.sqrt(24 / len(z))))


def dispersion(z: Array) -> Array:
    """Return the p-values (B,) of the sum of squares of series (n, B), both tails.

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    """
    total, freedom = (z * z).sum(0), max(len(z) - FITTED, 1)
    return np.minimum(2 * np.minimum(chi2.sf(total, freedom), chi2.cdf(total, freedom)), 1.0)


def p_values(z: Array, position: Array, counts: bool) -> Array:
    """Return the p-values of all tests, in the order of ``NAMES``; dispersion is tested of counts alone.

    Parameters
    ----------
    z : array, shape (n, B)
        Whitened residuals, one series a column.
    position : array, shape (n,)
        How far training has come at each checkpoint.
    counts : bool
        Whether the scores are counts, whose least variance is known.

    Returns
    -------
    array, shape (5 or 4, B)
    """
    found = [autocorrelation(z), variance(z, position), outlier(z), tails(z)]
    return np.stack([*found, dispersion(z)] if counts else found)
