"""Which words first: the function behind ``phases acquisition``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.phases.acquisition.regression import acquisition as acquisition_report
from calque.phases.acquisition.results import AcquisitionReport
from calque.phases.acquisition.settings import AcquisitionSettings
from calque.phases.api.arguments import several
from calque.phases.processes import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AcquisitionRegression(Result):
    """A survival regression of the tokens at which items were acquired.

    Attributes
    ----------
    report : AcquisitionReport
        Coefficients as ratios of tokens, predictors with their share of the explained variation.
    """

    report: AcquisitionReport

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases acquisition --json`` writes."""
        return self.report.to_dict()

    def tables(self) -> dict[str, Rows]:
        """Return ``terms``, ``predictors``, and ``success`` where it can be explained."""
        found = self.to_dict()
        out = {
            "terms": Rows(found["terms"], ("predictor", "term")),
            "predictors": Rows(found["predictors"], ("name",)),
        }
        if found["success"] and found["success"]["parts"]:
            out["success"] = Rows(found["success"]["parts"], ("name",))
        return out

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables and sentences of the terminal."""
        from calque.phases.acquisition.tables import acquisition_parts

        return acquisition_parts(self.report)

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the ratio of tokens of every term with its interval.

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
            When the regression has no terms.
        """
        check_backend(backend)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import Estimate, draw_ratios

        rows = [
            Estimate(f"{t.predictor}: {t.term}", t.time_ratio, t.low, t.high)
            for t in self.report.terms
            if t.time_ratio is not None
        ]
        if not rows:
            raise UserError(f"there are no terms to draw: {self.report.outcome.value}: {self.report.reason}")
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(rows, "ratio of tokens at acquisition")
        axes = draw_ratios(new_axes(0.9 + 0.3 * len(rows)) if ax is None else ax, rows)
        axes.set_xlabel("tokens at acquisition, as a ratio")
        return axes


@checked
def acquisition(
    cube: CubeLike, *, metric: str = "translation", covariates: str | Sequence[str] | None = None,
    items: str = "metric", run: str | Sequence[str] | None = None, lasting: int = 3, boot: int = 199, seed: int = 0,
    level: float = 0.95, progress: Progress | None = None,
) -> AcquisitionRegression:  # fmt: skip
    """Regress the tokens at which each item was acquired on what the cube knows about the items.

    Parameters
    ----------
    cube : xarray.Dataset or path
        With item outcomes over source, target and concept.
    metric : str
        What an item acquires: translation, translation_paired, copying or false_copying.
    covariates : str or sequence of str, optional
        Variables over source, target and concept; ``source_NAME`` or ``target_NAME`` for one over language; a text
        may hold several with commas between. All that the cube holds when None.
    items : {"metric", "all"}
        The items that the metric is about, or every word asked between two languages.
    run : str or sequence of str, optional
        Runs to use; all when None.
    lasting : int
        Hits in a row that make a hit lasting.
    boot : int
        Draws of concepts and languages for the intervals of what explains success, 19 to 10000.
    seed : int
        The same seed gives the same numbers.
    level : float
        Coverage of the intervals.
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    AcquisitionRegression

    Raises
    ------
    UserError
        When the cube has no items, or a setting cannot be used.
    """
    chosen = None
    if covariates is not None:
        parts = covariates.split(",") if isinstance(covariates, str) else covariates
        chosen = tuple(part.strip() for part in parts if part.strip())
        if not chosen:
            raise UserError("`covariates` is empty; name some, or leave it out to take all that the cube holds")
    if items not in ("metric", "all"):
        raise UserError(f"`items` is '{items}'; expected metric or all")
    data, name = as_cube(cube)
    settings = AcquisitionSettings(
        metric=metric,
        covariates=chosen,
        runs=several(run, "run"),
        lasting=lasting,
        every_item=items == "all",
        level=level,
        boot=boot,
        seed=seed,
    )
    return AcquisitionRegression(report=acquisition_report(data, settings, progress=progress, name=name))
