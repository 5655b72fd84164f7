r"""Logs of thousands of checkpoints: neighbours are averaged, so that an analysis takes seconds.

A bin holds :math:`m = \lceil n / 800 \rceil` checkpoints, and fewer at the beginning: no more than an eighth of the
checkpoints before it, for on a log axis these stand far apart. Counts and trials are added, so that the sampling
variance stays that of the trials; a continuous score is averaged, and the variance of its white noise divided by the
number of values. Where noise is autocorrelated, means of as many neighbours are so too, with a variance and a
correlation of their own, which are estimated as those of checkpoints are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calque.phases.series.trajectory import Array, Trajectory

MOST = 800
"""Checkpoints of a run beyond which neighbours are averaged."""
EARLY = 8
"""A bin holds at most this part of the checkpoints before it."""


def bins(checkpoints: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the first checkpoint of each bin of a run; None where it has so few that each stands alone.

    Parameters
    ----------
    checkpoints : array of int, shape (n,)
        Ranks of the run's checkpoints (:attr:`Trajectory.index`), increasing.
    """
    n = len(checkpoints)
    if n <= MOST:
        return None
    most = -(-n // MOST)
    first, starts = 0, []
    while first < n:
        starts.append(first)
        first += int(np.clip(first // EARLY, 1, most))
    return np.asarray(checkpoints[starts])


def binned(t: Trajectory, starts: NDArray[np.int64]) -> Trajectory:
    """Return the means of a series within bins; its distances for the noise are in bins.

    Parameters
    ----------
    t : Trajectory
        The series.
    starts : array of int, shape (b,)
        First checkpoint of each bin, from :func:`bins` of its run: the bins of two metrics are the same.
    """
    of = np.searchsorted(starts, t.index, side="right") - 1
    kept, of = np.unique(of, return_inverse=True)
    size = np.bincount(of).astype(float)

    def mean(values: Array, weight: Array | None = None) -> Array:
        w = np.ones(t.n) if weight is None else weight
        return np.bincount(of, w * values) / np.bincount(of, w)

    places = mean(t.index.astype(float)) / float(np.median(size)) if t.places is None else mean(t.places)
    return replace(
        t, tokens=mean(t.tokens), index=kept.astype(np.int64), places=places,
        y=np.clip(mean(t.y, t.trials), t.y.min(), t.y.max()),
        trials=None if t.trials is None else np.asarray(np.bincount(of, t.trials), float),
        progress=None if t.progress is None else mean(t.progress),
        values=None if t.trials is not None else size / float(np.median(size)),
    )  # fmt: skip
