"""Transitions against size, with the laws of a forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from calque.phases.explore.pictures.colours import palette
from calque.phases.explore.pictures.figure import (
    count_ticks,
    frame,
    legend,
    named_ticks,
    reach,
    source,
    tips,
    token_ticks,
)  # fmt: skip
from calque.phases.report.forecast_pictures import HUES

MARKED = 9
APART = 0.05
"""Runs of one size are set this far apart, in ln size."""
ALONE, OTHER = "#3a4252", "#888888"


def size_picture(frame_: pd.DataFrame, forecast: dict[str, Any] | None, title: str) -> Any:
    """Return a dot a run with its interval, runs of one size set slightly apart.

    Parameters
    ----------
    frame_ : DataFrame
        One row a run: ``run``, ``n`` (its size), ``ladder``, ``tokens`` (the estimate, NaN where there is none),
        ``found``, ``low``, ``high``, ``open_low``, ``open_high`` (whether an end is open), ``shown``; with a column
        ``named``, ``n`` is a position that has this name in place of a size.
    forecast : dict or None
        What ``scaling forecast --json`` wrote, with ``curves``.
    title : str
        What is located.

    Returns
    -------
    bokeh.plotting.figure
    """
    named = "named" in frame_
    rank = frame_.groupby("n").cumcount() - (frame_.groupby("n")["n"].transform("size") - 1) / 2
    rows = frame_.assign(x=frame_["n"] + APART * rank if named else frame_["n"] * np.exp(APART * rank))
    curves = [] if forecast is None else list(forecast["curves"].values())
    ends = [_flat(curve[name]) for curve in curves for name in ("tokens", "low", "high")]
    y = reach([*(rows[name].to_numpy() for name in ("tokens", "low", "high")), *ends], log=True)
    sizes = sorted({*rows["n"], *([forecast["n_params_non_embedding"]] if forecast is not None else [])})
    x = reach([np.array([-0.5, len(sizes) - 0.5])], room=0) if named else reach(
        [np.array([sizes[0] / 1.3, sizes[-1] * 1.3]), *(_flat(c["n"]) for c in curves)], log=True, room=0
    )  # fmt: skip
    made = frame(
        title, "" if named else "non-embedding parameters", f"tokens at {title}", height=430, logx=not named, logy=True,
        x=x, y=y,
    )  # fmt: skip
    token_ticks(made.yaxis)
    if named:
        ticks = dict(zip(rows["n"], rows["named"], strict=True))
        named_ticks(made.xaxis, list(ticks), list(ticks.values()))
    elif len(sizes) <= MARKED:
        count_ticks(made.xaxis, sizes)
    else:
        token_ticks(made.xaxis)
    entries = {} if forecast is None else _laws(made, forecast)
    entries |= _runs(made, rows)
    legend(made, entries if len(entries) > 1 else {})
    return made


def _flat(values: Any) -> Any:
    return np.array([np.nan if v is None else v for v in values], float)


def _runs(made: Any, rows: pd.DataFrame) -> dict[str, list[Any]]:
    ladders = rows["ladder"].unique().tolist()
    hues = {ladders[0]: ALONE} if len(ladders) == 1 else palette(ladders)  # laws have the colours then
    entries: dict[str, list[Any]] = {}
    for ladder in ladders:
        mine = rows[rows["ladder"] == ladder]
        bars = source({n: mine[n].to_numpy() for n in ("x", "low", "high")})
        made.segment("x", "low", "x", "high", source=bars, line_color=hues[ladder], line_width=2, line_alpha=0.6)
        dots = mine[mine["tokens"].notna()]
        kinds = (
            (dots[dots["found"]], "tokens", ladder, "circle", 1.0),
            (dots[~dots["found"]], "tokens", f"{ladder}: not found", "circle", 0.0),
            (mine[mine["open_high"]], "high", f"{ladder}: or later", "triangle", 0.0),
            (mine[mine["open_low"]], "low", f"{ladder}: or earlier", "inverted_triangle", 0.0),
        )
        for some, at, name, marker, fill in kinds:
            if len(some):
                data = source({n: some[n].to_numpy() for n in ("x", at, "run", "shown")})
                drawn = made.scatter("x", at, source=data, marker=marker, size=8, color=hues[ladder], fill_alpha=fill)
                tips(made, [drawn], [("run", "run"), ("tokens", "shown")])
                entries[name] = [drawn]
    return entries


def _laws(made: Any, forecast: dict[str, Any]) -> dict[str, list[Any]]:
    """Draw the laws as lines, the average with its band and its forecast of the size not run."""
    curves = forecast["curves"]
    strong = "average" if "average" in curves else next(iter(curves))
    entries: dict[str, list[Any]] = {}
    for law, curve in curves.items():
        hue, n = HUES.get(law, OTHER), _flat(curve["n"])
        if law == strong:
            made.varea(n, _flat(curve["low"]), _flat(curve["high"]), fill_color=hue, fill_alpha=0.15)
        width = 2.4 if law == strong else 1.3
        entries[f"law: {law}"] = [made.line(n, _flat(curve["tokens"]), line_color=hue, line_width=width)]
    row = next((r for r in forecast.get("rows") or [] if r.get("law") == strong and r.get("tokens")), None)
    if row is not None:
        n, hue = forecast["n_params_non_embedding"], HUES.get(strong, OTHER)
        made.segment([n], [row["low"]], [n], [row["high"]], line_color=hue, line_width=3)
        dot = made.scatter([n], [row["tokens"]], marker="diamond", size=13, color=hue)
        entries[f"forecast for {forecast.get('size')}"] = [dot]
    return entries
