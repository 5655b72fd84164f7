r"""First-order autocorrelation of residuals, and what it does to the variance of an estimate.

Residuals with :math:`\mathrm{cor}(r_s, r_t) = \rho^{|s - t|}` (distance in checkpoints). An estimate :math:`v^\top r`
has variance :math:`\varphi\, v^\top R v` instead of :math:`\varphi\, v^\top v`; for a slow v the ratio tends to
:math:`(1 + \rho) / (1 - \rho)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.phases.series.axis import Array

LARGEST = 0.98


def first_order(residuals: Array, index: NDArray[np.int64], parameters: int, *, always: bool = False) -> float:
    r"""Return rho, or 0 where the Bayesian information criterion prefers white noise.

    Residuals of a fit are less correlated than the noise: with p parameters that are smooth in time the bias is about
    :math:`-(p + (p + 2)\rho)/n` (Kendall 1954 for p = 1, Tanaka 1984 for p = 2), which is undone here.

    Parameters
    ----------
    residuals : array, shape (n,)
        Standardised residuals, in order.
    index : array of int, shape (n,)
        Rank of each checkpoint; pairs with others missing in between are not used.
    parameters : int
        Parameters that the fit spent.
    always : bool
        Keep an estimate above 0 whatever the criterion prefers.
    """
    n = len(residuals)
    r = residuals - residuals.mean()
    near = np.diff(index) == 1
    total = float((r**2).mean())
    if near.sum() < 5 or total <= 0:
        return 0.0
    raw = float((r[1:] * r[:-1])[near].mean()) / total
    rho = (raw + parameters / n) / (1 - min((parameters + 2) / n, 0.5))
    rho = min(max(rho, 0.0), LARGEST)
    if not always and -n * np.log1p(-(rho**2)) < np.log(n):
        return 0.0
    return rho


def correlation(index: NDArray[np.int64], rho: float) -> Array:
    """Return the correlation matrix of an AR(1): rho to the power of the distance.

    Parameters
    ----------
    index : array of int, shape (n,)
        Positions of the checkpoints in the run.
    rho : float
        Correlation of neighbouring checkpoints, in [0, 1).

    Returns
    -------
    array, shape (n, n)
        Correlations.
    """
    if rho == 0:
        return np.eye(len(index))
    return np.asarray(rho ** np.abs(np.subtract.outer(index, index)).astype(float))


def inflation(v: Array, r: Array) -> Array:
    """Return the factor v'Rv / v'v by which autocorrelation inflates the variance of v'r.

    Parameters
    ----------
    v : array, shape (n,) or (n, m)
        Coefficients of one or several estimates.
    r : array, shape (n, n)
        Correlation of the residuals.

    Returns
    -------
    array, shape (m,)
        Factors.
    """
    v = v[:, None] if v.ndim == 1 else v
    return np.asarray(np.einsum("im,im->m", v, r @ v) / np.einsum("im,im->m", v, v))
