"""The noise averaged over two explanations of a series: the fitted curve, and a simpler one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from calque.phases.noise.likelihood import profile_likelihood, restricted_likelihood
from calque.phases.noise.noise import Noise
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import Cone

SEARCH_GAINS, AMONG = 4.0, 6.0
"""Twice the log-likelihood that searching the dictionary gains by chance over diminishing returns on n checkpoints is
about 4 ln(n/6): 14 at 200, 6 at 27."""
GAINS_PERSISTENT, MOST_PERSISTENT = 9.0, 36.0
"""Where noise lasts as long as the run, its wandering looks like growth of some shape, and gains up to 9 ln(n/6), but
no more than 36."""
PERSISTENT = 0.5
"""Noise whose correlation falls to 1/e over more than this share of the run lasts as long as the run."""
LIKELIER = 1.5
"""Such noise counts where it is so many times likelier than before the data."""
LEAST_SHARE = 0.02
"""Weight below which the simpler explanation is ignored."""


class Alone(NamedTuple):
    """The noise around a fitted curve alone, and its whitening at the average of the plausible curves."""

    noise: Noise
    whiten: Whitener


class Averaged(NamedTuple):
    """The noise averaged over two explanations, and how they compare.

    Attributes
    ----------
    noise : Noise
        The mixture.
    gain : float
        Twice the log-likelihood that the fitted curve gains over the simpler explanation, each with its own noise.
    shortfall : float
        What the gain lacks to tell the curve from persistent noise; 0 where it lacks nothing.
    alone : Alone or None
        What the fitted curve leaves by itself, where the other explanation matters; None where it does not.
    """

    noise: Noise
    gain: float
    shortfall: float
    alone: Alone | None = None


def gain_that_tells(n: int) -> float:
    """Return the gain in twice the log-likelihood that tells growth from noise that lasts as long as the run.

    Parameters
    ----------
    n : int
        Number of checkpoints.
    """
    return float(min(GAINS_PERSISTENT * np.log(n / AMONG), MOST_PERSISTENT))


def averaged_noise(
    t: Trajectory, whiten: Whitener, noise: Noise, curve: Array, cone: Cone, told: bool = False
) -> Averaged:  # fmt: skip
    """Return the noise averaged over two explanations: the fitted curve, and the nearest curve of a cone.

    A curve that follows a slowly varying floor leaves too little noise to test or locate with. Where both explain the
    series about as well, each with its own likeliest noise, the noise of the second is mixed in.

    Where diminishing returns need noise that lasts as long as the run, chance alone gives curves a far larger gain, and
    the two cannot be told apart on one run unless the gain is larger still, or other runs tell them apart.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    whiten : Whitener
        Whitening at the fitted curve.
    noise : Noise
        Noise around the fitted curve.
    curve : array, shape (n,)
        The fitted curve.
    cone : Cone
        The simpler explanation: diminishing returns from the first token, or a score that never rises.
    told : bool
        Whether the growth is told from noise already.
    """
    simple, generators = cone.fitted(t.y, whiten)
    gain = profile_likelihood(t, curve) - profile_likelihood(t, simple)
    length = float(np.log(t.n / AMONG))
    share = float(1 / (1 + np.exp(np.clip(0.5 * (gain - SEARCH_GAINS * length), -50, 50))))
    enough = gain_that_tells(t.n)
    if gain > enough or told or t.told_by:
        return Averaged(noise, gain, 0.0)
    other = restricted_likelihood(t, simple, generators)
    lasting = other.lasting(PERSISTENT) > LIKELIER
    shortfall = enough - gain if lasting else 0.0
    mixed = noise if share < LEAST_SHARE else noise.mixed(other, share)
    matters = mixed is not noise or shortfall > 0
    return Averaged(mixed, gain, shortfall, Alone(noise, whiten) if matters else None)
