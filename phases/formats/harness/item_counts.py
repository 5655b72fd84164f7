"""Whether a score is a count of right answers, and out of how many: only then is its noise that of a count."""

from __future__ import annotations

import numpy as np

from calque.phases.formats.base import Array

WHOLE = 1e-4
"""How near a count must be to a whole number."""


def whole_trials(value: Array, samples: Array, error: Array) -> Array | float | None:
    """Return the trials behind a score, or None when it is no count of right answers out of them.

    It is one when value x trials is a whole number at every checkpoint. Where the number of samples is not known, it
    follows from the standard error of a mean of zeros and ones, se = sqrt(p (1 - p) / (n - 1)).

    Parameters
    ----------
    value, samples, error : arrays, shape (checkpoint,)
        The score, the number of items asked and the standard error; NaN where unknown.

    Returns
    -------
    float, array of shape (checkpoint,), or None
        One number where all checkpoints agree.
    """
    known = np.isfinite(value)
    inside = known & (value > 0) & (value < 1) & (error > 0)
    implied = np.full(len(value), np.nan)
    implied[inside] = 1 + value[inside] * (1 - value[inside]) / error[inside] ** 2
    n = np.where(np.isfinite(samples), samples, implied)
    totals = np.unique(np.round(n[known & np.isfinite(n)]))
    if not len(totals) or np.any((value[known] < 0) | (value[known] > 1)):
        return None
    if len(totals) == 1:  # a value of exactly 0 or 1 has no standard error: its trials are those of the others
        n = np.where(np.isfinite(n), n, totals[0])
    count = value * n
    bad = known & ~((np.abs(n - np.round(n)) < WHOLE * n) & (np.abs(count - np.round(count)) < WHOLE))
    if bad.any():
        return None
    return float(totals[0]) if len(totals) == 1 else np.where(known, np.round(n), np.nan)
