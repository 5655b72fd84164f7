"""Interactive pictures of results with hvplot, for notebooks (``backend="hvplot"``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.errors import UserError
from calque.phases.report.figures import colour
from calque.phases.report.forest import Estimate
from calque.phases.report.runs import worth_showing
from calque.phases.report.tables import located
from calque.phases.results import Curve, Transition

if TYPE_CHECKING:
    from types import ModuleType


def _library() -> ModuleType:
    """Return hvplot with its methods on dataframes.

    Raises
    ------
    UserError
        Where it is not installed.
    """
    try:
        import hvplot.pandas
    except ModuleNotFoundError as error:
        raise UserError(f"`backend` is 'hvplot', which needs {error.name}: pip install 'calque[explore]'") from error
    return hvplot


def run_plot(curves: Sequence[Curve], transitions: Sequence[Transition], scale: str, bars: str = "takeoff") -> Any:
    """Return the proportions of one run over tokens, with the intervals of ``bars`` as bands behind them.

    Parameters
    ----------
    curves, transitions : sequences
        Of one run and group.
    scale : {"log", "linear"}
        Axis of tokens.
    bars : str
        The estimand whose intervals are drawn.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    parts = []
    for order, c in enumerate(worth_showing(curves)):
        hue = colour(c.metric, order)
        for row in transitions:
            if row.metric == c.metric and row.estimand == bars and row.high is not None:
                low = row.low if row.low is not None else float(c.tokens[c.tokens > 0].min())
                parts.append(hv.VSpan(low, row.high).opts(color=hue, alpha=0.12))
        note = next((located(t) for t in transitions if t.metric == c.metric and t.estimand == bars), "–")
        frame = pd.DataFrame({"tokens": c.tokens, "score": c.y, bars: note})
        frame = frame[frame["tokens"] > 0] if scale == "log" else frame
        name = c.metric.replace("_", " ")
        parts.append(
            frame.hvplot.scatter("tokens", "score", color=hue, size=14, alpha=0.6, label=name, hover_cols=[bars])
        )
        if c.fitted_tokens is not None:
            fitted = pd.DataFrame({"tokens": c.fitted_tokens, "score": c.fitted})
            parts.append(fitted.hvplot.line("tokens", "score", color=hue, line_width=2, label=name))
    return hv.Overlay(parts).opts(logx=scale == "log", xlabel="training tokens", ylabel="score", width=820, height=380)


def forest_plot(rows: Sequence[Estimate], xlabel: str, *, log: bool = True) -> Any:
    """Return estimates with their intervals, one row each, the first on top.

    Parameters
    ----------
    rows : sequence of Estimate
        Open ends are drawn to the outermost end of any row.
    xlabel : str
        What the numbers are.
    log : bool
        Whether the axis is logarithmic.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    frame = pd.DataFrame(
        {
            "name": [row.name for row in rows][::-1],
            "value": [np.nan if row.value is None else row.value for row in rows][::-1],
            "low": [min(ends) if row.low is None else row.low for row in rows][::-1],
            "high": [max(ends) if row.high is None else row.high for row in rows][::-1],
        }
    )
    frame["at"] = range(len(frame))
    bars = hv.Segments(frame, ["low", "at", "high", "at"]).opts(line_width=3, alpha=0.7)
    dots = frame.hvplot.scatter("value", "at", hover_cols=["name", "low", "high"], size=40)
    ticks = list(zip(frame["at"], frame["name"], strict=True))
    return (bars * dots).opts(
        logx=log, xlabel=xlabel, ylabel="", yticks=ticks, width=820, height=90 + 32 * len(frame)
    )  # fmt: skip


def bars_plot(frame: pd.DataFrame, name: str, value: str) -> Any:
    """Return one number a row as horizontal bars, the first on top.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a bar.
    name, value : str
        Columns: what the bars are called, and how long they are.

    Returns
    -------
    holoviews.Bars
    """
    _library()
    height = 90 + 24 * len(frame)
    return frame[::-1].hvplot.barh(name, value, ylabel=value.replace("_", " "), xlabel="", width=820, height=height)


def rates_plot(rates: xr.Dataset, metric: str, log: bool = True) -> Any:
    """Return rates over tokens with their binomial bands, one line a run and group.

    Parameters
    ----------
    rates : xarray.Dataset
        Of ``ds.calque.rates(metric)``.
    metric : str
        What is drawn.
    log : bool
        Whether the axis of tokens is logarithmic.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    frame = rates[["tokens", "rate", "low", "high"]].to_dataframe().reset_index().dropna(subset=["tokens", "rate"])
    if log:
        frame = frame[frame["tokens"] > 0]
    keys = ["run", *(["group"] if "group" in frame else [])]
    frame["line"] = frame[keys].astype(str).agg(" ".join, axis=1)
    parts = [frame.hvplot.line("tokens", "rate", by="line")]
    if frame["low"].notna().any():
        parts.insert(0, frame.hvplot.area("tokens", "low", "high", by="line", alpha=0.15, legend=False, stacked=False))
    return hv.Overlay(parts).collate().opts(
        logx=log, xlabel="training tokens", ylabel=metric.replace("_", " "), width=820, height=380
    )  # fmt: skip
