"""Curves of a rate over tokens with a given takeoff, and latent centres whose noisy mean they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from calque.scaling.simulate.scores import Shape

Array = NDArray[np.float64]


def unit_shape(z: Array, shape: Shape, width: float, kappa: float) -> Array:
    """Return a shape that rises from 0 to 1, at ``z`` = log10 tokens minus its location.

    Parameters
    ----------
    z : array
        log10 tokens minus the location.
    shape : str
        ``sharp``, ``logistic`` or ``saturating``.
    width : float
        In log10 tokens; ``saturating`` has none.
    kappa : float
        Exponent of ``sharp``.
    """
    if shape == "sharp":
        return -np.expm1(-((np.maximum(z, 0.0) / width) ** kappa))
    if shape == "logistic":
        return expit(z / width)
    return -np.expm1(-(10.0 ** np.minimum(z, 300.0)))


def place(takeoff: float, first: float, gain: float, shape: Shape, width: float, kappa: float) -> float:
    """Return the location (log10 tokens) where a shape gains ``gain`` between ``first`` and ``takeoff``.

    Solves ``g(log10(takeoff) - m) - g(log10(first) - m) = gain`` for the largest m: the takeoff is exact by
    its definition, expected score above the score at the first checkpoint. A takeoff that is not after
    ``first`` is counted from the floor itself.

    Parameters
    ----------
    takeoff, first : float
        Tokens.
    gain : float
        Share of the height, 0 to 1.
    shape : str
        See :func:`unit_shape`.
    width, kappa : float
        See :func:`unit_shape`.

    Raises
    ------
    ValueError
        When the shape is too wide to gain that much between the two.
    """
    x, start = np.log10(takeoff), np.log10(first)

    def missing(m: Array) -> Array:
        gained = unit_shape(x - m, shape, width, kappa) - gain
        return gained if x <= start else gained - unit_shape(start - m, shape, width, kappa)

    grid = x + np.linspace(20.0, -20.0, 2001) * max(width, 0.2)
    above = np.flatnonzero(missing(grid) >= 0)
    if above.size == 0 or above[0] == 0:
        raise ValueError(
            f"a {shape} curve of width {width:g} cannot rise by {gain:.3g} of its height between {first:.3g} and "
            f"{takeoff:.3g} tokens; narrow it or start the checkpoints earlier"
        )
    i = int(above[0])
    return float(brentq(lambda m: float(missing(np.asarray(m))), grid[i], grid[i - 1], xtol=1e-13))


def crossing(tokens: Array, rate: Array, rise: float) -> float | None:
    """Return the tokens where ``rate`` first stands ``rise`` above its first value, or None.

    Parameters
    ----------
    tokens, rate : array, shape (m,)
        Ascending tokens, and the rate there.
    rise : float
        Height above the first value.
    """
    gain = rate - rate[0]
    hit = np.flatnonzero(gain >= rise)
    if hit.size == 0:
        return None
    j = int(hit[0])
    share = (rise - gain[j - 1]) / (gain[j] - gain[j - 1])
    x = np.log(tokens)
    return float(np.exp(x[j - 1] + share * (x[j] - x[j - 1])))


def centre(rate: Array, sd: float) -> Array:
    """Return m with ``E[expit(m + sd * Z)] = rate`` for standard normal Z (Gauss-Hermite, Newton).

    Parameters
    ----------
    rate : array
        Rates, 0 to 1.
    sd : float
        SD of the shift on the logit scale.
    """
    rate = np.clip(rate, 1e-9, 1 - 1e-9)
    m = logit(rate)
    if sd == 0:
        return m
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    for _ in range(50):
        p = expit(m[..., None] + sd * nodes)
        step = ((p @ weights) - rate) / ((p * (1 - p)) @ weights)
        m = m - np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-12:
            break
    return m
