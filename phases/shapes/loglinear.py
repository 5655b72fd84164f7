"""Log-linear growth log(1 + T/t0): a straight line in log tokens after t0, one in tokens before. theta = log10 t0."""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 1)
        log10 t0.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    return np.log1p(10.0 ** np.clip(x[:, None] - theta[:, 0], -40, 40))


def grid(axis: Axis) -> Array:
    """Return the coarse grid.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 1)
        Parameters, one curve a row.
    """
    return cross(np.linspace(axis.first - 1.0, axis.x[-1] + 2.0, 24))


FAMILY = Family(name="loglinear", curve=curve, grid=grid, step=(0.15,), low=(-99,), high=(99,))
