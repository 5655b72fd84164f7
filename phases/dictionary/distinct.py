"""Thinning of candidate curves: of curves that are nearly parallel when whitened, one is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array

PARALLEL = 0.995
"""Cosine above which one of two whitened curves stands for both: it gains all but a hundredth of the other."""
COMPARED = 200
"""Checkpoints at which curves are compared, at most: more take many seconds and tell no more of them apart."""
TYPICAL = ((0.0, 0.0), (0.6, 1.5), (0.93, 4.0))
"""Autocorrelation, and variance of the shift relative to the white noise, under which curves are compared."""


def distinct(columns: Array) -> NDArray[np.intp]:
    """Choose curves such that each of the others is nearly parallel to one, at any typical autocorrelation.

    Parameters
    ----------
    columns : array, shape (n, m)
        Unit curves.

    Returns
    -------
    array of int
        Indices of the chosen curves, increasing.
    """
    if len(columns) > COMPARED:
        columns = columns[np.linspace(0, len(columns) - 1, COMPARED).round().astype(int)]
    n = len(columns)
    seen = []
    for rho, variance in TYPICAL:
        g = Whitener.of(np.ones(n), np.ones(n), rho, np.ones(n - 1), variance)(columns)
        seen.append(np.asarray(g / np.sqrt(np.maximum((g * g).sum(0), 1e-12)), np.float32))
    kept, covered = [], np.zeros(columns.shape[1], bool)
    for j in range(len(covered)):
        if not covered[j]:
            kept.append(j)
            near = np.flatnonzero(seen[0][:, j] @ seen[0] >= PARALLEL)
            covered[near[np.all([g[:, j] @ g[:, near] >= PARALLEL for g in seen[1:]], axis=0)]] = True
    return np.array(kept)
