"""A fitted loss law, and the report of it with a prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points
from calque.scaling.loss.profile import Profile

if TYPE_CHECKING:
    from rich.console import RenderableType

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
        """Return the loss at new points with its interval over resampled runs, each (m,), if the law is true.

        Where a profile leaves a parameter open, the interval is widened to all laws on the profiles whose deviance is
        within the level: an open parameter need not leave the prediction open.

        Parameters
        ----------
        at : Points
            m points; their loss is not used.
        """
        law = loss_law(self.law)
        prepared = law.prepare(at)
        middle = np.exp(law.evaluate(self.theta[None], prepared)[0][0])
        values = np.exp(law.evaluate(self.draws, prepared)[0])
        low, high = np.quantile(values, [0.5 - self.level / 2, 0.5 + self.level / 2], axis=0)
        if self.flat:
            limit = float(chi2.ppf(self.level, 1))
            likely = np.concatenate([p.theta[p.deviance < limit] for p in self.profiles])
            around = np.exp(law.evaluate(likely, prepared)[0])
            low, high = np.minimum(low, around.min(0)), np.maximum(high, around.max(0))
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


@dataclass(frozen=True, kw_only=True, repr=False)
class LossReport(Result):
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

    def tables(self) -> dict[str, Rows]:
        """Return ``parameters``, their ``profiles`` as curves, and where there are some ``prediction`` and ``optima``.

        ``optima`` holds the size and tokens of least loss at equal FLOPs, of the Chinchilla law.
        """
        found = self.to_dict()
        ends = {p["parameter"]: {"profile_low": p["low"], "profile_high": p["high"]} for p in found["profiles"]}
        parameters = [{"parameter": name, **row, **ends[name]} for name, row in found["parameters"].items()]
        profiles = [
            {"parameter": p["parameter"], "point": i, "coordinate": at, "deviance": deviance}
            for p in found["profiles"]
            for i, (at, deviance) in enumerate(zip(p["coordinate"], p["deviance"], strict=True))
        ]
        out = {"parameters": Rows(parameters, ("parameter",)), "profiles": Rows(profiles, ("parameter", "point"))}
        if self.prediction is not None:
            out["prediction"] = Rows([self.prediction])
        if self.isoflop is not None:
            out["optima"] = Rows(self.isoflop["optima"], ("flops",))
        return out

    def renderables(self) -> Sequence[RenderableType]:
        """Return the parameters with the intervals of the resamples and of the profiles, and the sentences."""
        from calque.scaling.loss.tables import loss_parts

        return loss_parts(self)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw loss against size at equal FLOPs with the optima, the isoFLOP view of the Chinchilla law.

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
            For another law, or when none was fitted.
        """
        check_backend(backend)
        if self.isoflop is None:
            raise UserError("nothing to draw: the isoFLOP view is of a fitted chinchilla law")
        if backend == "hvplot":
            from calque.phases.api.interactive import isoflop_plot

            return isoflop_plot(self.isoflop)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.loss_pictures import draw_isoflop

        return draw_isoflop(new_axes(4.2) if ax is None else ax, self.isoflop)
