"""Interactive pictures of results with hvplot, for notebooks (``backend="hvplot"``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.errors import UserError
from calque.data.quantities import ABSENT
from calque.phases.report.figures import SPARE, colour, hues
from calque.phases.report.forecast_pictures import law_layers
from calque.phases.report.forest import Estimate
from calque.phases.report.loss_pictures import LEAST, LOSS
from calque.phases.report.power_pictures import RATIO, SEEDS, power_lines
from calque.phases.report.runs import worth_showing
from calque.phases.results import Curve, Transition
from calque.phases.wording import extent, location

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
        rows = [t for t in transitions if t.metric == c.metric and t.estimand == bars]
        first, last = float(c.tokens[c.tokens > 0].min()), float(c.tokens.max())
        for place in (extent(t.tokens, t.low, t.high, first, last) for t in rows):
            if place is not None:
                parts.append(hv.VSpan(place.low, place.high).opts(color=hue, alpha=0.12))
                parts += _arrows([(place.low, place.open_low, place.high, place.open_high)], [_top(c)], hue)
        note = "; ".join(map(location, rows)) or ABSENT
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


def _top(c: Curve) -> float:
    return float(np.nanmax(c.y))


def _arrows(ends: Sequence[tuple[float, bool, float, bool]], at: Sequence[float], hue: str) -> list[Any]:
    """Return arrow heads at the open ends of intervals.

    Parameters
    ----------
    ends : sequence of (low, whether it is open, high, whether it is open)
        The intervals.
    at : sequence of float
        Where each stands on the other axis.
    hue : str
        Their colour.
    """
    import holoviews as hv

    out = []
    for which, angle in ((0, 90), (2, -90)):
        points = [(end[which], y) for end, y in zip(ends, at, strict=True) if end[which + 1]]
        if points:
            out.append(hv.Points(points).opts(marker="triangle", angle=angle, size=9, color=hue))
    return out


def forest_plot(rows: Sequence[Estimate], xlabel: str, *, log: bool = True) -> Any:
    """Return estimates with their intervals, one row each, the first on top.

    Parameters
    ----------
    rows : sequence of Estimate
        Open ends are arrows, at the outermost end of any row.
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
    intervals = [
        (low, row.low is None, high, row.high is None)
        for row, low, high in zip(rows[::-1], frame["low"], frame["high"], strict=True)
    ]
    return hv.Overlay([bars, dots, *_arrows(intervals, list(frame["at"]), SPARE[0])]).opts(
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
    own = hues(frame["line"].nunique())
    parts = [frame.hvplot.line("tokens", "rate", by="line", color=own)]
    if frame["low"].notna().any():
        area = {"by": "line", "color": own, "alpha": 0.15, "legend": False, "stacked": False}
        parts.insert(0, frame.hvplot.area("tokens", "low", "high", **area))
    return hv.Overlay(parts).collate().opts(
        logx=log, xlabel="training tokens", ylabel=metric.replace("_", " "), width=820, height=380
    )  # fmt: skip


def law_plot(found: Mapping[str, Any]) -> Any:
    """Return takeoff against size: the laws, the runs with their intervals, and the size that was forecast.

    Parameters
    ----------
    found : mapping
        As :func:`calque.phases.report.forecast_pictures.draw_laws` takes it. Runs that had not taken off are triangles
        at their last checkpoint.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    rows = [row for row in found["transitions"] if row["n"] and row["tokens"]]
    late = [row for row in found["transitions"] if row["n"] and row["kind"] == "right" and row["low"]]
    located = pd.DataFrame(
        [
            (row["n"], row["tokens"], row["n"], row["low"] or row["tokens"], row["high"] or row["tokens"], row["run"])
            for row in rows
        ],
        columns=["x", "tokens", "x1", "low", "high", "run"],
    )
    waiting = pd.DataFrame([(row["n"], row["low"], row["run"]) for row in late], columns=["x", "tokens", "run"])
    layers = [
        *law_layers(dict(found)),
        hv.Segments(located, ["x", "low", "x1", "high"], ["run"]).opts(color="#3a4252", line_width=1),
        hv.Points(located, ["x", "tokens"], ["run", "low", "high"]).opts(color="#3a4252", size=7, tools=["hover"]),
        hv.Points(waiting, ["x", "tokens"], ["run"]).opts(
            color="#3a4252", marker="triangle", fill_alpha=0, size=8, tools=["hover"]
        ),
    ]
    return hv.Overlay(layers).opts(
        logx=True, logy=True, xlabel="non-embedding parameters", width=820, height=420,
        ylabel=f"tokens at takeoff of {found['metric']}".replace("_", " "),
    )  # fmt: skip


def power_plot(found: Mapping[str, Any]) -> Any:
    """Return the detectable ratio against seeds, a line for each number of checkpoints and concepts.

    Parameters
    ----------
    found : mapping
        As :func:`calque.phases.report.power_pictures.draw_power` takes it.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    frame = pd.DataFrame([row | {"design": name} for name, rows in power_lines(dict(found)).items() for row in rows])
    lines = frame.hvplot.line("seeds", "factor", by="design", hover_cols=["se", "flops"])
    asked = hv.HLine(found["target"]).opts(color="#3a4252", line_dash="dashed", line_width=1)
    return (lines * asked).opts(xlabel=SEEDS, ylabel=RATIO, width=820, height=380)


def isoflop_plot(view: Mapping[str, Any]) -> Any:
    """Return loss against size at equal FLOPs, with the optima; points and lines coloured by their FLOPs.

    Parameters
    ----------
    view : mapping
        As :func:`calque.phases.report.loss_pictures.draw_isoflop` takes it.

    Returns
    -------
    holoviews.Overlay
    """
    _library()
    import holoviews as hv

    points, optima = pd.DataFrame(view["points"]), pd.DataFrame(view["optima"])
    limits = (float(points["flops"].min()), float(points["flops"].max()))
    scale = {"color": "flops", "cmap": "viridis", "cnorm": "log", "clim": limits}
    dots = hv.Points(points, ["n", "loss"], ["d", "flops"]).opts(
        **scale, size=4, colorbar=True, clabel="FLOPs, 6 N D", tools=["hover"]
    )
    lines = hv.Contours([{"n": c["n"], "loss": c["loss"], "flops": c["flops"]} for c in view["curves"]], ["n", "loss"],
                        "flops").opts(**scale, line_width=1.2, show_legend=False)  # fmt: skip
    best = hv.Curve(optima, "n", "loss", label=LEAST).opts(color="#1d2430", line_width=1)
    marks = hv.Points(optima, ["n", "loss"], ["d", "flops"]).opts(color="#1d2430", size=6, tools=["hover"])
    return (dots * lines * best * marks).opts(logx=True, xlabel="parameters", ylabel=LOSS, width=820, height=420)
