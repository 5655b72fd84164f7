"""A slow saturating rise from the first token, then an onset of weight w. theta = tau, ln s, ln kappa, log10 t0, w."""

from __future__ import annotations

import numpy as np

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes import saturation, weibull_onset
from calque.phases.shapes.base import Family, cross, widths

END = np.zeros(1)
"""Where the slow rise is 1: the last checkpoint of the log axis."""


def curve(theta: Array, x: Array) -> Array:
    """Evaluate curves, one a column.

    Parameters
    ----------
    theta : array, shape (J, 5)
        tau, ln s, ln kappa, log10 t0, w.
    x : array, shape (n,)
        Positions on the axis.

    Returns
    -------
    array, shape (n, J)
        Values.
    """
    t0, w = theta[:, 3:4], theta[:, 4]
    rise = np.hstack([t0, np.full_like(t0, np.log(0.7))])
    slow = saturation.curve(rise, x) / np.maximum(saturation.curve(rise, END), 1e-12)
    return (1 - w) * slow + w * weibull_onset.curve(theta[:, :3], x)


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
    t0 = np.array([axis.x[0] + 0.3 * (axis.x[-1] - axis.x[0]), axis.x[-1] + 1.0])
    return cross(axis.anchors(24), widths(axis, 6)[1:5], np.log([1.0, 1.7]), t0, np.array([0.4, 0.65, 0.85]))


FAMILY = Family(
    name="prerise", curve=curve, grid=grid, step=(0.06, 0.3, 0.2, 0.3, 0.12), low=(-99, -5, 0, -99, 0.1),
    high=(99, 5, 1.4, 99, 0.98), positions=(0, 3), extra=8.0,
)  # fmt: skip
