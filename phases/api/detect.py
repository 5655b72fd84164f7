"""Detecting the transitions of a cube: the function behind ``phases detect``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError, nearest
from calque.data.result import Result, Rows, check_backend
from calque.phases.detection.detect import detect as detect_report
from calque.phases.results import DetectionReport, Lag, Transition
from calque.phases.series.axis import Scale
from calque.phases.series.metrics import SPLITS
from calque.phases.settings import Link, Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from calque.phases.processes import Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection(Result):
    """The transitions of a cube.

    Attributes
    ----------
    report : DetectionReport
        All rows, with the curves that the pictures need.
    cube : xarray.Dataset
        What was analysed.
    """

    report: DetectionReport
    cube: xr.Dataset

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """One row an estimand of a series."""
        return self.report.transitions

    @property
    def lags(self) -> tuple[Lag, ...]:
        """One row a pair of metrics within a run."""
        return self.report.lags

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases detect --json`` writes."""
        return self.report.to_dict()

    def tables(self) -> dict[str, Rows]:
        """Return ``transitions``, and ``lags`` where there are any."""
        found = self.to_dict()
        out = {"transitions": Rows(found["transitions"], ("run", "group", "metric", "estimand"))}
        if found["lags"]:
            out["lags"] = Rows(found["lags"], ("run", "group", "first", "second"))
        return out

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables of the terminal."""
        if self.report.settings["family"] == "dictionary":
            from calque.phases.report.tables import report_parts

            return report_parts(self.report)
        from calque.phases.report.classical import report_parts as classical_parts

        return classical_parts(self.report)

    def plot(self, run: str | None = None, group: str = "", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the curves of one run with their intervals.

        Parameters
        ----------
        run : str, optional
            The first run when None.
        group : str
            The part of the run, as in the column ``group``.
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
            For a run, a group or a backend that is none.
        """
        check_backend(backend)
        parts = list(dict.fromkeys((t.run, t.group) for t in self.transitions))
        name = parts[0][0] if run is None and parts else run
        if (name, group) not in parts:
            known = [f"'{r}'" if not g else f"'{r}' with group '{g}'" for r, g in parts]
            raise UserError(
                f"the result has no run '{name}' with group '{group}'; it has {', '.join(known[:6])}"
                + nearest(str(name), [r for r, _ in parts])
            )
        curves = [c for c in self.report.curves if (c.run, c.group) == (name, group)]
        rows = [t for t in self.transitions if (t.run, t.group) == (name, group)]
        lags = [lag for lag in self.lags if (lag.run, lag.group) == (name, group)]
        scale, bars = self.report.settings["scale"], self._bars()
        if backend == "hvplot":
            from calque.phases.api.interactive import run_plot

            return run_plot(curves, rows, scale, bars)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.runs import draw_run

        return draw_run(new_axes(below=0.14) if ax is None else ax, curves, rows, lags, scale, bars)

    def _bars(self) -> str:
        family = self.report.settings["family"]
        if family == "dictionary":
            return "takeoff"
        from calque.phases.report.classical import BARS

        return BARS[family]

    def to_html(
        self, path: str | Path, *, forecast: dict[str, Any] | None = None, power: dict[str, Any] | None = None,
        loss: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Write the report with its pictures, one file.

        Parameters
        ----------
        path : path
            The file.
        forecast, power, loss : dict, optional
            What the commands of ``scaling`` write with ``--json``; shown in the report.

        Raises
        ------
        UserError
            When the file cannot be written, or these are given with a classical model.
        """
        beside = {"forecast": forecast, "power": power, "loss": loss}
        if self.report.settings["family"] == "dictionary":
            from calque.phases.report.html import write_report

            write_report(self.report, self.cube, Path(path), **beside)
            return
        for name, given in beside.items():
            if given is not None:
                raise UserError(f"`{name}` stands beside the dictionary's takeoffs: leave it out, or `family`")
        from calque.phases.report.classical import write_report as write_classical

        write_classical(self.report, Path(path))


def detect(
    cube: CubeLike, *, metric: str | Sequence[str] | None = None, by: str | Sequence[str] = "run", boot: int = 999,
    seed: int = 0, level: float = 0.95, rise: float = 0.05, scale: Scale = "log", family: str = "dictionary",
    link: Link = "logit", jobs: int = 1, progress: Progress | None = None,
) -> Detection:  # fmt: skip
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run.

    Parameters
    ----------
    cube : xarray.Dataset or path
        Schema 1; ``tokens`` and one metric suffice.
    metric : str or sequence of str, optional
        Metrics or variables of the cube; the standard set when None.
    by : str or sequence of str
        How to split: some of run, size, mix, source, target, pair, with commas between or as a sequence.
    boot : int
        Bootstrap replicates a series, 19 to 100000.
    seed : int
        The same seed gives the same numbers.
    level : float
        Coverage of the intervals; tests are at 1 - level.
    rise : float
        Height above the floor that defines takeoff: of a proportion, or of the rise of a continuous score.
    scale : {"log", "linear"}
        Axis of the shapes of growth.
    family : str
        ``dictionary``, or a classical model (docs/CLASSICAL.md).
    link : {"logit", "identity"}
        Scale of a proportion on which a classical model is linear.
    jobs : int
        Processes; the numbers do not depend on it. A script that asks for more than one needs
        ``if __name__ == "__main__":``.
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    Detection
        Its main table has a row an estimand of a series, with tokens, low, high in tokens.

    Raises
    ------
    UserError
        When the cube or a setting cannot be used.
    """
    data, name = as_cube(cube)
    settings = Settings(
        metrics=several(metric), by=splits(by), boot=boot, seed=seed, level=level, rise=rise, scale=scale,
        family=family, link=link,
    )  # fmt: skip
    return Detection(report=detect_report(data, settings, progress=progress, name=name, jobs=jobs), cube=data)


def several(given: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return one name, or a sequence of names, as a tuple without duplicates; None for none.

    Parameters
    ----------
    given : str, sequence of str or None
        Names.

    Returns
    -------
    tuple of str or None
        The names in their order; None where there is none.
    """
    if given is None:
        return None
    return tuple(dict.fromkeys([given] if isinstance(given, str) else map(str, given))) or None


def splits(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of ``by``: a sequence, or text with commas between.

    Raises
    ------
    UserError
        When there is none.
    """
    parts = by.split(",") if isinstance(by, str) else by
    found = tuple(part.strip() for part in parts if part.strip())
    if not found:
        raise UserError(f"`by` is empty; expected some of {', '.join(SPLITS)}")
    return found
