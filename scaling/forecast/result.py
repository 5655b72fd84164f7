"""The result of a forecast: one row for each law, sentences, roll-outs and curves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from calque.scaling.forecast.rollout import Rollout
from calque.scaling.observations import Observation


@dataclass(frozen=True, kw_only=True)
class ForecastRow:
    """The forecast by one law.

    Attributes
    ----------
    law : str
        Its name.
    tokens, low, high : float or None
        The forecast for one new run, with its interval at ``level``; None where refused.
    outcome, reason : str
        ``found``; ``too_few_points``, ``censored``, ``not_sharply_located`` or ``not_converged``, and why.
    extrapolation : float or None
        Target size over the largest located size.
    parameter_sd, seed_sd, discrepancy_sd : float or None
        SDs of ln T that make up the interval; the last is None where no roll-out was possible.
    rollout_rms : float or None
        Root mean squared error in ln T on the sizes left out; None without roll-outs.
    floor_weight : float or None
        Posterior probability of a floor, of the average alone.
    """

    law: str
    level: float
    outcome: str
    reason: str
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    extrapolation: float | None = None
    parameter_sd: float | None = None
    seed_sd: float | None = None
    discrepancy_sd: float | None = None
    rollout_rms: float | None = None
    floor_weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A forecast by every law, in sentences and numbers.

    Attributes
    ----------
    metric, size : str
        Whose takeoff, and the size as it was given.
    n : float
        Non-embedding parameters of the size.
    sentences : tuple of str
        The forecast in words.
    rows : tuple of ForecastRow
        One for each law.
    observations : tuple of Observation
        The runs it rests on.
    rollouts : dict
        By law, the sizes left out.
    curves : dict
        By law, ``tokens`` at sizes ``n`` with ``low`` and ``high`` of the expected time, from the smallest size to the
        target.
    cube_name : str
        The cube's path, or ``cube``.
    """

    metric: str
    size: str
    n: float
    sentences: tuple[str, ...]
    rows: tuple[ForecastRow, ...]
    observations: tuple[Observation, ...]
    rollouts: dict[str, tuple[Rollout, ...]] = field(default_factory=dict)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    cube_name: str = "cube"

    def to_dict(self) -> dict[str, Any]:
        """Return the forecast as plain values for JSON (schema 1); absent values are None."""
        return {
            "schema": 1,
            "cube": self.cube_name,
            "metric": self.metric,
            "size": self.size,
            "n_params_non_embedding": self.n,
            "sentences": list(self.sentences),
            "rows": [asdict(row) for row in self.rows],
            "transitions": [o.to_dict() for o in self.observations],
            "rollouts": {law: [r.to_dict() for r in errors] for law, errors in self.rollouts.items()},
            "curves": self.curves,
        }
