"""Probit growth: the normal distribution function of x, lighter in its tails than the logistic. theta = m, ln s."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from calque.phases.series.axis import Array
from calque.phases.shapes.base import Family, sigmoid_grid


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 2)
        m, ln s; s is that of the logistic of about the same slope.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    m, s = theta.T
    return np.asarray(ndtr((x[:, None] - m) * np.exp(-s) / 1.6))


FAMILY = Family(name="probit", curve=curve, grid=sigmoid_grid, step=(0.06, 0.2), low=(-99, -8), high=(99, 3))
