"""The result of a calibration of forecasts: one row for each truth, scatter and law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError, nearest
from calque.data.result import Result, Rows, check_backend

if TYPE_CHECKING:
    from rich.console import RenderableType

FIGURES = ("coverage", "rms", "bias", "width", "floor_weight")


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The outcome over the simulated studies; errors and widths in ln T.

    Attributes
    ----------
    coverage : float
        Share of intervals that hold the new run.
    rms, bias : float
        Root mean square and mean of the forecast minus the expected ln T.
    width : float
        Median of ln(high / low).
    floor_weight : float
        Mean posterior probability of a floor.
    """

    truth: str
    law: str
    seeds: int
    seed_sd: float
    studies: int
    coverage: float
    rms: float
    bias: float
    width: float
    floor_weight: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class ForecastCalibration(Result):
    """How often forecasts held, over truths, scatters and laws.

    Attributes
    ----------
    level : float
        Of the intervals.
    seed, sizes : int
        The seed, and sizes of the ladder.
    factor : float
        Ratio of neighbouring sizes.
    rows : tuple of Coverage
        One for each truth, seed SD and law.
    """

    level: float
    seed: int
    sizes: int
    factor: float
    rows: tuple[Coverage, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain values for JSON (schema 1)."""
        return {"schema": 1} | asdict(self) | {"rows": [row.to_dict() for row in self.rows]}

    def tables(self) -> dict[str, Rows]:
        """Return ``rows``, one a truth, seed SD and law."""
        return {"rows": Rows(self.to_dict()["rows"], ("truth", "seed_sd", "law"))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the table, and a sentence on how sure its numbers are."""
        from calque.scaling.forecast.tables import calibration_parts

        return calibration_parts(self)

    def plot(self, figure: str = "coverage", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one figure of every row; a coverage with its Wilson interval at 95 %.

        Parameters
        ----------
        figure : {"coverage", "rms", "bias", "width", "floor_weight"}
            What is drawn.
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
            For a figure that is none.
        """
        check_backend(backend)
        if figure not in FIGURES:
            raise UserError(f"`figure` is '{figure}'; expected one of {', '.join(FIGURES)}" + nearest(figure, FIGURES))
        from calque.phases.report.figures import INK, new_axes
        from calque.phases.report.forest import Estimate, draw_shares
        from calque.phases.stats.proportion import wilson

        shown = []
        for row in self.rows:
            value = float(getattr(row, figure))
            low, high = map(float, wilson(value, row.studies)) if figure == "coverage" else (value, value)
            shown.append(Estimate(f"{row.truth}, seed SD {row.seed_sd:g}: {row.law}", value, low, high))
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(shown, figure.replace("_", " "), log=False)
        axes = draw_shares(new_axes(0.9 + 0.3 * len(shown)) if ax is None else ax, shown)
        if figure == "coverage":
            axes.axvline(self.level, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_xlabel(figure.replace("_", " "))
        return axes
