"""Metrics of a cube over training, with pointwise intervals: what the accessor ``ds.calque`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.cube.source import as_cube
from calque.data.cube.variables import CHECKPOINT_FLAGS
from calque.data.errors import UserError, nearest, shown
from calque.data.quantities import plural
from calque.data.result import check_backend
from calque.phases.api.arguments import splits
from calque.phases.series.metrics import splitting, trajectories
from calque.phases.series.names import by_written_names, written_name
from calque.phases.series.parts import averaged_over, with_parts
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.proportion import wilson

COLUMNS = ("tokens", "rate", "trials", "low", "high", "cluster_low", "cluster_high")
LONG_NAMES = {
    "tokens": ("training tokens", "tokens"),
    "rate": ("proportion, or mean value", "1"),
    "trials": ("items behind the rate", "1"),
    "low": ("lower limit, trials taken as independent", "1"),
    "high": ("upper limit, trials taken as independent", "1"),
    "cluster_low": ("lower limit, items clustered by concept", "1"),
    "cluster_high": ("upper limit, items clustered by concept", "1"),
    "design_effect": ("variance relative to independent trials", "1"),
}


def rates(cube: xr.Dataset, metric: str, by: str | Sequence[str], level: float) -> xr.Dataset:
    """Return one metric over training with its intervals; see :meth:`calque.phases.api.accessor.CubeAccessor.rates`.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube.
    metric : str
        A metric of the standard set, or a variable over (run, checkpoint, ...).
    by : str or sequence of str
        How to split; runs are always separate.
    level : float
        Pointwise coverage of the intervals, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        Over (run, checkpoint), or (run, group, checkpoint) when split; then with a coordinate along group for each
        name in ``by``.

    Raises
    ------
    UserError
        When ``level`` is out of range, the dataset is no cube, or it has no such metric or split.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise UserError(f"`level` is {shown(level)}; expected a coverage between 0 and 1, such as 0.95")
    data, _ = as_cube(cube)
    ways = splits(by)
    series = trajectories(data, (metric,), ways)
    runs = [str(run) for run in data["run"].values]
    groups = list(dict.fromkeys(t.group for t in series))
    shape = (len(runs), len(groups), data.sizes["checkpoint"])
    grids = {name: np.full(shape, np.nan) for name in COLUMNS}
    effect = np.full(shape[:2], np.nan)
    for t in series:
        at = (runs.index(t.run), groups.index(t.group))
        values = {"tokens": t.tokens, "rate": -t.y if t.falls else t.y}
        if t.trials is not None:
            values["trials"] = t.trials
            values["low"], values["high"] = wilson(t.y, t.trials, level)
            values["cluster_low"], values["cluster_high"] = wilson(t.y, t.effective_trials, level)
            effect[at] = t.design_effect
        for name, column in values.items():
            grids[name][at][t.index.astype(int)] = column
    out = xr.Dataset(
        {name: (("run", "group", "checkpoint"), grid) for name, grid in grids.items()}
        | {"design_effect": (("run", "group"), effect)},
        coords={"run": runs, "group": groups},
        attrs={"metric": metric, "level": level} | _over(data, metric, ways),
    )
    for name, (long_name, units) in LONG_NAMES.items():
        out[name].attrs = {"long_name": long_name, "units": units}
    out["rate"].attrs["units"] = next((t.units for t in series if t.units), "1")
    out = with_parts(out, {t.group: dict(t.part) for t in series if t.group})
    return out if groups != [""] else out.isel(group=0, drop=True)


def _over(cube: xr.Dataset, metric: str, ways: Sequence[str]) -> dict[str, str]:
    """Return the attribute that says what each rate is averaged over; none where it is over nothing."""
    name = written_name(cube, metric)
    over = averaged_over(by_written_names(cube), (name,), splitting(cube, ways)[1]).get(name)
    return {"averaged_over": ", ".join(over)} if over else {}


