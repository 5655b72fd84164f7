r"""True curves of a score over training, with what is true of them.

A curve is a function of s, the share of the run's tokens (0 < s <= 1); x = log10 s. Its **elasticity** is the least
:math:`\gamma` for which it is a floor plus a nondecreasing concave function of :math:`s^\gamma`,

.. math:: \gamma = \sup_s \, 1 + s f''(s)/f'(s),

so that H0(gamma) of the delay test is true for every gamma at or above it. Concave growth has at most 1; a corner, and
any growth whose steepness has no bound, has infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from calque.phases.series.axis import Array

Score = Callable[[Array], Array]
FINE = 200_001
FLOOR = 0.05
"""Score before the rise. Not near 0, where a shift of the logit has little effect: the floors of real runs vary."""


@dataclass(frozen=True)
class TrueCurve:
    """A named true curve.

    Attributes
    ----------
    name, about : str
        Its name, and its formula in words.
    score : callable
        Expected score at shares s (n,) of the run, each > 0.
    elasticity : float
        See the module; 0 for a constant.
    """

    name: str
    about: str
    score: Score
    elasticity: float

    @property
    def delayed(self) -> bool:
        """Whether growth starts late: it is not concave in tokens."""
        return self.elasticity > 1


@dataclass(frozen=True)
class CurveTruth:
    """What is true of a curve on a schedule: positions as log10 of the share of the run, inf where there is none."""

    takeoff: float
    t50: float
    elasticity: float
    peak: float
    decline: float


def truth(curve: TrueCurve, s: Array, rise: float = 0.05) -> CurveTruth:
    """Return the truth about ``curve`` for checkpoints at shares ``s`` (n,) of the run.

    The floor is the lowest score up to the largest one: the first score, but of a curve that dips. ``takeoff`` is where
    the score is first ``rise`` above the floor from there on, ``t50`` where half of the largest rise is reached,
    ``peak`` where the score is largest, ``decline`` where half of the fall from there to the end has happened.
    """
    fine = np.geomspace(s[s > 0][0], s[-1], FINE)
    score = np.concatenate([curve.score(s[:1]), curve.score(fine)])
    fine = np.concatenate([fine[:1], fine])
    lowest = int(score[: int(score.argmax()) + 1].argmin())
    fine, risen = fine[lowest:], score[lowest:] - score[lowest]
    top = int(risen.argmax())
    fallen = risen[top] - risen[top:]
    return CurveTruth(
        first_at(fine, risen, rise), first_at(fine, risen, 0.5 * float(risen.max())), curve.elasticity,
        peak=float(np.log10(fine[top])), decline=first_at(fine[top:], fallen, 0.5 * float(fallen[-1])),
    )  # fmt: skip


def overtaking(first: TrueCurve, second: TrueCurve, s: Array) -> float:
    """Return log10 of the share of the run from which ``second`` stays above ``first``; inf where it never does.

    Parameters
    ----------
    first, second : TrueCurve
        The two curves.
    s : array, shape (n,)
        Checkpoints as shares of the run, ascending; only the first and the last are used.
    """
    fine = np.geomspace(s[0], s[-1], FINE)
    below = np.flatnonzero(second.score(fine) <= first.score(fine))
    if below.size and below[-1] == FINE - 1:
        return np.inf
    return float(np.log10(fine[below[-1] + 1 if below.size else 0]))


def first_at(s: Array, risen: Array, height: float) -> float:
    """Return log10 of the first s (n,) at which ``risen`` (n,) reaches ``height`` > 0; inf where it never does."""
    hit = risen >= height
    return float(np.log10(s[hit.argmax()])) if height > 0 and hit.any() else np.inf


def onset(start: float, scale: float, kappa: float = 1.0, top: float = 0.5, floor: float = FLOOR) -> Score:
    """Return an onset: flat until ``start``, then 1 - exp(-(x/scale)^kappa), x in decades of tokens since ``start``.

    Parameters
    ----------
    start : float
        Share of the run at the corner.
    scale : float
        Decades in which 63 % of the rise is done.
    kappa : float
        Exponent; 1 for a corner, above 1 for a gradual start.
    top, floor : float
        Height of the rise, and score before it.
    """
    return lambda s: floor + top * -np.expm1(-((np.maximum(0, np.log10(s / start)) / scale) ** kappa))


def logistic(middle: float, scale: float, top: float = 0.5, floor: float = FLOOR) -> Score:
    """Return a logistic in log10 tokens; its elasticity is 1/(scale ln 10).

    Parameters
    ----------
    middle, scale : float
        Share of the run at half of the rise, and scale in decades.
    top, floor : float
        Height of the rise, and score before it.
    """
    return lambda s: floor + top * expit(np.log10(s / middle) / scale)


def hump(rise: float, fall: float, high: float = 0.5, low: float = 0.15, floor: float = FLOOR) -> Score:
    """Return false copying: up to ``high`` around ``rise``, down to ``low`` around ``fall``.

    Parameters
    ----------
    rise, fall : float
        Shares of the run at half of the rise and at half of the fall.
    high, low, floor : float
        Scores at the peak, after the fall, and before the rise.
    """
    return lambda s: (
        floor
        + (high - floor) * expit(np.log10(s / rise) / 0.06) * (1 - (1 - low / high) * expit(np.log10(s / fall) / 0.08))
    )


def tent(top: float, high: float = 0.5, up: float = 0.3, down: float = 0.7) -> Score:
    """Straight in log tokens, ``up`` a decade to ``high`` at ``top``, then ``down`` a decade."""

    def score(s: Array) -> Array:
        x = np.log10(s / top)
        return np.maximum(high + np.where(x < 0, up, -down) * x, FLOOR)

    return score


def stick(start: float, end: float = 0.58, floor: float = FLOOR) -> Score:
    """Return a broken stick: flat until ``start``, then straight in log tokens to ``end`` at the end of the run.

    Parameters
    ----------
    start : float
        Share of the run at the corner.
    end, floor : float
        Scores at the end of the run and before the corner.
    """
    return lambda s: floor + (end - floor) * np.maximum(0, np.log10(s / start)) / -math.log10(start)


def cloglog(middle: float, beta: float, top: float = 0.5, floor: float = FLOOR) -> Score:
    """Return floor + top (1 - exp(-(s/middle)^beta)).

    Parameters
    ----------
    middle, beta : float
        Share of the run at 63 % of the rise, and exponent: the elasticity.
    top, floor : float
        Height of the rise, and score before it.
    """
    return lambda s: floor + top * -np.expm1(-((s / middle) ** beta))


def log_logistic(middle: float, beta: float, top: float = 0.5, floor: float = FLOOR) -> Score:
    """Return floor + top / (1 + (s/middle)^-beta).

    Parameters
    ----------
    middle, beta : float
        Share of the run at half of the rise, and exponent: the elasticity.
    top, floor : float
        Height of the rise, and score before it.
    """
    return lambda s: floor + top * s**beta / (s**beta + middle**beta)


def summed(*parts: Score) -> Score:
    """Return the sum of several scores, ``parts``; their floors add up."""
    return lambda s: sum((part(s) for part in parts), np.zeros_like(s))


CONCAVE = (
    TrueCurve("flat", "constant", lambda s: np.full_like(s, 0.2), 0.0),
    TrueCurve("linear", "in proportion to tokens", lambda s: FLOOR + 0.5 * s, 1.0),
    TrueCurve("power-law", "1 - (1 + s/.05)^-.7", lambda s: FLOOR + 0.6 * (1 - (1 + s / 0.05) ** -0.7), 1.0),
    TrueCurve("rational", "s/(s + .1)", lambda s: FLOOR + 0.55 * s / (s + 0.1), 1.0),
    TrueCurve("cloglog-1", "1 - exp(-s/.2)", cloglog(0.2, 1.0), 1.0),
    TrueCurve("cloglog-0.6", "1 - exp(-(s/.1)^.6)", cloglog(0.1, 0.6), 0.6),
    TrueCurve("log-logistic-0.6", "1/(1 + (s/.1)^-.6)", log_logistic(0.1, 0.6), 0.6),
    TrueCurve("log-linear", "log(1 + s/.005)", lambda s: FLOOR + 0.1 * np.log1p(s / 0.005), 1.0),
)
"""Constant or diminishing returns from the first token on. The log-logistic of elasticity 1 is ``rational``."""

DELAYED = (
    TrueCurve("sharp", "corner at .3, then saturating within .2 decades", onset(0.3, 0.2), math.inf),
    TrueCurve("gradual-1.3", "onset at .15, kappa 1.3", onset(0.15, 0.5, 1.3, 0.55), math.inf),
    TrueCurve("gradual-1.7", "onset at .15, kappa 1.7", onset(0.15, 0.5, 1.7, 0.55), math.inf),
    TrueCurve("gradual-2.5", "onset at .15, kappa 2.5", onset(0.15, 0.5, 2.5, 0.55), math.inf),
    TrueCurve("stick", "corner at .3, then straight in log tokens to .58", stick(0.3), math.inf),
    TrueCurve("peak", "false copying: up at .15, down at .5", hump(0.15, 0.5), 1 / (0.06 * math.log(10))),
    TrueCurve("two-phase", "onset at .08 to .2, plateau, onset at .45", summed(
        onset(0.08, 0.1, top=0.18), onset(0.45, 0.1, top=0.35, floor=0.0)), math.inf),
    TrueCurve("weak", "corner at .3, rise of .15", onset(0.3, 0.2, top=0.15), math.inf),
    TrueCurve("probit", "normal cumulative in log tokens around .3",
              lambda s: FLOOR + 0.5 * ndtr(np.log10(s / 0.3) / 0.16), math.inf),
    TrueCurve("waves", "two logistic waves around .1 and .4", summed(
        logistic(0.1, 0.06, 0.2), logistic(0.4, 0.06, 0.35, 0.0)), 1 / (0.06 * math.log(10))),
    TrueCurve("step", "instant step between two checkpoints, at .3012", lambda s: np.where(s < 0.3012, FLOOR, 0.45),
          math.inf),
    TrueCurve("pre-rise", "floor drifts up by .04 before a corner at .3", summed(
        onset(0.3, 0.2), lambda s: 0.04 * np.clip(1 + np.log10(s / 0.3) / 1.5, 0, 1)), math.inf),
    TrueCurve("log-logistic-1.5", "1/(1 + (s/.3)^-1.5)", log_logistic(0.3, 1.5, 0.6), 1.5),
    TrueCurve("log-logistic-2", "1/(1 + (s/.3)^-2)", log_logistic(0.3, 2.0, 0.6), 2.0),
    TrueCurve("cloglog-2", "1 - exp(-(s/.5)^2)", cloglog(0.5, 2.0), 2.0),
    TrueCurve("square", "tokens squared", lambda s: FLOOR + 0.5 * s**2, 2.0),
)  # fmt: skip
"""Growth that starts late."""

FALLING = (
    TrueCurve("narrow", "up at .24, down at .32", hump(0.24, 0.32, low=0.1), 1 / (0.06 * math.log(10))),
    TrueCurve("slight", "up at .15, down by .2 at .5", hump(0.15, 0.5, low=0.3), 1 / (0.06 * math.log(10))),
    TrueCurve("tent", "straight in log tokens up to .4, then down, faster", tent(0.4), math.inf),
)
"""Scores that come down again, beside ``peak``."""

CURVES = {curve.name: curve for curve in CONCAVE + DELAYED + FALLING}


def later(curve: TrueCurve, decades: float) -> TrueCurve:
    """Return ``curve`` shifted by ``decades`` to later tokens; its formula also gives what comes before it."""
    factor = 10.0**decades
    return TrueCurve(f"{curve.name}+{decades:g}", f"{curve.about}, {decades:g} decades later",
                 lambda s: curve.score(s / factor), curve.elasticity)  # fmt: skip


def aligned(curve: TrueCurve, other: TrueCurve, rise: float = 0.05) -> TrueCurve:
    """Return ``curve`` shifted along log tokens so that it takes off when ``other`` does.

    Parameters
    ----------
    curve, other : TrueCurve
        The curve to shift, and the one that gives the takeoff.
    rise : float
        Height above the floor that defines takeoff.
    """
    s = np.geomspace(1e-3, 1.0, 2)
    return later(curve, truth(other, s, rise).takeoff - truth(curve, s, rise).takeoff)
