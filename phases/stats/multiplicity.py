"""Many tests at once."""

from __future__ import annotations

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