def one_trajectory(cube: xr.Dataset, metric: str, run: str | None, by: str | Sequence[str], group: str) -> Trajectory:
    """Return one series; see :meth:`calque.phases.api.accessor.CubeAccessor.trajectory`.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube.
    metric : str
        A metric of the standard set, or a variable over (run, checkpoint, ...).
    run : str or None
        Name of the run; None where the cube has one.
    by : str or sequence of str
        How to split.
    group : str
        Part of the run, such as ``source=en target=de``; empty for all of it.

    Returns
    -------
    Trajectory
        Tokens and scores, shape (n,), with the trials behind them.

    Raises
    ------
    UserError
        When there is no such run or group, or several runs and none is named.
    """
    data, _ = as_cube(cube)
    runs = [str(name) for name in data["run"].values]
    if run is None and len(runs) > 1:
        raise UserError(
            f"`run` is missing and the cube has {plural(len(runs), 'run')}; name one of {', '.join(runs[:8])}"
        )
    name = runs[0] if run is None else run
    if name not in runs:
        raise UserError(f"`run` is {shown(name)}; expected one of {', '.join(runs[:8])}" + nearest(name, runs))
    series = trajectories(data.sel(run=[name]), (metric,), splits(by))
    for t in series:
        if t.group == group:
            return t
    known = [t.group or "''" for t in series]
    raise UserError(f"`group` is {shown(group)}; run '{name}' has {', '.join(known[:8])}" + nearest(group, known))


def plot_rates(found: xr.Dataset, metric: str, ax: Any, backend: str) -> Any:
    """Draw rates over tokens with their intervals; see :meth:`calque.phases.api.accessor.CubeAccessor.plot`.

    Parameters
    ----------
    found : xarray.Dataset
        What :func:`rates` returned.
    metric : str
        Name of the metric, for the axis.
    ax : matplotlib.axes.Axes or None
        Where to draw; a new figure when None.
    backend : {"matplotlib", "hvplot"}
        Library that draws.

    Returns
    -------
    matplotlib.axes.Axes or holoviews.Overlay
        The picture.

    Raises
    ------
    UserError
        When there is no such backend.
    """
    check_backend(backend)
    positive = bool((found["tokens"] > 0).any())
    if backend == "hvplot":
        from calque.phases.api.interactive import rates_plot

        return rates_plot(found, metric, positive)
    from calque.phases.report.figures import colour, hues, label, new_axes, token_axis

    axes = new_axes() if ax is None else ax
    lines = found if "group" in found.dims else found.expand_dims(group=[""])
    drawn = [
        (f"{run} {group}".strip(), lines.sel(run=run, group=group))
        for run in lines["run"].values
        for group in lines["group"].values
    ]
    drawn = [(name, one) for name, one in drawn if bool(one["rate"].notnull().any())]
    own = [colour(metric)] if len(drawn) == 1 else hues(len(drawn))
    for (name, one), hue in zip(drawn, own, strict=True):
        seen = np.isfinite(one["tokens"].values) & ((one["tokens"].values > 0) | (not positive))
        x = one["tokens"].values[seen]
        axes.plot(x, one["rate"].values[seen], color=hue, lw=1.6, label=label(name))
        low, high = one["cluster_low"].values[seen], one["cluster_high"].values[seen]
        if np.isfinite(low).any():
            axes.fill_between(x, low, high, color=hue, alpha=0.15, lw=0)
    if positive:
        axes.set_xscale("log")
    token_axis(axes)
    units = found["rate"].attrs.get("units", "1")
    axes.set_ylabel(label(metric) + (f", {label(units)}" if units != "1" else ""))
    if 0 < len(drawn) <= 16:
        axes.legend(fontsize=9)
    return axes


def flags(cube: xr.Dataset) -> pd.DataFrame:
    """Return flagged checkpoints; see :meth:`calque.phases.api.accessor.CubeAccessor.flags`.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube.

    Returns
    -------
    pandas.DataFrame
        Columns run, checkpoint, tokens and flag; a row a flag.

    Raises
    ------
    UserError
        When the dataset is no cube.
    """
    data, _ = as_cube(cube)
    rows = []
    if "checkpoint_flags" in data:
        masks = data["checkpoint_flags"].transpose("run", "checkpoint")
        for i, k in np.argwhere(masks.values > 0).tolist():
            mask = int(masks.values[i, k])
            tokens = float(data["tokens"].transpose("run", "checkpoint").values[i, k])
            for bit, name in enumerate(CHECKPOINT_FLAGS):
                if mask & (1 << bit):
                    rows.append({"run": str(data["run"].values[i]), "checkpoint": k, "tokens": tokens, "flag": name})
    return pd.DataFrame(rows, columns=["run", "checkpoint", "tokens", "flag"])
