"""Pooling takeoffs and lags: the function behind ``phases pool``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.phases.api.arguments import check_jobs, several
from calque.phases.pooling.pool import PoolSettings
from calque.phases.pooling.pool import pool as pool_report
from calque.phases.pooling.questions import Question, has_pairs, parse
from calque.phases.pooling.results import Pooled, PoolReport
from calque.phases.processes import Progress
from calque.phases.series.axis import Scale
from calque.phases.series.metrics import available, chosen
from calque.phases.wording import with_mark

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PooledTransitions(Result):
    """Takeoffs and lags over pairs, languages, mixes, sizes and seeds.

    Attributes
    ----------
    report : PoolReport
        Pooled rows, tests of sizes, exploratory tests of pairs, and what cannot be claimed.
    """

    report: PoolReport

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases pool --json`` writes."""
        return self.report.to_dict()

    def tables(self) -> dict[str, Rows]:
        """Return ``pooled``, ``tests``, ``modes`` and ``pairs``."""
        found = self.to_dict()
        return {name: Rows(found[name]) for name in ("pooled", "tests", "modes", "pairs")}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables and sentences of the terminal."""
        from calque.phases.pooling.tables import pool_parts

        return pool_parts(self.report)

    def plot(self, estimand: str = "takeoff", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw pooled times with their intervals, one row each.

        Parameters
        ----------
        estimand : {"takeoff", "lag"}
            Times in tokens, or ratios of tokens.
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
            When nothing of this estimand was pooled.
        """
        check_backend(backend)
        rows = [p for p in self.report.pooled if p.estimand == estimand and p.estimate is not None]
        if not rows:
            raise UserError(f"no pooled {estimand} has an estimate; expected an estimand that was asked and located")
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import Estimate, draw_ratios, draw_tokens

        shown = [Estimate(_label(p), p.estimate, p.low, p.high) for p in rows]
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(shown, "tokens" if estimand == "takeoff" else "ratio of tokens")
        draw = draw_tokens if estimand == "takeoff" else draw_ratios
        return draw(new_axes(0.9 + 0.3 * len(shown)) if ax is None else ax, shown)


def _label(row: Pooled) -> str:
    of = {"run": row.run, "mix": row.mix, "size": row.size}[row.at] or "all"
    metric = row.metric if row.first is None else f"{row.metric} / {row.first}"
    return with_mark(f"{of}: {metric} ({row.method})".replace("_", " "), row.outcome)


@checked
def pool(
    cube: CubeLike, *, metric: str | Sequence[str] | None = None, estimand: str | Sequence[str] = "takeoff",
    over: str | None = None, primary: str | None = None, boot: int = 99, seed: int = 0, level: float = 0.95,
    rise: float = 0.05, scale: Scale = "log", jobs: int = 1, progress: Progress | None = None,
) -> PooledTransitions:  # fmt: skip
    """Pool takeoffs and lags over pairs of languages and over seeds, with one primary test a size.

    Parameters
    ----------
    cube : xarray.Dataset or path
        Runs of one size, corpus and mix are replicates.
    metric : str or sequence of str, optional
        When None translation, or, where the cube lacks it, every metric that ``detect`` would analyse.
    estimand : str or sequence of str
        ``takeoff``, or ``lag`` (the ratio to copying and to false copying).
    over : {"pair", "language", "seed"}, optional
        What is pooled of each run: log times of directed pairs; the run located again without each language; or, of
        any metric, the run's own time. When None pair, or seed for metrics without source and target.
    primary : str, optional
        The one test a size, declared before looking, as ``METRIC:ESTIMAND`` or ``FIRST>METRIC:lag``; when None the
        delay of the first metric.
    boot : int
        Bootstrap replicates a series, 19 to 100000.
    seed : int
        The same seed gives the same numbers.
    level : float
        Coverage of the intervals.
    rise : float
        Height above the floor that defines takeoff.
    scale : {"log", "linear"}
        Axis of the shapes of growth.
    jobs : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    PooledTransitions

    Raises
    ------
    UserError
        When the cube cannot be pooled, or a setting cannot be used.
    """
    check_jobs(jobs)
    asked, estimands = several(metric), several(estimand, "estimand") or ("takeoff",)
    data, name = as_cube(cube)
    metrics = asked or (("translation",) if "translation" in available(data) else chosen(data, None))
    notes: tuple[str, ...] = ()
    if over is None:
        over = "pair" if "translation" in metrics or has_pairs(data, metrics) else "seed"
        if over == "seed":
            notes = ("the metrics have no pairs of languages: runs are the replicates (`over` seed)",)
    settings = PoolSettings(
        metrics=metrics, estimands=estimands, over=over, boot=boot, seed=seed, level=level, rise=rise, scale=scale,
        primary=Question(metrics[0], "delay") if primary is None else parse(primary),
    )  # fmt: skip
    report = pool_report(data, settings, progress=progress, name=name, jobs=jobs)
    return PooledTransitions(report=replace(report, notes=(*notes, *report.notes)))
