"""Log of a sum of exponentials with its derivatives: the form that laws 'E + A N^-alpha + ...' take in logs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_sum(terms: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return ln(sum of exp(terms)) and each term's share of the sum; every term broadcasts to (k, m).

    Parameters
    ----------
    terms : sequence of array
        Logs of the summands.
    """
    top = terms[0]
    for term in terms[1:]:
        top = np.maximum(top, term)
    parts = [np.exp(term - top) for term in terms]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return top + np.log(total), [part / total for part in parts]
