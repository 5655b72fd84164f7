"""Two logistic rises, the second of weight w. theta = m1, ln s1, m2, ln s2, w."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross, widths


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 5)
        m1, ln s1, m2, ln s2, w.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    m1, s1, m2, s2, w = theta.T
    first = expit((x[:, None] - m1) * np.exp(-s1))
    return (1 - w) * first + w * expit((x[:, None] - m2) * np.exp(-s2))


def grid(axis: Axis) -> Array:
    """Return the coarse grid, the second wave after the first.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 5)
        Parameters, one curve a row.
    """
    m = axis.anchors(12, 0.0, 0.2)
    s = widths(axis, 7)[:5:2] - 0.7
    theta = cross(m, s, m, s, np.array([0.25, 0.5, 0.75]))
    return theta[theta[:, 2] > theta[:, 0] + 1e-6]


FAMILY = Family(
    name="two_waves", curve=curve, grid=grid, step=(0.12, 0.3, 0.12, 0.3, 0.15), low=(-99, -5, -99, -5, 0.03),
    high=(99, 2, 99, 2, 0.97), positions=(0, 2), extra=8.0,
)  # fmt: skip
