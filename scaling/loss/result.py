"""A fitted loss law, and the report of it with a prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.law import loss_law
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points
from calque.scaling.loss.profile import Profile

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LossFit:
    """A loss law fitted to points.

    Attributes
    ----------
    law, formula : str
        Its name and formula.
    outcome : str
        ``found``, ``too_few_points``, ``not_sharply_located`` (a profile is flat) or ``not_converged``.
    reason : str
        Why, in words.
    level : float
        Of the intervals.
    parameters, intervals : dict
        The formula's parameters and their intervals at ``level`` over resampled runs.
    objective : Objective
        What was minimised.
    value : float
        The objective's sum at the minimum.
    points : Points
        What was fitted.
    theta : array, shape (p,)
        Coordinates at the minimum.
    draws : array, shape (boot, p)
        Coordinates of the resamples.
    profiles : tuple of Profile
        One for each parameter.
    """

    law: str
    formula: str
    outcome: str
    reason: str
    level: float
    objective: Objective
    points: Points
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    value: float = math.nan
    theta: Array = field(default_factory=lambda: np.empty(0))
    draws: Array = field(default_factory=lambda: np.empty((0, 0)))
    profiles: tuple[Profile, ...] = ()

    @property
    def flat(self) -> tuple[str, ...]:
        """Parameters whose profile does not close on both sides."""
        return tuple(p.parameter for p in self.profiles if p.flat)

    def predict(self, at: Points) -> tuple[Array, Array, Array]:
        """Return the loss at new points with its interval over resampled runs, each (m,), if the law is true."""
        law = loss_law(self.law)
        prepared = law.prepare(at)
        middle = np.exp(law.evaluate(self.theta[None], prepared)[0][0])
        values = np.exp(law.evaluate(self.draws, prepared)[0])
        low, high = np.quantile(values, [0.5 - self.level / 2, 0.5 + self.level / 2], axis=0)
        return middle, low, high

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values for JSON; absent values are None."""
        return {
            "law": self.law, "formula": self.formula, "outcome": self.outcome, "reason": self.reason,
            "level": self.level, "objective": self.objective.kind,
            "value": None if math.isnan(self.value) else self.value, "points": len(self.points),
            "runs": int(np.unique(self.points.run).size),
            "parameters": {
                name: {"estimate": value, "low": self.intervals[name][0], "high": self.intervals[name][1]}
                for name, value in self.parameters.items()
            },
            "profiles": [p.to_dict() for p in self.profiles],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LossReport:
    """A loss law fitted to a file or cube, with a prediction where one was asked for.

    Attributes
    ----------
    fit : LossFit
        The law.
    sentences : tuple of str
        The fit and the prediction in words.
    prediction : dict or None
        ``n``, ``d``, ``loss``, ``low``, ``high``, ``extrapolation`` and ``outcome``; None where none was asked for.
    isoflop : dict or None
        What the isoFLOP picture is drawn from; None unless a Chinchilla law was fitted.
    source : str
        The path of the points, or ``cube``.
    """

    fit: LossFit
    sentences: tuple[str, ...]
    prediction: dict[str, Any] | None = None
    isoflop: dict[str, Any] | None = None
    source: str = "cube"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON (schema 1); absent values are None."""
        return {
            "schema": 1, "source": self.source, **self.fit.to_dict(), "sentences": list(self.sentences),
            "prediction": self.prediction, "isoflop": self.isoflop,
        }  # fmt: skip
