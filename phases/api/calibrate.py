"""Size, coverage and power by simulation: the function behind ``phases calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError, nearest
from calque.data.metrics import LAGS
from calque.data.quantities import plural
from calque.data.result import Result, Rows, check_backend
from calque.phases.adaptive.record import designs_of, with_noise_in_tokens
from calque.phases.api.arguments import several
from calque.phases.calibration.cells import Cell, chosen
from calque.phases.calibration.grids import Grid, parts
from calque.phases.calibration.outcomes import Options
from calque.phases.calibration.run import run as run_cells
from calque.phases.calibration.store import Store
from calque.phases.calibration.study import calibrate as calibrate_study
from calque.phases.calibration.study_tables import study_grids, study_json
from calque.phases.calibration.tables import suite_grids, suite_json, suite_notes
from calque.phases.processes import Progress
from calque.phases.series.metrics import trajectories
from calque.phases.series.prepared import prepared
from calque.phases.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

REPLICATES = 100
"""Of every question to a study's series."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Calibration(Result):
    """Simulated size, coverage and power, each with its Monte Carlo standard error.

    Attributes
    ----------
    found : dict
        The figures, as in the JSON.
    grids, notes
        The same as tables of text, and sentences on how they were made.
    """

    found: dict[str, Any]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases calibrate --json`` writes."""
        return self.found

    def tables(self) -> dict[str, Rows]:
        """Return ``figures``: a row a figure, with value, standard error and number of series."""
        if "cells" in self.found:
            rows = [
                {"cell": cell["cell"], "figure": name, **figure}
                for cell in self.found["cells"]
                for name, figure in cell["figures"].items()
            ]
            return {"figures": Rows(rows, ("cell", "figure"))}
        index = ("run", "group", "first", "second", "question", "figure")
        rows = [
            {"run": row["run"], "group": row["group"], "first": row.get("metric", row.get("first")),
             "second": row.get("second", ""), "question": question, "figure": name, **figure}
            for kind in ("series", "lags")
            for row in self.found[kind]
            for question in ("null", "fitted")
            for name, figure in (row[question] or {}).items()
        ]  # fmt: skip
        return {"figures": Rows(rows, index)}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables and notes of the terminal."""
        return parts(self.grids, self.notes)

    def plot(self, figure: str = "coverage", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one figure of every series or cell with two standard errors to each side.

        Parameters
        ----------
        figure : str
            Such as rejected, coverage, width.
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
            When no row has such a figure.
        """
        check_backend(backend)
        rows = [row for row in self.tables()["figures"].rows if row["figure"] == figure and row["value"] is not None]
        if not rows:
            known = sorted({str(row["figure"]) for row in self.tables()["figures"].rows})
            raise UserError(f"`figure` is '{figure}'; expected one of {', '.join(known)}" + nearest(figure, known))
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import Estimate, draw_shares

        shown = [
            Estimate(
                " ".join(str(v) for k, v in row.items() if v and k not in ("figure", "value", "error", "n")),
                row["value"], *(row["value"] + side * 2 * (row["error"] or 0.0) for side in (-1, 1)),
            )
            for row in rows
        ]  # fmt: skip
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(shown, figure, log=False)
        axes = draw_shares(new_axes(0.9 + 0.3 * len(shown)) if ax is None else ax, shown)
        axes.set_xlabel(figure.replace("_", " "))
        return axes


@checked
def calibrate(
    cube: CubeLike | None = None, *, suite: str | None = None, cells: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None, run: str | Sequence[str] | None = None, replicates: int | None = None,
    boot: int = 199, seed: int = 0, level: float = 0.95, rise: float = 0.05, out: str | Path | None = None,
    jobs: int = 1, progress: Progress | None = None,
) -> Calibration:  # fmt: skip
    """Simulate size, coverage and power: for the design of a cube, or of a suite of known truths.

    Parameters
    ----------
    cube : xarray.Dataset or path, optional
        Whose design is simulated; or give ``suite``.
    suite : {"standard"}, optional
        A suite of known truths in place of a cube.
    cells : str or sequence of str, optional
        Cells of the suite, as patterns such as ``lag/*``.
    metric, run : str or sequence of str, optional
        Of the cube: which series; all when None.
    replicates : int, optional
        Simulated series a question: 100, or each cell's own number.
    boot : int
        Bootstrap replicates a simulated series.
    seed : int
        The same seed gives the same numbers.
    level, rise : float
        Coverage of the intervals, and height of the takeoff.
    out : path, optional
        Keep finished blocks of the suite in this file, and resume from it.
    jobs : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    Calibration

    Raises
    ------
    UserError
        When neither or both of cube and suite are given, or a setting cannot be used.
    """
    Settings(boot=boot, seed=seed, level=level, rise=rise)  # refuses what detect refuses
    if replicates is not None and replicates < 1:
        raise UserError(f"`replicates` is {replicates}; expected 1 or more: 1000 give a standard error of .007 at .95")
    options = Options(seed=seed, boot=boot, level=level, rise=rise)
    if suite is not None:
        if cube is not None:
            raise UserError("`cube` and `suite` are both given; expected one of them")
        if metric or run:
            raise UserError("`metric` and `run` go with `cube`: a suite has series of its own")
        return _of_suite(suite, cells_of(suite, cells, options), options, replicates, out, jobs, progress)
    if cube is None:
        raise UserError("nothing to calibrate: give `cube`, or `suite`, such as standard")
    if cells or out:
        raise UserError("`cells` and `out` go with `suite`: leave them out with `cube`")
    return _of_study(cube, metric, run, options, replicates or REPLICATES, jobs, progress)


def cells_of(suite: str, cells: str | Sequence[str] | None, options: Options) -> tuple[Cell, ...]:
    """Return the cells of a suite that match the patterns.

    Parameters
    ----------
    suite : str
        Its name.
    cells : str or sequence of str, optional
        Patterns; all cells when None.
    options : Options
        Level and rise must be those that the suite's targets are for.

    Raises
    ------
    UserError
        For an unknown suite or pattern, or another level or rise.
    """
    if (options.level, options.rise) != (0.95, 0.05):
        raise UserError("the suite's targets are for `level` 0.95 and `rise` 0.05: leave both out with `suite`")
    return chosen(suite, several(cells, "cells") or ())


def _of_suite(
    suite: str, cells: tuple[Cell, ...], options: Options, replicates: int | None, out: str | Path | None, jobs: int,
    progress: Progress | None,
) -> Calibration:  # fmt: skip
    store = Store(None if out is None else Path(out), options)
    results = run_cells(
        cells, options, replicates=replicates, store=store, jobs=jobs, suite=suite, progress=progress
    )  # fmt: skip
    return Calibration(
        found=suite_json(results, suite, options), grids=tuple(suite_grids(results)),
        notes=tuple(suite_notes(results, suite, options, store.unused)),
    )  # fmt: skip


def _of_study(
    cube: CubeLike, metric: str | Sequence[str] | None, run: str | Sequence[str] | None, options: Options,
    replicates: int, jobs: int, progress: Progress | None,
) -> Calibration:  # fmt: skip
    data, name = as_cube(cube)
    runs = several(run, "run")
    if runs:
        known = tuple(str(r) for r in data["run"].values)
        for one in runs:
            if one not in known:
                raise UserError(f"`run` is '{one}'; the cube has {', '.join(known)}" + nearest(one, known))
        data = data.sel(run=list(runs))
    series, prepared_how = prepared(with_noise_in_tokens(trajectories(data, several(metric)), data, name))
    adaptive = {
        one: (design, with_noise_in_tokens(trajectories(data.sel(run=[one]), (design.metric,)), data)[0])
        for one, design in designs_of(data, name).items()
    }
    rows = calibrate_study(
        series, LAGS, options, replicates=replicates, jobs=jobs, progress=progress, adaptive=adaptive
    )
    note = (
        f"{replicates} simulated series a question, {plural(options.boot, 'bootstrap replicate')} each, seed "
        f"{options.seed}; ± one Monte Carlo standard error. Size: share of delays (lags) found at "
        f"{100 * (1 - options.level):.3g} % where there is none; power and coverage: as if the fitted curves were "
        "true."
    )
    if adaptive:
        note += f" Checkpoints of {', '.join(adaptive)} were adaptive: every simulated curve was given its own."
    return Calibration(
        found=study_json(rows, name, options, replicates), grids=tuple(study_grids(rows)), notes=(note, *prepared_how)
    )
