"""Profile likelihoods: the least objective with one coordinate fixed, and where that bounds the parameter."""

from __future__ import annotations

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
    low, high : float or None
        Where the deviance reaches the level's quantile, in the formula's parameter; None where it never does.
    """

    parameter: str
    coordinate: Array
    deviance: Array
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
    offsets = np.concatenate([np.linspace(-1, 0, STEPS // 2 + 1)[:-1], np.linspace(0, 1, STEPS // 2 + 1)])
    offsets = np.sign(offsets) * np.abs(offsets) ** 2
    rows, held = [], []
    for i, name in enumerate(law.coordinates):
        at = np.tile(theta, (offsets.size, 1))
        at[:, i] += offsets * REACH.get(name, WIDE)
        fixed = np.zeros((offsets.size, p), bool)
        fixed[:, i] = True
        rows.append(at)
        held.append(fixed)
    found = refine(law, prepared, log_loss, objective, np.concatenate(rows), fixed=np.concatenate(held))
    factor = runs if objective.kind == "gaussian" else 2 * runs
    floor = max(value, 1e-300)
    deviance = factor * np.log(np.maximum(found.value, floor) / floor)
    result = []
    for i, parameter in enumerate(law.parameters):
        part = slice(i * offsets.size, (i + 1) * offsets.size)
        coordinate, height = rows[i][:, i], deviance[part]
        ends: list[float | None] = []
        for side in (-1, 1):
            on = offsets * side >= 0
            order = np.argsort(np.abs(offsets[on]))
            x, y = coordinate[on][order], height[on][order]
            over = np.flatnonzero(y >= limit)
            if not over.size:
                ends.append(None)
                continue
            j = int(over[0])
            share = (limit - y[j - 1]) / max(y[j] - y[j - 1], 1e-12) if j else 0.0
            at = theta.copy()
            at[i] = x[max(j - 1, 0)] + share * (x[j] - x[max(j - 1, 0)])
            ends.append(float(law.public(at[None])[0, i]))
        result.append(Profile(parameter=parameter, coordinate=coordinate, deviance=height, low=ends[0], high=ends[1]))
    return tuple(result)
