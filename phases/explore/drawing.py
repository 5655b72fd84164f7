"""What all pictures share: colours, the token axis, the look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from calque.data.metrics import COLOURS
from calque.phases.series.axis import Array

CYCLE = ("#2f86e0", "#d58a00", "#d6456b", "#2aa198", "#7a6ff0", "#6d8a1f", "#b0641d", "#c04fc0", "#58739b", "#444444",
           "#00a5d8", "#8f1d3f", "#3c7d3c", "#e08b8b", "#9a7b2f")  # fmt: skip
TOOLS: list[str] = ["pan", "box_zoom", "wheel_zoom", "save", "reset"]
LOOK: dict[str, Any] = {
    "responsive": True, "fontsize": {"title": 11, "labels": 10, "ticks": 9, "legend": 9}, "grid": True,
}  # fmt: skip
LAYERS: dict[str, Any] = {"responsive": True, "fontsize": LOOK["fontsize"], "show_grid": True}
"""The same for layers put together by hand."""
SQUARE: dict[str, Any] = {**LOOK, "responsive": False, "width": 500, "height": 430}
ABOVE = 5
"""Labels that fit into one line above a picture."""
MOST_LABELS = 24
JS_TOKENS = """
const units = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']]
for (const [size, unit] of units)
  if (Math.abs(tick) >= 0.9995 * size) return String(Number((tick / size).toPrecision(3))) + unit
return String(Number(tick.toPrecision(3)))
"""


def token_ticks() -> Any:
    """Return a formatter of ticks in the way a person writes tokens; each picture needs its own."""
    from bokeh.models import CustomJSTickFormatter

    return CustomJSTickFormatter(code=JS_TOKENS)


def share_ticks() -> Any:
    """Return a formatter that leaves the ground below 0, where takeoffs are drawn, without numbers."""
    from bokeh.models import CustomJSTickFormatter

    return CustomJSTickFormatter(code="return tick < -1e-9 || tick > 1 + 1e-9 ? '' : String(Number(tick.toFixed(3)))")


def finish(logx: bool = False, logy: bool = False) -> Any:
    """Return a hook that quiets a picture: no logo, no frame, a toolbar only under the pointer."""

    def hook(plot: Any, element: Any) -> None:
        figure = plot.state
        figure.toolbar.logo = None
        figure.toolbar.autohide = True
        figure.outline_line_color = None
        figure.xgrid.grid_line_color, figure.ygrid.grid_line_color = None, "#eceef1"
        for axis, log in ((figure.xaxis, logx), (figure.yaxis, logy)):
            axis.axis_line_color = axis.major_tick_line_color = "#9aa4b2"
            axis.minor_tick_line_color = "#c6ccd4" if log else None
            axis.axis_label_text_font_style = "normal"
        for legend in figure.legend:
            legend.title = ""
            legend.border_line_color, legend.margin, legend.padding = None, 0, 2
            legend.title_text_font_style = "normal"

    return hook


def styled(made: Any, **options: Any) -> Any:
    """Return a picture with options for it as a whole, whether it has one layer, several, or one a label."""
    return made.opts(getattr(hv.opts, type(made).__name__)(default_tools=TOOLS, **options))


def legend_place(labels: int) -> dict[str, Any]:
    """Return where a legend stands, never on the data: above for a few labels, at the right for more.

    One label needs none, and very many are left to the pointer.
    """
    return {"legend_position": "right" if labels > ABOVE else "top", "show_legend": 1 < labels <= MOST_LABELS}


def palette(labels: Sequence[str], ordered: bool = False) -> dict[str, str]:
    """Return a colour for every label: metrics have their own, ordered labels run from dark to light."""
    if labels and all(label in COLOURS for label in labels):
        return {label: COLOURS[label] for label in labels}
    if ordered and len(labels) > 2:
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        places = np.linspace(0.05, 0.88, len(labels))
        return {label: to_hex(colormaps["viridis"](x)) for label, x in zip(labels, places, strict=True)}
    return {label: COLOURS.get(label, CYCLE[i % len(CYCLE)]) for i, label in enumerate(labels)}


def broken(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the pieces one below the other with an empty row between, so that one line glyph draws many lines."""
    rows = []
    for piece in pieces:
        gap = piece.tail(1).assign(**{c: np.nan for c in piece.columns if piece[c].dtype.kind == "f"})
        rows += [piece, gap]
    return pd.concat(rows[:-1], ignore_index=True)


def edges(places: Array, log: bool) -> Array:
    """Return the borders of cells centred at increasing places, (n + 1,)."""
    x = np.log(places) if log else places
    if len(x) == 1:
        half = np.array([0.05 if log else 0.5 * max(abs(float(x[0])), 1.0)])
    else:
        half = np.diff(x) / 2
    borders = np.concatenate([[x[0] - half[0]], x[:-1] + half if len(x) > 1 else [], [x[-1] + half[-1]]])
    return np.exp(borders) if log else borders


def words(name: str) -> str:
    """Return a name as words."""
    return name.replace("_", " ")
