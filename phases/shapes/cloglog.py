r"""Complementary log-log :math:`1 - \exp(-e^{(x - m)/s})`: on log tokens, a Weibull distribution function of tokens.

theta = m, ln s. Its elasticity before saturation is :math:`1/(s \ln 10)`: at most 1 is no delayed start.
"""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array
from calque.phases.shapes.base import Family, sigmoid_grid


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 2)
        m, ln s.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    m, s = theta.T
    return -np.expm1(-np.exp(np.clip((x[:, None] - m) * np.exp(-s), -40, 3.9)))


FAMILY = Family(name="cloglog", curve=curve, grid=sigmoid_grid, step=(0.06, 0.2), low=(-99, -8), high=(99, 3))
