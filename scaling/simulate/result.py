"""The result of a simulation: a cube, and the truth behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.errors import UserError, nearest
from calque.data.result import Result, Rows, check_backend

if TYPE_CHECKING:
    from rich.console import RenderableType

    from calque.phases.results import Curve, Transition


@dataclass(frozen=True, kw_only=True, repr=False)
class Simulation(Result):
    """A cube and the truth behind it.

    Attributes
    ----------
    cube : xarray.Dataset
        Schema 1; the attribute ``truth_json`` holds the truth file's content, the seed, ``takeoffs`` and, by
        language translated into, ``languages``.
    takeoffs : pandas.DataFrame
        One row for each run and metric: run, size, n_params_non_embedding, mix, seed, metric, tokens, outcome
        (``found``, ``censored`` when after the last checkpoint, ``before_first``, or ``none`` when it never
        rises that far).
    rates : xarray.Dataset
        The expected rates (run, checkpoint) of the three metrics over the items that define each.
    path : str or None
        The file that holds the cube, where it was written.
    """

    cube: xr.Dataset
    takeoffs: pd.DataFrame
    rates: xr.Dataset
    path: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the file and the truth as plain values for JSON; absent values are None."""
        return {"cube": self.path, **truth_of(self.cube)}

    def tables(self) -> dict[str, Rows]:
        """Return the true ``takeoffs`` by run and metric, and ``languages``: of translation into each language."""
        found = self.to_dict()
        return {
            "takeoffs": Rows(found["takeoffs"], ("run", "metric")),
            "languages": Rows(found["languages"], ("run", "language")),
        }

    def to_xarray(self) -> xr.Dataset:
        """Return the cube."""
        return self.cube

    def renderables(self) -> Sequence[RenderableType]:
        """Return the true takeoffs, and where the cube was written."""
        from calque.scaling.simulate.tables import simulation_parts

        return simulation_parts(self)

    def plot(self, run: str | None = None, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the simulated rates of one run, the true curves behind them, and the true takeoffs.

        Parameters
        ----------
        run : str, optional
            The first run when None.
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
            For a run that is none.
        """
        check_backend(backend)
        runs = [str(name) for name in self.cube["run"].values]
        name = runs[0] if run is None else run
        if name not in runs:
            raise UserError(f"`run` is '{name}'; expected one of {', '.join(runs[:6])}" + nearest(name, runs))
        curves, takeoffs = self._curves(name), self._takeoffs(name)
        if backend == "hvplot":
            from calque.phases.api.interactive import run_plot

            return run_plot(curves, takeoffs, "log")
        from calque.phases.report.figures import new_axes
        from calque.phases.report.runs import draw_run

        return draw_run(new_axes(below=0.14) if ax is None else ax, curves, takeoffs, (), "log")

    def _curves(self, run: str) -> list[Curve]:
        from calque.phases.results import Curve
        from calque.phases.series.metrics import trajectories

        true = self.rates.sel(run=run)
        tokens = self.cube["tokens"].sel(run=run).values.astype(float)
        return [
            Curve(
                run=run, group="", metric=t.metric, tokens=t.tokens, y=t.y, counts=True, fitted_tokens=tokens,
                fitted=np.asarray(true[t.metric].values, float),
            )
            for t in trajectories(self.cube.sel(run=[run]), [str(name) for name in true.data_vars])
        ]  # fmt: skip

    def _takeoffs(self, run: str) -> list[Transition]:
        from calque.phases.results import Outcome, Transition

        rows = self.takeoffs[(self.takeoffs["run"] == run) & (self.takeoffs["outcome"] == "found")]
        return [
            Transition(
                run=run, group="", metric=str(row["metric"]), estimand="takeoff", outcome=Outcome.FOUND,
                reason="the true takeoff", tokens=row["tokens"], low=row["tokens"], high=row["tokens"], level=1.0,
                n_checkpoints=self.cube.sizes["checkpoint"],
            )
            for _, row in rows.iterrows()
        ]  # fmt: skip


def truth_of(cube: xr.Dataset) -> dict[str, Any]:
    """Return the record that :func:`calque.scaling.simulate.simulate.simulate` left in a cube.

    Parameters
    ----------
    cube : xarray.Dataset
        As :func:`calque.scaling.simulate.simulate.simulate` made it.

    Raises
    ------
    UserError
        When the cube was not simulated.
    """
    if "truth_json" not in cube.attrs:
        raise UserError("the cube has no attribute 'truth_json'; expected one written by 'scaling simulate'")
    return dict(json.loads(cube.attrs["truth_json"]))
