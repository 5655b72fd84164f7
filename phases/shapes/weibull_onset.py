r"""Weibull onset: nothing before :math:`\tau`, then :math:`1 - \exp(-((x - \tau)_+ / s)^\kappa)` with kappa >= 1.

theta = tau, ln s, ln kappa. At kappa = 1 growth has a corner at tau; above it growth starts with slope 0. A scale far
beyond the range gives a broken stick.
"""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross, widths

LOW = -9.0
"""Natural logarithm of the least scale: a jump at any spacing of checkpoints."""
MOST_JUMPS = 400


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 3)
        tau, ln s, ln kappa.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    tau, s, kappa = theta.T
    z = np.maximum(x[:, None] - tau, 0.0) * np.exp(-s)
    return -np.expm1(-np.minimum(z ** np.exp(kappa), 50.0))


def grid(axis: Axis) -> Array:
    """Return the coarse grid: no corner before the first checkpoint, and jumps between checkpoints.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 3)
        Parameters, one curve a row.
    """
    gaps = axis.x[:-1] if axis.n <= MOST_JUMPS else axis.anchors(MOST_JUMPS)[:-1]
    jumps = cross(gaps + 1e-6, np.array([LOW]), np.zeros(1))
    return np.vstack([jumps, cross(axis.anchors(56), widths(axis, 6), np.log([1.0, 1.4, 2.0, 3.0]))])


FAMILY = Family(
    name="onset", curve=curve, grid=grid, step=(0.05, 0.3, 0.2), low=(-99, LOW, 0), high=(99, 5, 1.4),
)  # fmt: skip
