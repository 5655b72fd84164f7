"""A hump: a logistic rise times a logistic fall to a share k of it. theta = m, ln s, gap, ln s_fall, ln k."""

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
        m, ln s, gap, ln s_fall, ln k.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    m, s, gap, s_fall, k = theta.T
    fall = expit((x[:, None] - m - gap) * np.exp(-s_fall))
    return expit((x[:, None] - m) * np.exp(-s)) * (1 - -np.expm1(k) * fall)


def grid(axis: Axis) -> Array:
    """Return the coarse grid.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 5)
        Parameters, one curve a row.
    """
    span = axis.x[-1] - axis.x[0]
    s = widths(axis, 7) - 0.7
    return cross(
        axis.anchors(22)[:-1], s[[0, 2, 4]], span * np.array([0.05, 0.12, 0.2, 0.3, 0.45]), s[[2, 4, 5]],
        np.log([0.01, 0.1, 0.4, 0.7]),
    )  # fmt: skip


FAMILY = Family(
    name="rise_and_fall", curve=curve, grid=grid, step=(0.06, 0.3, 0.1, 0.3, 0.6), low=(-99, -5, 0.0, -5, -6.0),
    high=(99, 2, 99, 2, -0.05), extra=4.0, falls=True,
)  # fmt: skip
