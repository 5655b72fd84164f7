r"""What a family of growth curves is.

A family maps parameters theta to unit curves :math:`g_\theta(x)`; the model of a score is
:math:`f(x) = a + b\,g_\theta(x)` with :math:`b \ge 0`. Growth and decline alike are one column with one coefficient,
so that every question is answered over all families by the same few matrix products. A family gives a coarse grid and
the step by which it may be refined around the curves that fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from calque.phases.series.axis import Array, Axis

STEEPEST = 0.02


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family of curves.

    Attributes
    ----------
    name : str
    curve : callable
        ``curve(theta, x)`` with theta (J, p) and x (n,) gives columns (n, J).
    grid : callable
        ``grid(axis)`` gives the coarse grid theta (J, p).
    step : tuple of float
        By how much each parameter may move in the first round of refinement.
    low, high : tuple of float
        Bounds of the parameters; positions are bounded by the checkpoints as well.
    positions : tuple of int
        Parameters that are positions on x.
    extra : float
        Penalty on the residual sum of squares for parameters beyond three: 4 each where curves only grow, as BIC
        charges at about 50 independent checkpoints. With less, a fluctuation of the floor is fitted as a first wave.
    falls : bool
        Whether the curve comes down again.
    """

    name: str
    curve: Callable[[Array, Array], Array]
    grid: Callable[[Axis], Array]
    step: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    positions: tuple[int, ...] = (0,)
    extra: float = 0.0
    falls: bool = False


def widths(axis: Axis, m: int) -> Array:
    """Return natural logarithms of ``m`` scales, from 0.4 of the closest spacing of checkpoints to 0.6 of the range.

    Parameters
    ----------
    axis : Axis
        The checkpoints.
    m : int
        Number of scales.

    Returns
    -------
    array, shape (m,)
        ln s, increasing.
    """
    closest = float(np.quantile(np.diff(axis.x), 0.1))
    span = float(axis.x[-1] - axis.x[0])
    return np.log(np.geomspace(max(STEEPEST, 0.4 * closest, span / 120), 0.6 * span, m))


def cross(*parameters: Array) -> Array:
    """Return every combination of the parameters' values, one a row."""
    return np.array(list(product(*parameters)), float)


def sigmoid_grid(axis: Axis) -> Array:
    """Return a grid of middles and scales, from half a decade before the first checkpoint to 0.7 after the last.

    Parameters
    ----------
    axis : Axis
        The checkpoints.

    Returns
    -------
    array, shape (J, 2)
        m, ln s.
    """
    return cross(axis.anchors(32, 0.5, 0.7), widths(axis, 8) - 0.5)
