r"""Power-law saturation :math:`1 - (1 + T/t_0)^{-\alpha}`: diminishing returns from the first token on.

theta = log10 t0, ln alpha; alpha = 1 is rational growth :math:`T/(T + t_0)`.
"""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes.base import Family, cross


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 2)
        log10 t0, ln alpha.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    t0, alpha = theta.T
    return -np.expm1(-np.exp(alpha) * np.log1p(10.0 ** np.clip(x[:, None] - t0, -40, 40)))


def grid(axis: Axis) -> Array:
    """Return the coarse grid.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 2)
        Parameters, one curve a row.
    """
    return cross(np.linspace(axis.first - 1.5, axis.x[-1] + 1.5, 24), np.log([0.3, 0.7, 1.2, 2.5]))


FAMILY = Family(name="saturation", curve=curve, grid=grid, step=(0.15, 0.4), low=(-99, -2), high=(99, 2))
