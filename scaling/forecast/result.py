"""The result of a forecast: one row for each law, sentences, roll-outs and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.scaling.forecast.rollout import Rollout
from calque.scaling.observations import Observation

if TYPE_CHECKING:
    from rich.console import RenderableType


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


@dataclass(frozen=True, kw_only=True, repr=False)
class Forecast(Result):
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
    rise : float
        Height above the floor that defines takeoff.
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
    rise: float = 0.05
    cube_name: str = "cube"

    def to_dict(self) -> dict[str, Any]:
        """Return the forecast as plain values for JSON (schema 1); absent values are None."""
        return {
            "schema": 1,
            "cube": self.cube_name,
            "metric": self.metric,
            "rise": self.rise,
            "size": self.size,
            "n_params_non_embedding": self.n,
            "sentences": list(self.sentences),
            "rows": [asdict(row) for row in self.rows],
            "transitions": [o.to_dict() for o in self.observations],
            "rollouts": {law: [r.to_dict() for r in errors] for law, errors in self.rollouts.items()},
            "curves": self.curves,
        }

    def tables(self) -> dict[str, Rows]:
        """Return ``rows`` (one a law), ``transitions`` (one a run), ``rollouts`` and ``curves`` (by law and size)."""
        found = self.to_dict()
        rollouts = [{"law": law, **row} for law, rows in found["rollouts"].items() for row in rows]
        curves = [
            {"law": law, **dict(zip(curve, values, strict=True))}
            for law, curve in self.curves.items()
            for values in zip(*curve.values(), strict=True)
        ]
        return {
            "rows": Rows(found["rows"], ("law",)),
            "transitions": Rows(found["transitions"], ("run",)),
            "rollouts": Rows(rollouts, ("law", "n")),
            "curves": Rows(curves, ("law", "n")),
        }

    def renderables(self) -> Sequence[RenderableType]:
        """Return the takeoffs, one row for each law, and the sentences."""
        from calque.scaling.forecast.tables import forecast_parts

        return forecast_parts(self)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw takeoff against size: runs, laws, the size that was forecast.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay

        Raises
        ------
        UserError
            When no law gives a forecast.
        """
        check_backend(backend)
        if not self.curves:
            raise UserError("nothing to draw: no law gives a forecast")
        if backend == "hvplot":
            from calque.phases.api.interactive import law_plot

            return law_plot(self.to_dict())
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forecast_pictures import draw_laws

        return draw_laws(new_axes(4.2) if ax is None else ax, self.to_dict())
