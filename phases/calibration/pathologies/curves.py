"""True curves of real runs that are no plain growth: falls, dips, anneals, changes of the batch, smooth late growth."""

from __future__ import annotations

import math

import numpy as np

from calque.phases.calibration.curves import FLOOR, Score, TrueCurve, log_logistic, logistic
from calque.phases.series.axis import Array

CHANCE = 0.25
"""Score of guessing, where dips begin."""
ANNEAL = 0.8
"""Share of the run at which the learning rate begins to decay."""
HALVED = 0.5
"""Share of the tokens after which the batch is half as large."""


def fall(at: float, scale: float, high: float = 0.5, low: float = 0.2) -> Score:
    """Return a score that only falls, as a logistic in log tokens.

    Parameters
    ----------
    at, scale : float
        Share of the run at half of the fall, and scale in decades.
    high, low : float
        Scores before and after.
    """
    rising = logistic(at, scale, high - low, 0.0)
    return lambda s: high - rising(np.maximum(s, 1e-12))


def dip(lowest: float, depth: float, after: Score) -> Score:
    """Return a score that falls below chance until ``lowest``, along a straight line in log tokens, and grows then.

    Parameters
    ----------
    lowest : float
        Share of the run at the lowest point.
    depth : float
        How far below ``CHANCE`` it is.
    after : callable
        Growth (n,) above the lowest point as a function of the tokens (n,) since then, as shares of the run; 0 at 0.
    """

    def score(s: Array) -> Array:
        fallen = np.clip(1 - np.log10(np.maximum(s, 1e-12) / lowest) / -1.0, 0, 1)  # over one decade of tokens
        return CHANCE - depth * fallen + after(np.maximum(0, s - lowest))

    return score


def jump(s: Array) -> Array:
    """Return growth in proportion to tokens, shares ``s`` (n,), and a rise of .1 more while the rate decays."""
    return FLOOR + 0.4 * s + 0.1 * np.clip((s - ANNEAL) / (1 - ANNEAL), 0, 1)


def halved(s: Array) -> Array:
    """Return growth at shares ``s`` (n,) of the tokens, even per step; a step is half as long from ``HALVED`` on."""
    steps = s + np.maximum(0, s - HALVED)
    return FLOOR + 0.5 * steps / (2 - HALVED)


ABRUPT, POWER_LAW, GRADUAL = (
    TrueCurve("abrupt fall", "logistic fall of .3 around .1, scale .02 decades", fall(0.1, 0.02), math.inf),
    TrueCurve("power-law fall", ".2 + .3 (1 + s/.05)^-.7", lambda s: 0.2 + 0.3 * (1 + s / 0.05) ** -0.7, math.inf),
    TrueCurve("gradual fall", "logistic fall of .3 around .1, scale .3 decades", fall(0.1, 0.3), math.inf),
)
FALLS = (ABRUPT, POWER_LAW, GRADUAL)
DIP_SATURATING = TrueCurve(
    "dip, then saturating", "down by .08 until .1, then 1 - (1 + s/.05)^-.7 from there",
    dip(0.1, 0.08, lambda s: 0.45 * (1 - (1 + s / 0.05) ** -0.7)), math.inf,
)  # fmt: skip
DIP_BACK = TrueCurve(
    "dip and back", "down by .1 until .1, then back to chance and slowly beyond: .25 (1 - exp(-s/.25)) from there",
    dip(0.1, 0.1, lambda s: 0.25 * -np.expm1(-s / 0.25)), math.inf,
)  # fmt: skip
DIP_LATE = TrueCurve(
    "dip, then late", "down by .08 until .1, then an onset at .35 within .2 decades", dip(
        0.1, 0.08, lambda s: 0.45 * -np.expm1(-np.maximum(0, np.log10(np.maximum(s, 1e-9) / 0.25)) / 0.2)), math.inf,
)  # fmt: skip
JUMP = TrueCurve("linear, jump in the anneal", "as tokens, and .1 more over the last fifth", jump, math.inf)
HALF = TrueCurve("linear in steps", "in proportion to steps, the batch halved at .5", halved, math.inf)
SCIQ = TrueCurve("sciq", "1/(1 + (s/.006)^-2.5) from .22 to .9", log_logistic(0.006, 2.5, 0.68, 0.22), 2.5)
SCIQ_STEEP = TrueCurve("sciq, steep", "1/(1 + (s/.006)^-4) from .22 to .9", log_logistic(0.006, 4.0, 0.68, 0.22), 4.0)
SMOOTH_LATE = TrueCurve("smooth, late", "1/(1 + (s/.4)^-3) from .22", log_logistic(0.4, 3.0, 0.65, 0.22), 3.0)
"""Smooth growth that starts late; the first two as the larger models of Pythia on SciQ."""
