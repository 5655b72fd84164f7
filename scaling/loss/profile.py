"""Profile likelihoods: the least objective with one coordinate fixed, and where that bounds the parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from calque.scaling.loss.laws.base import LossLaw, Prepared
from calque.scaling.loss.minimise import refine
from calque.scaling.loss.objective import Objective

Array = NDArray[np.float64]
STEPS = 41
REACH = {"alpha": 0.6, "beta": 0.6, "gamma": 0.6}
WIDE = 3.0
DOUBLINGS, FURTHER = 3, 12
"""A side that stays open is followed to twice the distance so many times, by so many points each."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The profile likelihood of one coordinate.

    Attributes
    ----------
    parameter : str
        As the formula writes it.
    coordinate : array, shape (s,)
        Values at which the coordinate was fixed.
    deviance : array, shape (s,)
        Twice the log likelihood ratio to the best fit, about chi-squared with 1 degree of freedom.
    theta : array, shape (s, p)
        All coordinates of the law there.
    low, high : float or None
        Where the deviance reaches the level's quantile, in the formula's parameter; None where it never does.
    """

    parameter: str
    coordinate: Array
    deviance: Array
    theta: Array
    low: float | None
    high: float | None

    @property
    def flat(self) -> bool:
        """Whether the profile leaves the parameter unbounded on one side."""
        return self.low is None or self.high is None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "parameter": self.parameter, "coordinate": self.coordinate.tolist(), "deviance": self.deviance.tolist(),
            "low": self.low, "high": self.high,
        }  # fmt: skip


def profiles(
    law: LossLaw, prepared: Prepared, log_loss: Array, objective: Objective, theta: Array, value: float, *, runs: int,
    level: float,
) -> tuple[Profile, ...]:  # fmt: skip
    """Return every coordinate's profile.

    The objective is read as a likelihood whose scale is estimated: normal for squares (``runs ln(S / S_min)``),
    Laplace for the others (``2 runs ln(S / S_min)``), counting runs, not rows.

    Parameters
    ----------
    law : LossLaw
        The law.
    prepared : tuple of array
        What its ``prepare`` returned.
    log_loss : array, shape (m,)
        Observed ln loss.
    objective : Objective
        What was minimised.
    theta : array, shape (p,)
        The minimum.
    value : float
        The objective there.
    runs : int
        Distinct runs.
    level : float
        Of the intervals.
    """
    p, limit = theta.size, float(chi2.ppf(level, 1))
    factor = runs if objective.kind == "gaussian" else 2 * runs
    floor = max(value, 1e-300)
    offsets = np.concatenate([np.linspace(-1, 0, STEPS // 2 + 1)[:-1], np.linspace(0, 1, STEPS // 2 + 1)])
    offsets = np.sign(offsets) * np.abs(offsets) ** 2

    def trace(rows: Array, coordinates: Sequence[int]) -> tuple[Array, Array]:
        """Minimise with one coordinate of every row held; return the rows and their deviance."""
        fixed = np.zeros(rows.shape, bool)
        fixed[np.arange(len(rows)), list(coordinates)] = True
        found = refine(law, prepared, log_loss, objective, rows, fixed=fixed)
        return found.theta, factor * np.log(np.maximum(found.value, floor) / floor)

    rows = np.tile(theta, (p * offsets.size, 1))
    held = np.repeat(np.arange(p), offsets.size)
    reach = np.array([REACH.get(name, WIDE) for name in law.coordinates])
    rows[np.arange(len(rows)), held] += np.tile(offsets, p) * reach[held]
    at, height = trace(rows, held.tolist())
    result = []
    for i, parameter in enumerate(law.parameters):
        part = slice(i * offsets.size, (i + 1) * offsets.size)
        points, deviance = at[part], height[part]
        for side in (-1, 1):
            distance = reach[i]
            for _ in range(DOUBLINGS):
                if (deviance[(points[:, i] - theta[i]) * side >= 0] >= limit).any():
                    break
                end = points[np.argmax(points[:, i] * side)]
                further = np.tile(end, (FURTHER, 1))
                further[:, i] = theta[i] + side * np.linspace(distance, 2 * distance, FURTHER + 1)[1:]
                more, heights = trace(further, [i] * FURTHER)
                points, deviance = np.concatenate([points, more]), np.concatenate([deviance, heights])
                distance *= 2
        order = np.argsort(points[:, i], kind="stable")
        points, deviance = points[order], deviance[order]
        ends = [_end(law, theta, i, points[:, i], deviance, side, limit) for side in (-1, 1)]
        result.append(
            Profile(parameter=parameter, coordinate=points[:, i], deviance=deviance, theta=points, low=ends[0],
                    high=ends[1])
        )  # fmt: skip
    return tuple(result)


def _end(law: LossLaw, theta: Array, i: int, coordinate: Array, deviance: Array, side: int, limit: float) -> (
    float | None
):  # fmt: skip
    """Return the parameter where the deviance reaches the limit on one side; None where it never does."""
    on = (coordinate - theta[i]) * side >= 0
    order = np.argsort(np.abs(coordinate[on] - theta[i]))
    x, y = coordinate[on][order], deviance[on][order]
    over = np.flatnonzero(y >= limit)
    if not over.size:
        return None
    j = int(over[0])
    share = (limit - y[j - 1]) / max(y[j] - y[j - 1], 1e-12) if j else 0.0
    at = theta.copy()
    at[i] = x[max(j - 1, 0)] + share * (x[j] - x[max(j - 1, 0)])
    return float(law.public(at[None])[0, i])
