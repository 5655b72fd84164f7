"""Power growth T^a without saturation: linear in tokens at a = 1, later and steeper above. theta = ln a."""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column; they are 1 at the last checkpoint of the log axis.

    Parameters
    ----------
    theta : array, shape (J, 1)
        ln a.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    return np.asarray(10.0 ** np.clip(np.exp(theta[:, 0]) * x[:, None], -40, 40))


def grid(axis: Axis) -> Array:
    """Return the coarse grid: elasticities from 0.2 to 8, 1 among them.

    Parameters
    ----------
    axis : Axis
        Not used: elasticities do not depend on the checkpoints.

    Returns
    -------
    array, shape (J, 1)
        Parameters, one curve a row.
    """
    return np.log([[0.2], [0.3], [0.45], [0.7], [1.0], [1.4], [2.0], [2.8], [4.0], [5.6], [8.0]])


FAMILY = Family(name="power", curve=curve, grid=grid, step=(0.3,), low=(-2.5,), high=(2.3,), positions=())
