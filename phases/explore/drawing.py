"""Options that all pictures share: colours, the token axis, legends."""

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
"""The same for overlays of HoloViews elements."""
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
    """Return a formatter of ticks in tokens, such as 1.5B; each picture needs its own."""
    from bokeh.models import CustomJSTickFormatter

    return CustomJSTickFormatter(code=JS_TOKENS)


def share_ticks() -> Any:
    """Return a formatter without numbers outside 0 to 1: takeoffs are drawn below 0."""
    from bokeh.models import CustomJSTickFormatter

    return CustomJSTickFormatter(code="return tick < -1e-9 || tick > 1 + 1e-9 ? '' : String(Number(tick.toFixed(3)))")


def finish(logx: bool = False, logy: bool = False) -> Any:
    """Return a hook that removes the logo and the frame, and hides the toolbar unless the pointer is over the picture.

    Parameters
    ----------
    logx, logy : bool
        Which axes are logarithmic: these keep their minor ticks.
    """

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
    """Set options of a picture, whether it is an element, an overlay or one element a label.

    Parameters
    ----------
    made : holoviews object
        The picture.
    **options
        Options of HoloViews.
    """
    return made.opts(getattr(hv.opts, type(made).__name__)(default_tools=TOOLS, **options))


def legend_place(labels: int) -> dict[str, Any]:
    """Return the options of a legend outside the data: above for few ``labels``, at the right for more.

    One label has no legend, and more than ``MOST_LABELS`` have tooltips alone.
    """
    return {"legend_position": "right" if labels > ABOVE else "top", "show_legend": 1 < labels <= MOST_LABELS}


def palette(labels: Sequence[str], ordered: bool = False) -> dict[str, str]:
    """Return a hexadecimal colour for each of ``labels``: that of the metric, or of a scale if they are ``ordered``."""
    if labels and all(label in COLOURS for label in labels):
        return {label: COLOURS[label] for label in labels}
    if ordered and len(labels) > 2:
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        places = np.linspace(0.05, 0.88, len(labels))
        return {label: to_hex(colormaps["viridis"](x)) for label, x in zip(labels, places, strict=True)}
    return {label: COLOURS.get(label, CYCLE[i % len(CYCLE)]) for i, label in enumerate(labels)}


def broken(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate ``pieces`` with a row of NaN between them, so that one line glyph draws many lines."""
    rows = []
    for piece in pieces:
        gap = piece.tail(1).assign(**{c: np.nan for c in piece.columns if piece[c].dtype.kind == "f"})
        rows += [piece, gap]
    return pd.concat(rows[:-1], ignore_index=True)


def edges(places: Array, log: bool) -> Array:
    """Return the borders (n + 1,) of cells.

    Parameters
    ----------
    places : array, shape (n,)
        Centres, ascending.
    log : bool
        Whether the axis is logarithmic.
    """
    x = np.log(places) if log else places
    if len(x) == 1:
        half = np.array([0.05 if log else 0.5 * max(abs(float(x[0])), 1.0)])
    else:
        half = np.diff(x) / 2
    borders = np.concatenate([[x[0] - half[0]], x[:-1] + half if len(x) > 1 else [], [x[-1] + half[-1]]])
    return np.exp(borders) if log else borders


def words(name: str) -> str:
    """Return ``name`` with spaces in place of underscores."""
    return name.replace("_", " ")
