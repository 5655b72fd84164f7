"""Functionals of a curve: the position of an event on it, one function an estimand.

Every functional maps unit curves (evaluated on a fine grid of x) and their amplitudes to positions on x; ``inf`` means
that it never happens within the observed range.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calque.phases.dictionary.fit import Fit
from calque.phases.series.axis import Array


@dataclass(frozen=True, eq=False)
class Curves:
    """Candidate curves of a fit on a fine grid.

    Attributes
    ----------
    x : array, shape (f,)
    u : array, shape (f, m)
        Unit curves, 0 at the first checkpoint.
    """

    fit: Fit
    x: Array
    u: Array

    @classmethod
    def of(cls, fit: Fit) -> Curves:
        """Evaluate the candidates of a fit at its checkpoints and, where these stand far apart, between them."""
        between = fit.axis.between()
        x = np.concatenate([fit.axis.x, between])
        order = np.argsort(x, kind="stable")
        u = np.vstack([fit.candidates.columns, fit.candidates.at(between)])
        return cls(fit, x[order], u[order])

    @cached_property
    def risen(self) -> Array:
        """Running maximum of the unit curves: what has been reached so far."""
        return np.maximum.accumulate(self.u, axis=0)

    @cached_property
    def top(self) -> Array:
        """Largest value of each unit curve."""
        return self.risen[-1]

    def reached(self, x: float) -> Array:
        """Return the running maximum at one position, (m,)."""
        i = int(np.clip(np.searchsorted(self.x, x), 1, len(self.x) - 1))
        w = np.clip((x - self.x[i - 1]) / (self.x[i] - self.x[i - 1]), 0, 1)
        return np.asarray((1 - w) * self.risen[i - 1] + w * self.risen[i])

    def crossing(self, level: Array) -> Array:
        """Return where each curve first reaches its ``level`` (m,); inf where it never does."""
        u, x = self.risen, self.x
        hit = u >= level
        i = np.maximum(hit.argmax(0), 1)
        column = np.arange(u.shape[1])
        before, step = u[i - 1, column], u[i, column] - u[i - 1, column]
        w = np.clip((level - before) / np.where(step > 1e-12, step, 1.0), 0, 1)
        return np.where(hit[-1] & (level > 1e-12), x[i - 1] + w * (x[i] - x[i - 1]), np.inf)


def takeoff(curves: Curves, amplitude: Array, rise: float) -> Array:
    """Where the score is ``rise`` above its value at the first checkpoint.

    Parameters
    ----------
    curves : Curves
        Candidate curves.
    amplitude : array, shape (m,)
        Of the curves as fitted.
    rise : float
        Height above the floor.
    """
    return curves.crossing(rise / np.maximum(amplitude, 1e-12))


def share_of_rise(curves: Curves, share: float) -> Array:
    """Where ``share`` of the observed rise (floor to the largest value) is reached.

    Parameters
    ----------
    curves : Curves
        Candidate curves.
    share : float
        Of the rise, between 0 and 1.
    """
    return curves.crossing(share * curves.top)


def width(curves: Curves) -> Array:
    """Distance on x between 10 and 50 % of the rise.

    Parameters
    ----------
    curves : Curves
        Candidate curves.
    """
    late = share_of_rise(curves, 0.5)
    risen = np.isfinite(late)
    return np.where(risen, np.where(risen, late, 0.0) - np.where(risen, share_of_rise(curves, 0.1), 0.0), np.inf)


def peak(curves: Curves) -> Array:
    """Where each curve is largest, by the parabola through its largest value and the two beside it.

    Parameters
    ----------
    curves : Curves
        Candidate curves.
    """
    x, u = curves.x, curves.u
    i = np.clip(u.argmax(0), 1, len(x) - 2)
    column = np.arange(u.shape[1])
    left, middle, right = u[i - 1, column], u[i, column], u[i + 1, column]
    before, after = x[i] - x[i - 1], x[i + 1] - x[i]
    up, down = (middle - left) / before, (right - middle) / after
    bend = up - down
    share = np.where(bend > 1e-12, up / np.where(bend > 1e-12, bend, 1.0), 0.5)
    vertex = 0.5 * (x[i - 1] + x[i]) + share * 0.5 * (before + after)
    return np.where((up > 0) & (down < 0), np.clip(vertex, x[i - 1], x[i + 1]), x[u.argmax(0)])


def decline(curves: Curves) -> Array:
    """Where half of the fall from the peak to the last checkpoint has happened; inf for a curve that does not fall.

    Parameters
    ----------
    curves : Curves
        Candidate curves.
    """
    x, u = curves.x, curves.u
    top, column = u.argmax(0), np.arange(u.shape[1])
    target = 0.5 * (u.max(0) + u[-1])
    hit = (np.arange(len(x))[:, None] > top) & (u <= target)
    i = np.maximum(hit.argmax(0), 1)
    drop = u[i - 1, column] - u[i, column]
    share = np.clip((u[i - 1, column] - target) / np.where(drop > 1e-12, drop, 1.0), 0, 1)
    fallen = u.max(0) - u[-1] > 1e-6
    return np.where(fallen & hit.any(0), x[i - 1] + share * (x[i] - x[i - 1]), np.inf)
