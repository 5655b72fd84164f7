r"""Items share concepts: how far the sampling noise of a mean exceeds that of independent trials.

The estimand is the run's own expected score *on these items*. An item's lasting difficulty is part of that score, not
noise about it; noise is what changes from one checkpoint to the next. With :math:`e_{ct} = (s_{ct} - p_t n_{ct}) / N_t`
the share of concept c in the mean's deviation, lasting parts cancel in differences, and

.. math:: \hat V = \sum_t \tfrac12 \frac{C}{C-1} \sum_c (e_{c,t+1} - e_{ct})^2, \qquad
   \mathrm{deff} = \hat V \big/ \sum_t \tfrac12 (v_t + v_{t+1}), \quad v_t = p_t (1 - p_t) / N_t .

Shifts common to all concepts cancel as well: the AR(1) part of the noise carries those. Values below 1 (lasting items
flip less than coins) are not used: 1 is the floor, which errs towards wider intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def design_effect(success: Mask, asked: Mask, concept: NDArray[np.int64]) -> float:
    """Return the design effect, at least 1.

    Parameters
    ----------
    success, asked : array of bool, shape (checkpoint, item)
    concept : array of int, shape (item,)
    """
    labels, of = np.unique(concept, return_inverse=True)
    if len(labels) < 2 or len(success) < 2:
        return 1.0
    member = np.zeros((len(of), len(labels)))
    member[np.arange(len(of)), of] = 1.0
    s, n = success.astype(float) @ member, asked.astype(float) @ member
    total = n.sum(1)
    keep = total > 0
    s, n, total = s[keep], n[keep], total[keep]
    if len(total) < 2:
        return 1.0
    p = s.sum(1) / total
    e = (s - p[:, None] * n) / total[:, None]
    v = p * (1 - p) / total
    clustered = 0.5 * len(labels) / (len(labels) - 1) * float((np.diff(e, axis=0) ** 2).sum())
    independent = 0.5 * float((v[1:] + v[:-1]).sum())
    return float(max(1.0, clustered / independent)) if independent > 0 else 1.0
