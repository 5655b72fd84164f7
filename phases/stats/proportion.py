"""Intervals of a proportion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wilson(share: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the Wilson score interval of proportions.

    :math:`(p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}) / (1 + z^2/n)`, by ``statsmodels``.

    Parameters
    ----------
    share : array, shape (...)
        Proportions p between 0 and 1.
    trials : array, shape (...)
        Trials n, which need not be whole; NaN where there is none.
    level : float
        Coverage.

    Returns
    -------
    low, high : array, shape (...)
        NaN where the proportion or the trials are.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22.
    """
    from statsmodels.stats.proportion import proportion_confint

    p, n = np.broadcast_arrays(np.asarray(share, float), np.asarray(trials, float))
    low, high = np.full(p.shape, np.nan), np.full(p.shape, np.nan)
    known = np.isfinite(p) & np.isfinite(n) & (n > 0)
    if known.any():
        low[known], high[known] = proportion_confint(p[known] * n[known], n[known], alpha=1 - level, method="wilson")
    return low, high
