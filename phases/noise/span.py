"""An orthonormal basis of some directions, whether or not they are linearly independent."""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr

from calque.phases.series.axis import Array

DEPENDENT = 1e-9
"""Share of its length by which a direction must leave the span of the others to count."""


def span(columns: Array) -> Array:
    """Return an orthonormal basis of what columns span, by a pivoted QR decomposition.

    A plain decomposition of dependent columns (a constant beside a constant curve) would add a direction that is
    rounding alone, another one on every kind of processor.

    Parameters
    ----------
    columns : array, shape (n, m)
        Directions of any length.

    Returns
    -------
    array, shape (n, r)
        The basis, r the rank.
    """
    length = np.linalg.norm(columns, axis=0)
    kept = length > 0
    q, r, _ = qr(columns[:, kept] / length[kept], mode="economic", pivoting=True, check_finite=False)
    return np.asarray(q[:, np.abs(np.diag(r)) > DEPENDENT])
