"""The noise averaged over two explanations of a series: the fitted curve, and diminishing returns."""

from __future__ import annotations

import numpy as np

from calque.phases.noise.noise import Noise, profile_likelihood, restricted_likelihood
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.delay import Cone

SEARCH_GAINS = 14.0
"""Twice the log-likelihood that searching the dictionary gains by chance over diminishing returns."""
LEAST_SHARE = 0.02
"""Weight below which the simpler explanation is ignored."""


def averaged_noise(t: Trajectory, whiten: Whitener, noise: Noise, curve: Array) -> Noise:
    """Return the noise averaged over two explanations: the fitted curve, and diminishing returns from the first token.

    A curve that follows a slowly varying floor leaves too little noise to test or locate with. Where both explain the
    series about as well, each with its own likeliest noise, the noise of the second is mixed in.

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

    Returns
    -------
    Noise
        The mixture.
    """
    simple, generators = Cone(t.tokens, whiten, 1.0).fitted(t.y, whiten)
    gain = profile_likelihood(t, curve) - profile_likelihood(t, simple) - SEARCH_GAINS
    share = float(1 / (1 + np.exp(np.clip(0.5 * gain, -50, 50))))
    if share < LEAST_SHARE:
        return noise
    return noise.mixed(restricted_likelihood(t, simple, generators), share)
