"""The accessor ``ds.calque`` of xarray datasets that are cubes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    import pandas as pd

    from calque.phases.series.trajectory import Trajectory


@xr.register_dataset_accessor("calque")  # type: ignore[no-untyped-call]
class CubeAccessor:
    """What Calque knows about a dataset: rates with intervals, trajectories, pictures, flags.

    Parameters
    ----------
    cube : xarray.Dataset
        It is checked when a method is called.
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = cube

    def rates(self, metric: str, by: str | Sequence[str] = "run", *, level: float = 0.95) -> xr.Dataset:
        """Return a metric over training with pointwise intervals.

        Parameters
        ----------
        metric : str
            A metric of the standard set, or a variable over (run, checkpoint, ...).
        by : str or sequence of str
            How to split: pair, any property of runs, any dimension of the metric. Runs are always apart.
        level : float
            Coverage of the intervals, of each point by itself.

        Returns
        -------
        xarray.Dataset
            Over (run, checkpoint), or (run, group, checkpoint) when split: ``tokens``; ``rate``, the proportion or the
            mean value; ``trials``, items behind it; ``low`` and ``high``, its Wilson interval as if trials were
            independent; ``cluster_low`` and ``cluster_high``, the same with the design effect of items that share a
            concept; ``design_effect``. Intervals are NaN where the metric is no count.

        Raises
        ------
        UserError
            When the dataset is no cube, or has no such metric or split.
        """
        from calque.phases.api.rates import rates

        return rates(self._cube, metric, by, level)

    def trajectory(self, metric: str, run: str | None = None, *, by: str | Sequence[str] = "run", group: str = "") -> (
        Trajectory
    ):  # fmt: skip
        """Return one series as the statistics see it.

        Parameters
        ----------
        metric : str
            A metric of the standard set, or a variable over (run, checkpoint, ...).
        run : str, optional
            May be left out where there is one run.
        by : str or sequence of str
            How to split, as in :meth:`rates`.
        group : str
            The part of the run, such as ``source=en target=de``; empty for all of it.

        Returns
        -------
        Trajectory
            Tokens and scores, shape (n,), with the trials behind them.

        Raises
        ------
        UserError
            When there is no such series, or several runs and none is named.
        """
        from calque.phases.api.rates import one_trajectory

        return one_trajectory(self._cube, metric, run, by, group)

    def plot(
        self, metric: str, by: str | Sequence[str] = "run", *, level: float = 0.95, ax: Any = None,
        backend: str = "matplotlib",
    ) -> Any:  # fmt: skip
        """Draw a metric over tokens with its intervals, a line a run and group.

        Parameters
        ----------
        metric, by, level
            As in :meth:`rates`.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        from calque.phases.api.rates import plot_rates

        return plot_rates(self.rates(metric, by, level=level), metric, ax, backend)

    def flags(self) -> pd.DataFrame:
        """Return the checkpoints that are flagged: duplicate weights, outliers, numbers that are not finite.

        Returns
        -------
        pandas.DataFrame
            Columns run, checkpoint, tokens, flag; a row a flag. Empty where nothing is flagged.
        """
        from calque.phases.api.rates import flags

        return flags(self._cube)
