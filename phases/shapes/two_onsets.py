"""Two corners: growth that starts, levels off and starts again. theta = tau1, ln s1, tau2, ln s2, w of the second."""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross, widths


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 5)
        tau1, ln s1, tau2, ln s2, w.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    tau1, s1, tau2, s2, w = theta.T
    first = -np.expm1(-np.maximum(x[:, None] - tau1, 0.0) * np.exp(-s1))
    return (1 - w) * first - w * np.expm1(-np.maximum(x[:, None] - tau2, 0.0) * np.exp(-s2))


def grid(axis: Axis) -> Array:
    """Return the coarse grid, the second corner after the first.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 5)
        Parameters, one curve a row.
    """
    tau = axis.anchors(16)
    s = widths(axis, 7)[1:6:2]
    theta = cross(tau, s, tau, s, np.array([0.3, 0.6]))
    return theta[theta[:, 2] > theta[:, 0] + 1e-6]


FAMILY = Family(
    name="two_onsets", curve=curve, grid=grid, step=(0.06, 0.3, 0.06, 0.3, 0.15), low=(-99, -7, -99, -7, 0.03),
    high=(99, 5, 99, 5, 0.97), positions=(0, 2), extra=8.0,
)  # fmt: skip
