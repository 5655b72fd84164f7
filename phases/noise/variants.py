r"""What noise can do besides its size: where it decorrelates, how it changes over the run, its floor, overdispersion.

Scores near 0 or 1 do not vary on the logit scale alone: a floor of 0.01 can pass through 0 and 0.03 without any of
this meaning much where 0.5 is measured. So W is also tried with scores nearer than 0.12 to either end counted as 0.12,
which makes the noise nearly additive there; the likelihood weighs the two like the rest.

The noise of training falls with the learning rate. So the standard deviation of the shift (of a continuous score: of
all of the noise) is also tried as :math:`\sigma \exp(-\tau (q_t - 1/2))`, q the share of training that is done
(``Trajectory.progress``) and :math:`\tau` the trend, with a prior that is largest at :math:`\tau = 0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

RHO = np.array([0.0, 0.3, 0.5, 0.65, 0.78, 0.87, 0.93, 0.965, 0.985, 0.995])
COUNT_VARIANCE = np.array([0.0, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.18, 0.3, 0.5, 0.8, 1.3])
CONTINUOUS_VARIANCE = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 4.0, 12.0])
FLOORS = (0.02, 0.12)
"""Scores nearer to 0 or 1 shift by as much as this score does: on the logit scale nearly throughout, or additively."""
OVERDISPERSION = (1.0, 2.0, 4.0)
TRENDS = {0.0: 0.7, 1.0: 0.1, 2.0: 0.06, 3.0: 0.06, -1.0: 0.08}
"""Fall of the log standard deviation of the noise over the run, with its prior; negative where the noise grows."""
LEAST = 0.004
"""Scores nearer to 0 or 1 than this have the variance of this score: a floor seen as exactly 0 is not noiseless."""
RESOLUTION = 1e-4
"""Least standard deviation of the noise of a continuous score, as a share of its range.

A curve can pass through every score (a formula, a smoothed log). Its residuals are rounding, and no test or interval
can be calibrated on those.
"""


@dataclass(frozen=True)
class Variant:
    """What the noise does besides its size: its trend, the distance over which it decorrelates, floor, overdispersion.

    Attributes
    ----------
    trend : float
        Fall of its log standard deviation over the run.
    distance : int
        0 where distances are counted in checkpoints, 1 in tokens.
    floor : float
        Scores nearer to 0 or 1 shift by as much as this score does.
    over : float
        Overdispersion of the counts.
    """

    trend: float
    distance: int
    floor: float
    over: float

    def course(self, t: Trajectory) -> Array:
        """Return the standard deviation of the noise of a series relative to its middle: (n,).

        Parameters
        ----------
        t : Trajectory
            The series.
        """
        return np.asarray(np.exp(-self.trend * (t.training_done - 0.5)))


VARIANTS = tuple(Variant(*v) for v in product(TRENDS, range(2), FLOORS, OVERDISPERSION))
PRIOR = np.array([TRENDS[v.trend] for v in VARIANTS])
"""Prior of each variant, up to a factor: its trend's."""
BASES = len(VARIANTS) // len(TRENDS)
"""Variants of a trend; the first ``BASES`` of ``VARIANTS`` have none."""


def variants(t: Trajectory) -> list[int]:
    """Return the indices of the variants without a trend that differ for this series.

    Parameters
    ----------
    t : Trajectory
        The series.

    Returns
    -------
    list of int
        Indices into ``VARIANTS``.
    """
    distances = (0,) if t.evenly_spaced else (0, 1)
    return [
        k
        for k, v in enumerate(VARIANTS[:BASES])
        if v.distance in distances and (t.counts or (v.floor == FLOORS[0] and v.over == 1.0))
    ]


def amplitudes(t: Trajectory, mu: Array, variant: Variant) -> tuple[Array, Array]:
    """Return the variance of the white part and the amplitude of the AR(1) shift at a curve.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.
    variant : Variant
        Trend, floor and overdispersion.

    Returns
    -------
    tuple of array, shape (n,)
        Variances and amplitudes; for continuous scores 1 at the middle of the run, where checkpoints are no means.
    """
    course = variant.course(t)
    if not t.counts:
        return t.white_variance * course**2, course
    w, v = (p * (1 - p) for p in (np.minimum(np.maximum(mu, least), 1 - least) for least in (LEAST, variant.floor)))
    return variant.over * w / t.effective_trials, course * v


def least_variance(t: Trajectory) -> float:
    """Return the least variance of the noise of a continuous score.

    Parameters
    ----------
    t : Trajectory
        The series.
    """
    return (RESOLUTION * float(np.ptp(t.y))) ** 2


def shift_variances(t: Trajectory) -> Array:
    """Return the grid of the variance of the shift, (s,).

    Parameters
    ----------
    t : Trajectory
        The series.
    """
    return COUNT_VARIANCE if t.counts else CONTINUOUS_VARIANCE
