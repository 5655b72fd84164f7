"""A fitted law of takeoff time: parameters with intervals, the outcome, and predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.scaling.laws.registry import law
from calque.scaling.observations import Observation, sizes

if TYPE_CHECKING:
    from rich.console import RenderableType

Array = NDArray[np.float64]
DRAWN = 60
"""Sizes at which a picture has the law."""


@dataclass(frozen=True, kw_only=True)
class ScalingFit:
    """A law of takeoff time fitted to runs.

    Attributes
    ----------
    law, formula : str
        Its name and formula.
    outcome : str
        ``found``, ``too_few_points``, ``censored`` (no run has got there), ``not_sharply_located`` (a flat
        profile) or ``not_converged``.
    reason : str
        Why, in words.
    level : float
        Of the intervals.
    parameters : dict
        The formula's parameters at the maximum; empty where nothing was fitted.
    intervals : dict
        (low, high) of each parameter at ``level``.
    covariance : array
        Of the parameters over the draws, in the order of ``parameters``.
    residuals : array
        ln T minus the law, of the located runs in the order of ``data``.
    seed_sd : float
        SD of ln T between runs of one size.
    converged : bool
        Whether the search found a maximum, the sampler moved and, except in quick fits, its chain was long enough.
    data : tuple of Observation
        All runs, used or not.
    flat : bool
        Whether the data cannot tell a floor from a power law (floor law only).
    reference : float
        The size at which ``theta``'s first coordinate is the log time.
    theta : array
        The maximum in the law's coordinates.
    draws : array, shape (k, p + 1)
        Draws of (theta, ln sigma).
    autocorrelation : float
        Integrated autocorrelation time of the sampler in steps, of the slowest coordinate; NaN in quick fits.
    """

    law: str
    formula: str
    outcome: str
    reason: str
    level: float
    data: tuple[Observation, ...]
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    covariance: Array = field(default_factory=lambda: np.empty((0, 0)))
    residuals: Array = field(default_factory=lambda: np.empty(0))
    seed_sd: float = math.nan
    converged: bool = False
    flat: bool = False
    reference: float = math.nan
    theta: Array = field(default_factory=lambda: np.empty(0))
    draws: Array = field(default_factory=lambda: np.empty((0, 0)))
    autocorrelation: float = math.nan

    def log_time(self, n: float) -> Array:
        """Return ln T at ``n`` non-embedding parameters for each draw, (k,), without the scatter between runs."""
        return law(self.law).log_time(self.draws[:, :-1], np.log([n / self.reference]))[:, 0]

    def predict(self, n: float | Array) -> Array:
        """Return T in tokens, (m,), at the maximum of the likelihood for ``n`` (m,) non-embedding parameters."""
        u = np.log(np.atleast_1d(np.asarray(n, float)) / self.reference)
        return np.exp(law(self.law).log_time(self.theta, u))

    def curve(self) -> dict[str, list[float]]:
        """Return the law between the smallest and the largest located size.

        Returns
        -------
        dict
            Sizes ``n``, ``tokens`` at the maximum of the likelihood, ``low`` and ``high`` of the expected time at
            ``level``, each (60,).
        """
        located = sizes(self.data)
        n = np.geomspace(located[0], located[-1], DRAWN)
        times = law(self.law).log_time(self.draws[:, :-1], np.log(n / self.reference))
        low, high = np.exp(np.quantile(times, [0.5 - self.level / 2, 0.5 + self.level / 2], axis=0))
        return {"n": n.tolist(), "tokens": self.predict(n).tolist(), "low": low.tolist(), "high": high.tolist()}

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values for JSON; absent values are None."""
        located = iter(self.residuals)
        return {
            "law": self.law,
            "formula": self.formula,
            "outcome": self.outcome,
            "reason": self.reason,
            "parameters": {
                name: {"estimate": value, "low": self.intervals[name][0], "high": self.intervals[name][1]}
                for name, value in self.parameters.items()
            },
            "level": self.level,
            "covariance": self.covariance.tolist() or None,
            "seed_sd": None if math.isnan(self.seed_sd) else self.seed_sd,
            "converged": self.converged,
            "residuals": [{"run": o.run, "residual": float(next(located))} for o in self.data if o.kind == "located"]
            if self.residuals.size
            else [],
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class TakeoffFit(Result):
    """A law fitted to the takeoffs of a cube.

    Attributes
    ----------
    metric : str
        Whose takeoff.
    fit : ScalingFit
        The law; ``fit.data`` holds the runs.
    note : str or None
        Which runs of the cube were left out.
    rise : float
        Height above the floor that defines takeoff.
    cube_name : str
        The cube's path, or ``cube``.
    """

    metric: str
    fit: ScalingFit
    note: str | None = None
    rise: float = 0.05
    cube_name: str = "cube"

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values for JSON (schema 1); absent values are None."""
        report = {"schema": 1, "cube": self.cube_name, "metric": self.metric, "rise": self.rise, "note": self.note}
        return report | self.fit.to_dict() | {"transitions": [o.to_dict() for o in self.fit.data]}

    def tables(self) -> dict[str, Rows]:
        """Return ``parameters``, and ``transitions`` and ``residuals`` (ln T minus the law), one row a run."""
        found = self.to_dict()
        parameters = [{"parameter": name, **row} for name, row in found["parameters"].items()]
        return {
            "parameters": Rows(parameters, ("parameter",)),
            "transitions": Rows(found["transitions"], ("run",)),
            "residuals": Rows(found["residuals"], ("run",)),
        }

    def renderables(self) -> Sequence[RenderableType]:
        """Return the takeoffs, the parameters, the outcome and which runs were left out."""
        from calque.scaling.laws.tables import fit_parts

        return fit_parts(self)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw takeoff against size: the runs, and the law with the interval of the expected time.

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
            When no law was fitted.
        """
        check_backend(backend)
        if not self.fit.parameters:
            raise UserError(f"nothing to draw: {self.fit.law} law: {self.fit.outcome}: {self.fit.reason}")
        found: dict[str, Any] = {"metric": self.metric, "curves": {self.fit.law: self.fit.curve()}}
        found |= {"transitions": [o.to_dict() for o in self.fit.data]}
        if backend == "hvplot":
            from calque.phases.api.interactive import law_plot

            return law_plot(found)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forecast_pictures import draw_laws

        return draw_laws(new_axes(4.2) if ax is None else ax, found)
