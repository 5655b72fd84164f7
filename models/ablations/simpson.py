"""Parts of the change of a loss along a segment of weights, by Simpson's rule, until they sum to the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
At = Callable[[float, Sequence[int]], tuple[Array, Array]]
"""From a place, 0 to 1, and some losses: their values (losses, clusters) and slopes (losses, clusters, ...)."""
TOLERANCE = 0.01
SMALL = 1e-6
"""A change of the loss below this, in its unit, is rounding: parts need not sum to it within 1 % of itself."""
MOST = 64
"""Most intervals of Simpson's rule."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Integrals:
    """The parts of the changes of several losses, each the mean of its clusters.

    Attributes
    ----------
    parts : array, shape (losses, clusters, ...)
        Integrals of the slopes.
    whole : array, shape (losses,)
        Changes of the losses.
    gap : array, shape (losses,)
        Difference of the parts' sum from the change, as a part of it.
    points : array of int, shape (losses,)
        Of each integral.
    """

    parts: Array
    whole: Array
    gap: Array
    points: NDArray[np.int64]


def integrals(at: At, losses: int, *, tolerance: float = TOLERANCE, most: int = MOST) -> Integrals:
    """Integrate slopes from 0 to 1, with twice as many intervals for each loss whose parts do not sum to its change.

    Parameters
    ----------
    at : callable
        Values (losses, clusters) and slopes (losses, clusters, ...) of some losses at a place from 0 to 1.
    losses : int
        How many.
    tolerance : float
        Largest difference of the parts' sum from the change, as a part of it.
    most : int
        Most intervals: ``gap`` tells what is left then.
    """
    everything = list(range(losses))
    values, slopes = zip(*(at(t, everything) for t in (0.0, 0.5, 1.0)), strict=True)
    whole = values[2].mean(1) - values[0].mean(1)
    known = {unit: {t: slope[unit] for t, slope in zip((0.0, 0.5, 1.0), slopes, strict=True)} for unit in everything}
    parts, gap = np.zeros_like(slopes[0]), np.zeros(losses)
    points = np.full(losses, 3)
    intervals, left = 2, everything
    while True:
        for unit in left:
            parts[unit] = _simpson([known[unit][i / intervals] for i in range(intervals + 1)])
            points[unit] = intervals + 1
            gap[unit] = abs(parts[unit].mean(0).sum() - whole[unit]) / max(abs(whole[unit]), SMALL)
        left = [unit for unit in left if gap[unit] > tolerance]
        if not left or 2 * intervals > most:
            return Integrals(parts=parts, whole=whole, gap=gap, points=points)
        intervals *= 2
        for i in range(1, intervals, 2):
            _, further = at(i / intervals, left)
            for unit, slope in zip(left, further, strict=True):
                known[unit][i / intervals] = slope


def _simpson(values: Sequence[Array]) -> Array:
    """Return the integral from 0 to 1 of values at evenly spaced points, an odd number of them."""
    weights = np.ones(len(values))
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return np.asarray(np.tensordot(weights / weights.sum(), np.stack(values), 1))
