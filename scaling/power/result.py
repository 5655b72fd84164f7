"""The results of a power analysis and of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calque.data.quantities import format_count, plural
from calque.data.result import Result, Rows, check_backend
from calque.scaling.power.detectable import Detectable
from calque.scaling.power.ladder_plan import LadderPlan

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN = 8
"""Ladders in the table of the terminal and in the picture."""
NINETY = 1.645
"""Half the width of a 90 % interval in SDs."""


@dataclass(frozen=True, kw_only=True, repr=False)
class PowerAnalysis(Result):
    """What a study can detect.

    Attributes
    ----------
    study : str
        The file that describes it, or ``cube``.
    power, level : float
        Probability of detection asked for; 1 minus the test's level.
    seed_sd : float
        SD of ln T between seeds.
    target : float
        Ratio of takeoffs to be detected by the cheapest design.
    rows : tuple of Detectable
        One for each design.
    cheapest : Detectable or None
        None where no design of the table detects the ratio.
    sentences : tuple of str
        The analysis in words.
    costed : bool
        Whether parameters and tokens of a run were known, so that FLOPs mean something.
    """

    study: str
    power: float
    level: float
    seed_sd: float
    target: float
    rows: tuple[Detectable, ...]
    cheapest: Detectable | None
    sentences: tuple[str, ...]
    costed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as plain values for JSON (schema 1); absent values are None."""
        return {
            "schema": 1, "study": self.study, "power": self.power, "level": self.level, "seed_sd": self.seed_sd,
            "target": self.target, "rows": [row.to_dict() for row in self.rows],
            "cheapest": None if self.cheapest is None else self.cheapest.to_dict(), "sentences": list(self.sentences),
        }  # fmt: skip

    def tables(self) -> dict[str, Rows]:
        """Return ``rows``, one a design."""
        return {"rows": Rows(self.to_dict()["rows"], ("checkpoints", "concepts", "seeds"))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the detectable ratios by seeds, checkpoints and concepts, and the sentences."""
        from calque.scaling.power.tables import power_parts

        return power_parts(self)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the detectable ratio against seeds, a line for each number of checkpoints and concepts.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        check_backend(backend)
        if backend == "hvplot":
            from calque.phases.api.interactive import power_plot

            return power_plot(self.to_dict())
        from calque.phases.report.figures import new_axes
        from calque.phases.report.power_pictures import draw_power

        return draw_power(new_axes(3.6) if ax is None else ax, self.to_dict())


@dataclass(frozen=True, kw_only=True, repr=False)
class LadderPlans(Result):
    """Ladders under a budget.

    Attributes
    ----------
    budget : float
        How much may be spent, in ``unit``.
    unit, size : str
        The budget's unit, and the size to be forecast as it was given.
    n : float
        Non-embedding parameters of the size.
    plans : tuple of LadderPlan
        The sharpest forecast first.
    """

    budget: float
    unit: str
    size: str
    n: float
    plans: tuple[LadderPlan, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plans as plain values for JSON (schema 1); absent values are None."""
        plans = [plan.to_dict() for plan in self.plans]
        return {
            "schema": 1, "budget": self.budget, "unit": self.unit, "n_params_non_embedding": self.n, "plans": plans,
        }  # fmt: skip

    def tables(self) -> dict[str, Rows]:
        """Return ``plans``, and ``sizes``: parameters and tokens of each size of a ladder. Plan 0 is the sharpest."""
        plans, each = [], []
        for i, plan in enumerate(self.plans):
            row = plan.to_dict()
            pairs = zip(row.pop("sizes"), row.pop("tokens"), strict=True)
            each += [{"plan": i, "size": k, "n": n, "tokens": tokens} for k, (n, tokens) in enumerate(pairs)]
            plans.append({"plan": i, "n_sizes": len(plan.sizes), **row})
        return {"plans": Rows(plans, ("plan",)), "sizes": Rows(each, ("plan", "size"))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the sharpest ladders, and the first in words."""
        from calque.scaling.power.tables import plan_parts

        return plan_parts(self)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the expected 90 % interval of the sharpest ladders, as a ratio to the forecast.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        check_backend(backend)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import Estimate, draw_ratios

        shown = []
        for plan in self.plans[:SHOWN]:
            half = math.exp(NINETY * plan.sd)
            sizes = f"{plural(len(plan.sizes), 'size')} to {format_count(plan.sizes[-1])}"
            name = f"{sizes}, {plural(plan.seeds, 'seed')}: {plan.cost:.4g} {self.unit}"
            shown.append(Estimate(name, 1.0, 1 / half, half))
        label = f"tokens at takeoff of {self.size} / forecast, 90 % interval"
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(shown, label)
        axes = draw_ratios(new_axes(0.9 + 0.3 * len(shown)) if ax is None else ax, shown)
        axes.set_xlabel(label)
        return axes
