"""Detecting the transitions of a cube: the function behind ``phases detect``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, groups_of
from calque.data.errors import UserError, nearest, shown
from calque.data.result import Result, Rows, check_backend
from calque.phases.api.arguments import check_jobs, pairs, several, splits
from calque.phases.api.columns import DIAGNOSIS, LAG, TRANSITION, VARIED
from calque.phases.api.heads import opened, with_notes
from calque.phases.detection.detect import detect as detect_report
from calque.phases.pooling.across_runs import across_runs
from calque.phases.pooling.results import Pooled, plain
from calque.phases.processes import Progress
from calque.phases.results import DetectionReport, Lag, Transition
from calque.phases.series.axis import Scale
from calque.phases.series.parts import with_parts
from calque.phases.settings import AxisName, Link, Settings

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Detection(Result):
    """The transitions of a cube.

    Attributes
    ----------
    report : DetectionReport
        All rows, with the curves that the pictures need.
    cube : xarray.Dataset
        What was analysed.
    across : tuple of Pooled
        Takeoffs over the runs of each size, corpus and mix; empty where no two runs share these.
    source : xarray.Dataset, path, or result with a cube
        Where the cube came from: the report reads the groups of its file, such as components.
    """

    report: DetectionReport
    cube: xr.Dataset
    source: CubeLike
    across: tuple[Pooled, ...] = ()

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """One row an estimand of a series."""
        return self.report.transitions

    @property
    def lags(self) -> tuple[Lag, ...]:
        """One row a pair of metrics within a run."""
        return self.report.lags

    @property
    def diagnostics(self) -> pd.DataFrame:
        """Whether the model of each fitted series fits: p-values of its residuals, and its fitted noise, a row each."""
        import pandas as pd

        return self.to_dataframe("diagnostics") if self.report.diagnostics else pd.DataFrame(columns=list(DIAGNOSIS))

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases detect --json`` writes."""
        return self.report.to_dict() | {"across_runs": [plain(asdict(row)) for row in self.across]}

    def tables(self) -> dict[str, Rows]:
        """Return ``transitions``, and ``lags``, ``diagnostics`` and ``across_runs`` where there are any."""
        found = self.to_dict()
        rows = Rows(found["transitions"], ("run", "group", "metric", "estimand"), ("without_outcome",), TRANSITION)
        out = {"transitions": rows}
        if found["lags"]:
            out["lags"] = Rows(found["lags"], ("run", "group", "first", "second"), (), LAG)
        if found["diagnostics"]:
            out["diagnostics"] = Rows(found["diagnostics"], ("run", "group", "metric"), (), DIAGNOSIS)
        if found["sensitivity"]:
            out["sensitivity"] = Rows(found["sensitivity"], ("run", "group", "metric", "variation"), (), VARIED)
        if self.across:
            out["across_runs"] = Rows(found["across_runs"], text=("run", "size", "corpus", "mix", "first"))
        return out

    def to_xarray(self) -> xr.Dataset:
        """Return the tables as one dataset, runs in the cube's order; parts of runs have their names as coordinates."""
        return with_parts(super().to_xarray(), self.report.parts)

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables of the terminal."""
        if self.report.settings["family"] == "dictionary":
            from calque.phases.pooling.tables import across_table
            from calque.phases.report.tables import report_parts

            *tables, legend = report_parts(self.report)
            return [*tables, *([across_table(self.across)] if self.across else []), legend]
        from calque.phases.report.classical import report_parts as classical_parts

        return classical_parts(self.report)

    def plot(
        self, run: str | None = None, group: str | None = None, *, metric: str | Sequence[str] | None = None,
        ax: Any = None, backend: str = "matplotlib",
    ) -> Any:  # fmt: skip
        """Draw the curves of one run with their intervals; the legend names the run.

        Parameters
        ----------
        run : str, optional
            The first run when None.
        group : str, optional
            The part of the run, as in the column ``group``; its first part when None.
        metric : str or sequence of str, optional
            What is drawn; when None the proportions, which share an axis, or else the first metric.
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
            For a run, a group, a metric or a backend that is none.
        """
        check_backend(backend)
        name, part = self._part(run, group)
        curves = [c for c in self.report.curves if (c.run, c.group) == (name, part)]
        wanted = several(metric)
        if wanted is not None:
            known = [c.metric for c in curves]
            for one in wanted:
                if one not in known:
                    raise UserError(
                        f"`metric` is {shown(one)}; run '{name}' has {', '.join(known[:8])}" + nearest(one, known)
                    )
            curves = [replace(c, counts=True) for c in curves if c.metric in wanted]  # on one axis, as asked
        rows = [t for t in self.transitions if (t.run, t.group) == (name, part)]
        lags = [lag for lag in self.lags if (lag.run, lag.group) == (name, part)]
        scale, bars = self.report.settings["scale"], self._bars()
        title = f"{name} {part}".strip()
        if backend == "hvplot":
            from calque.phases.api.interactive import run_plot

            return run_plot(curves, rows, scale, bars).opts(title=title)
        from calque.phases.report.figures import label, new_axes
        from calque.phases.report.runs import draw_run

        axes = draw_run(new_axes(below=0.16) if ax is None else ax, curves, rows, lags, scale, bars)
        if axes.get_legend_handles_labels()[0]:
            legend = axes.get_legend() or axes.legend(fontsize=9)
            legend.set_title(label(title))
        if wanted is not None:
            axes.set_ylabel(label(wanted[0]) if len(wanted) == 1 else "score")
        return axes

    def _part(self, run: str | None, group: str | None) -> tuple[str, str]:
        """Return the run and group that are meant: the first that fit."""
        parts = list(dict.fromkeys((t.run, t.group) for t in self.transitions))
        runs = list(dict.fromkeys(r for r, _ in parts))
        if run is not None and run not in runs:
            raise UserError(f"`run` is {shown(run)}; the result has {', '.join(runs[:8])}" + nearest(run, runs))
        fitting = [(r, g) for r, g in parts if run in (None, r) and group in (None, g)]
        if not fitting:
            groups = list(dict.fromkeys(g for r, g in parts if run in (None, r)))
            raise UserError(
                f"`group` is {shown(group)}; it is one of {', '.join(groups[:8])}" + nearest(str(group), groups)
            )
        return fitting[0]

    def _bars(self) -> str:
        from calque.phases.report.classical import BARS

        return {"dictionary": "takeoff", **BARS}[self.report.settings["family"]]

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
            from calque.phases.pooling.tables import condition
            from calque.phases.report.html import write_report

            sentences = tuple(f"{condition(row)}, {row.metric}: {row.reason}." for row in self.across)
            write_report(self.report, self.cube, Path(path), across=sentences, groups=groups_of(self.source), **beside)
            return
        for name, given in beside.items():
            if given is not None:
                raise UserError(f"`{name}` stands beside the dictionary's takeoffs: leave it out, or `family`")
        from calque.phases.report.classical import write_report as write_classical

        write_classical(self.report, Path(path))


@checked
def detect(
    cube: CubeLike, *, metric: str | Sequence[str] | None = None, by: str | Sequence[str] = "run", boot: int = 999,
    seed: int = 0, level: float = 0.95, rise: float = 0.05, scale: Scale = "log", family: str = "dictionary",
    link: Link = "logit", axis: AxisName = "tokens", schedule: str | Path | None = None, primary: str | None = None,
    lags: Sequence[Sequence[str]] | None = None, sensitivity: bool = False, jobs: int = 1, 
    progress: Progress | None = None,
) -> Detection:  # fmt: skip
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run.

    Parameters
    ----------
    cube : xarray.Dataset or path
        Schema 1; ``tokens`` and one metric suffice.
    metric : str or sequence of str, optional
        Metrics or variables of the cube; the standard set when None. Of heads, as ``sweeps probe`` scores them:
        ``components/NAME``, ``components/NAME_heads`` and ``components/NAME_other_heads`` (docs/COMPONENTS.md).
    by : str or sequence of str
        How to split: run (always), pair, any property of runs (size, mix, seed, your own) and any dimension of the
        metrics (source, target, language, layer, ...), with commas between or as a sequence. What is not split is
        averaged over, and a note says so.
    boot : int
        Bootstrap replicates a series, 19 to 100000.
    seed : int
        The same seed gives the same numbers.
    level : float
        Coverage of the intervals; tests are at 1 - level.
    rise : float
        Height above the floor that defines takeoff: of a proportion, or of a continuous score's rise.
    scale : {"log", "linear"}
        Axis of the shapes of growth.
    family : str
        ``dictionary``, or a classical model (docs/CLASSICAL.md).
    link : {"logit", "identity"}
        Scale of a proportion on which a classical model is linear.
    axis : {"tokens", "steps", "cumulative_lr"}
        What growth is asked about; cumulative_lr in steps at the peak rate. Places are said there, and in tokens too.
    schedule : str or path, optional
        Where learning rate and batch change: ``decay@30B,batch@18B``, or a CSV file with the columns tokens,
        learning_rate, batch_tokens. Findings that begin at a change are marked. Cubes of Calque know their own.
    sensitivity : bool
        Ask each series again with one choice varied at a time: height, level, checkpoints left out, noise model, axis.
        It takes some fifteen times as long; the answers are the table ``sensitivity``.
    primary : str, optional
        Metric whose delay test is the one primary test of each whole run; when None the first of ``metric``, else
        translation. Outcomes of all others, which are exploratory, follow adjusted p-values.
    lags : sequence of pairs of str, optional
        Series whose lag is measured, such as ``[("copying", "loss")]``: metrics, or parts of runs as ``GROUP/METRIC``.
    jobs : int
        Processes; numbers do not depend on it. Scripts with more than one need ``if __name__ == "__main__":``.
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
    check_jobs(jobs)
    settings = Settings(
        metrics=several(metric), by=splits(by), boot=boot, seed=seed, level=level, rise=rise, scale=scale,
        family=family, link=link, axis=axis, schedule=None if schedule is None else str(schedule),
        primary=primary, lags=pairs(lags),
    )  # fmt: skip
    data, name, types = opened(cube, settings)
    report = with_notes(detect_report(data, settings, progress=progress, name=name, jobs=jobs), types)
    if settings.family != "dictionary":
        if sensitivity:
            raise UserError("`sensitivity` goes with the dictionary alone: leave it out, or `family`")
        return Detection(report=report, cube=data, source=cube)
    across, notes = across_runs(report, data, settings.level)
    report = replace(report, notes=(*report.notes, *notes))
    if sensitivity:
        from calque.phases.sensitivity.varied import sensitivity as vary

        varied, more = vary(data, settings, name, progress, jobs, report.transitions)
        report = replace(report, sensitivity=tuple(varied), notes=(*report.notes, *more))
    return Detection(report=report, cube=data, across=across, source=cube)
