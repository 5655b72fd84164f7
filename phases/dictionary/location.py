r"""Intervals for where something happens: the range of a functional over the likelihood region of the dictionary.

Region: :math:`\{f : \mathrm{RSS}(f) - \mathrm{RSS}_{\min} \le c\,\hat\varphi\}`. The interval of a functional t is
the range of t(f) over it: a profile likelihood interval that needs no smoothness of t. c is the 95 % quantile, over
replicates, of the smallest c whose range covers the generating curve's t. Replicates are drawn around the best curve
and around the best ones of other families; the largest c counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from calque.phases.dictionary.fit import FITTED, Fit, spread_of
from calque.phases.series.axis import Array

LARGEST_CUT = 15.0


@cache
def least_cut(level: float) -> float:
    """Return the chi-square quantile (one degree of freedom) that is the lower bound of a cut.

    Parameters
    ----------
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    float
        The quantile.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(level, 1))


@dataclass(frozen=True)
class Location:
    """A position with its interval, on x; ``inf`` where it lies beyond the last checkpoint or does not exist."""

    x: float
    low: float
    high: float
    cut: float

    @property
    def exists(self) -> bool:
        """Whether the best curves have such a position."""
        return bool(np.isfinite(self.x))


def averaged(x: Array, excess: Array) -> float:
    """Return the median of ``x`` (m,) weighted by exp(-excess/2): the average over the dictionary."""
    order = np.argsort(x, kind="stable")
    weight = np.exp(-0.5 * excess[order])
    return float(x[order][np.searchsorted(np.cumsum(weight), 0.5 * weight.sum())])


def locate(fit: Fit, x: Array, rss: Array, cut: float, *, bracket: bool = True) -> Location:
    """Return the location of a functional: its average over the dictionary and its range over the region.

    Parameters
    ----------
    fit : Fit
        The fit whose candidates were evaluated.
    x : array, shape (m,)
        The functional of each candidate, a position on x; infinite where it never happens.
    rss : array, shape (m,)
        Residual sum of squares of each candidate on the data.
    cut : float
        Size of the region.
    bracket : bool
        Whether checkpoints bound what can be known: the interval contains those around the location.

    Returns
    -------
    Location
        Position and interval on x, with the cut.
    """
    excess = (rss - rss.min()) / spread_of(float(rss.min()), fit.trajectory.n)
    at = averaged(x, excess)
    inside = excess <= cut
    low, high = float(x[inside].min()), float(x[inside].max())
    if np.isfinite(at):
        low, high = min(low, at), max(high, at)
        if bracket:
            left, right = fit.axis.widened(at, at)
            low, high = min(low, left), max(high, right)
    if bracket:
        left, right = fit.axis.widened(low, high)
        low, high = _end(x, excess, cut, low, left), -_end(-x, excess, cut, -high, -right)
    return Location(at, low, high, cut)


def _end(x: Array, excess: Array, cut: float, end: float, checkpoint: float) -> float:
    """Return where an interval ends below ``end``, its least candidate, and not below the ``checkpoint`` before that.

    Between the two, mixtures of the curves inside with those outside stay in the region as far as their excess allows,
    which is convex. Where no curve was tried there, the curves at hand set the end and not the data: it goes on to the
    checkpoint.
    """
    if not checkpoint < end:
        return end
    at_end = excess[(x == end) & (excess <= cut)]
    out = (x >= checkpoint) & (x < end) & (excess > cut)
    if not out.any() or not at_end.size:
        return checkpoint
    share = (cut - at_end.min()) / (excess[out] - at_end.min())
    return float((end - (end - x[out]) * share).min())


def calibrated_cut(n: int, least: Array, need: Array, level: float) -> float:
    """Return c: the ``level`` quantile over replicates of what it takes to cover the truth on both sides.

    Parameters
    ----------
    n : int
        Number of checkpoints.
    least, need : array, shape (B,)
        Least residual sum of squares of each replicate over all candidates, and how much more those have that put the
        functional on either side of the generating curve's.
    """
    need = np.maximum(need, 0.0) / np.maximum(1.0, least / max(n - FITTED, 3))
    return float(max(np.quantile(np.minimum(need, LARGEST_CUT), level), least_cut(level)))
