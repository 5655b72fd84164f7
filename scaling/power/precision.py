r"""How precisely one run can locate its transition: Fisher information of a logistic rise in counts.

The score is :math:`p(x) = f + (e - f)/(1 + \exp(-(x - m)/w))`, x = ln tokens, and checkpoint t has
:math:`k_t \sim \mathrm{Bin}(n, p_t)` with a level shift of variance :math:`s^2` and AR(1) correlation :math:`\rho` on
the logit scale, :math:`V = W/n + s^2 W R W`, :math:`W = p(1 - p)`. With J the derivatives of p in (m, ln w, f, e) the
covariance is :math:`(J^T V^{-1} J)^{-1}`: the limit, for many counts, of an efficient estimator that knows the family.
``calque.scaling.power.attained`` simulates what it comes to with few. ``phases`` does not assume the family and is less
precise (docs/benchmarks/efficiency.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from calque.data.errors import UserError

Array = NDArray[np.float64]
MOST_LEVEL_SD = 10


@dataclass(frozen=True, kw_only=True)
class LogisticRise:
    """The transition to locate.

    Attributes
    ----------
    width : float
        Of the logistic, in ln tokens.
    floor, end : float
        Scores before and after.
    rise : float
        Height above the floor that defines takeoff.
    midpoint : float
        Tokens of the midpoint over the last checkpoint's.
    """

    width: float = 0.25
    floor: float = 0.01
    end: float = 0.5
    rise: float = 0.05
    midpoint: float = 0.3

    def __post_init__(self) -> None:
        """Check that there is a rise to locate."""
        if not 0 < self.floor < self.end - self.rise < 1 or not self.end < 1:
            raise UserError(
                f"`floor` is {self.floor:g} and `end` is {self.end:g}; expected a floor above 0, and an end below "
                f"1 that is more than {self.rise:g} above the floor"
            )
        if not self.width > 0 or not 0 < self.midpoint < 1:
            raise UserError(
                f"`width` is {self.width:g} and `midpoint` is {self.midpoint:g}; expected a width above 0 "
                "ln tokens, and a midpoint between 0 and 1 of the run"
            )


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the run is measured.

    Attributes
    ----------
    checkpoints : int
        Evenly spaced, or ``log`` spaced from ``first`` of the last one's tokens.
    concepts : int
        Independent items a checkpoint, after their design effect.
    spacing : {"linear", "log"}
    first : float
        First over last checkpoint, for ``log``.
    level_sd, rho : float
        SD of the level shift on the logit scale, and its correlation from one checkpoint to the next.
    """

    checkpoints: int = 200
    concepts: int = 200
    spacing: str = "linear"
    first: float = 0.002
    level_sd: float = 0.0
    rho: float = 0.0

    def __post_init__(self) -> None:
        """Check the level shift."""
        if not 0 <= self.level_sd <= MOST_LEVEL_SD:
            raise UserError(f"`level_sd` is {self.level_sd:g}; expected an SD on the logit scale, 0 to {MOST_LEVEL_SD}")

    def places(self) -> Array:
        """Return ln(tokens / last checkpoint's tokens)."""
        if self.spacing == "log":
            return np.linspace(math.log(self.first), 0.0, self.checkpoints)
        return np.log(np.arange(1, self.checkpoints + 1) / self.checkpoints)


@dataclass(frozen=True, kw_only=True)
class Precision:
    """SDs of ln tokens: of the midpoint t50, and of the takeoff."""

    t50: float
    takeoff: float


def rate(theta: Array, x: Array) -> Array:
    """Return p(x) at ``theta`` = (m, ln w, floor, end), (4,) or (4, series, 1).

    Parameters
    ----------
    theta : array, shape (4,) or (4, series, 1)
        (m, ln w, floor, end).
    x : array, shape (m,)
        ln tokens.
    """
    return theta[2] + (theta[3] - theta[2]) * expit((x - theta[0]) / np.exp(theta[1]))


def slopes(theta: Array, x: Array) -> Array:
    """Return d p / d theta, (4, m) or (4, series, m).

    Parameters
    ----------
    theta : array, shape (4,) or (4, series, 1)
        (m, ln w, floor, end).
    x : array, shape (m,)
        ln tokens.
    """
    w = np.exp(theta[1])
    z = (x - theta[0]) / w
    g = expit(z)
    steep = (theta[3] - theta[2]) * g * (1 - g)
    return np.stack([-steep / w, -steep * z, 1 - g, g])


def covariance(p: Array, sampling: Sampling) -> Array:
    """Return V, (m, m), of observed rates whose expectations are ``p``.

    Parameters
    ----------
    p : array, shape (m,)
        Expected rates.
    sampling : Sampling
        Items and level shifts.
    """
    w = p * (1 - p)
    v = np.diag(w / sampling.concepts)
    if sampling.level_sd:
        step = np.abs(np.subtract.outer(np.arange(p.size), np.arange(p.size)))
        v = v + sampling.level_sd**2 * w[:, None] * sampling.rho**step * w
    return v


def parameters(curve: LogisticRise) -> Array:
    """Return (m, ln w, floor, end), m in ln(tokens / last checkpoint's).

    Parameters
    ----------
    curve : LogisticRise
        The transition.
    """
    return np.array([math.log(curve.midpoint), math.log(curve.width), curve.floor, curve.end])


def log_takeoff(theta: Array, rise: float) -> Array:
    """Return ln takeoff, where the score stands ``rise`` above the floor, of parameters (4,) or (4, series).

    Parameters
    ----------
    theta : array, shape (4,) or (4, series)
        (m, ln w, floor, end).
    rise : float
        Height above the floor that defines takeoff.
    """
    height = np.maximum(theta[3] - theta[2], rise * (1 + 1e-9))  # one that never rises so far: late, but finite
    share = rise / height
    return np.asarray(theta[0] + np.exp(theta[1]) * logit(share))


def takeoff(theta: Array, rise: float) -> tuple[float, Array]:
    """Return ln takeoff and its gradient.

    Parameters
    ----------
    theta : array, shape (4,)
        (m, ln w, floor, end).
    rise : float
        Height above the floor that defines takeoff.
    """
    w, share = math.exp(theta[1]), rise / (theta[3] - theta[2])
    z = float(logit(share))
    by_share = w / (share * (1 - share))
    down = by_share * share / (theta[3] - theta[2])
    return float(log_takeoff(theta, rise)), np.array([1.0, w * z, down, -down])


def precision(curve: LogisticRise, sampling: Sampling) -> Precision:
    """Return the SDs in the limit of many counts.

    Parameters
    ----------
    curve : LogisticRise
        The transition.
    sampling : Sampling
        How the run is measured.

    Raises
    ------
    UserError
        When fewer checkpoints than the curve has parameters see it.
    """
    if sampling.checkpoints < 6:
        raise UserError(f"`checkpoints` is {sampling.checkpoints}; expected 6 or more to fit a curve of 4 parameters")
    x, theta = sampling.places(), parameters(curve)
    v = covariance(rate(theta, x), sampling)
    j = slopes(theta, x)
    information = j @ np.linalg.solve(v, j.T)
    if np.linalg.cond(information) > 1e14:
        raise UserError(
            f"`checkpoints` is {sampling.checkpoints}, too few for a transition of width {curve.width:g} at "
            f"{curve.midpoint:g} of the run; expected more of them or a wider curve"
        )
    inverse = np.linalg.inv(information)
    gradient = takeoff(theta, curve.rise)[1]
    return Precision(t50=math.sqrt(inverse[0, 0]), takeoff=math.sqrt(gradient @ inverse @ gradient))
