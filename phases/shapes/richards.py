r"""Richards growth :math:`(1 + \nu e^{-(x - m)/s})^{-1/\nu}`: logistic at nu = 1, Gompertz as nu goes to 0.

theta = m, ln s, ln nu. Source: F. J. Richards, A flexible growth function for empirical use (1959).
"""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross, widths


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 3)
        m, ln s, ln nu.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    m, s, nu = theta.T
    e = np.exp(-np.clip((x[:, None] - m) * np.exp(-s), -40, 40))
    return np.exp(-np.exp(-nu) * np.log1p(np.exp(nu) * e))


def grid(axis: Axis) -> Array:
    """Return the coarse grid.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 3)
        Parameters, one curve a row.
    """
    return cross(axis.anchors(32, 0.5, 0.7), widths(axis, 8) - 0.7, np.log([0.02, 0.3, 1.0, 3.0]))


FAMILY = Family(
    name="richards", curve=curve, grid=grid, step=(0.06, 0.2, 0.6), low=(-99, -8, -5), high=(99, 3, 2),
)  # fmt: skip
