"""Many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the false discovery rate under any dependence (Benjamini and Yekutieli 2001).

    Parameters
    ----------
    p_values : sequence of float
        Of dependent tests.
    """
    from scipy.stats import false_discovery_control

    if not p_values:
        return []
    return [float(p) for p in np.atleast_1d(false_discovery_control(list(p_values), method="by"))]


def replicates_needed(tests: int, smallest: int, level: float) -> int:
    """Return the replicates with which the smallest p-values that they give stay significant after adjusting.

    Of ``tests`` p-values ``smallest`` are ``1 / (replicates + 1)``. Benjamini and Yekutieli multiply them by
    ``tests * (1 + 1/2 + ... + 1/tests) / smallest``, which must not exceed ``1 - level``.

    Parameters
    ----------
    tests : int
        Tests that are adjusted together, at least 1.
    smallest : int
        How many of them have the smallest p-value, at least 1.
    level : float
        Tests are at 1 - level.
    """
    factor = tests * float(np.sum(1 / np.arange(1, tests + 1)))
    return math.ceil(factor / (smallest * (1 - level)) - 1e-9) - 1
