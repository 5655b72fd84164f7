"""The frame of every picture: axes, ticks, tooltips, legend. Names become plain text here, neither markup nor TeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearScale,
    LogScale,
    LogTicker,
    PlainText,
    Range1d,
)
from bokeh.models.annotations import Legend, LegendItem
from bokeh.plotting import figure

from calque.data.quantities import format_count
from calque.phases.series.axis import Array

ABOVE = 5
"""Labels that fit into one line above a picture, if they have no more letters than LINE."""
LINE = 90
MOST_LABELS = 24
LIGHT, GREY, INK, MISSING = "#eceef1", "#9aa4b2", "#1d2430", "#eef0f3"
MINOR = "#c6ccd4"
LINE_OF = "line"
"""Column with the position of a point's line, of which tooltips give the names: names by point are slow to send."""
JS_TOKENS = """
const units = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']]
for (const [size, unit] of units)
  if (Math.abs(tick) >= 0.9995 * size) return String(Number((tick / size).toPrecision(3))) + unit
return String(Number(tick.toPrecision(3)))
"""
JS_SHARES = "return tick < -1e-9 || tick > 1 + 1e-9 ? '' : String(Number(tick.toFixed(3)))"


def frame(
    title: str, xlabel: str, ylabel: str, *, height: int, width: int | None = None, logx: bool = False,
    logy: bool = False, x: Any = None, y: Any = None,
) -> Any:  # fmt: skip
    """Return an empty figure, as wide as the page unless a width is given.

    Parameters
    ----------
    title, xlabel, ylabel : str
        Text; names of users are shown as they are.
    height, width : int
        In pixels.
    logx, logy : bool
        Which axes are logarithmic.
    x, y : Range1d, FactorRange or sequence, optional
        Ranges of the axes; fitted to the data when None.

    Returns
    -------
    bokeh.plotting.figure
    """
    size = {"sizing_mode": "stretch_width"} if width is None else {"width": width}
    given = {name: value for name, value in (("x_range", x), ("y_range", y)) if value is not None}
    made: Any = figure(
        height=height, x_axis_type="log" if logx else "auto", y_axis_type="log" if logy else "auto",
        tools="pan,box_zoom,wheel_zoom,save,reset", outline_line_color=None, **size, **given,
    )  # fmt: skip
    made.toolbar.logo, made.toolbar.autohide = None, True
    # a string between dollar signs would be set as TeX, and what it reads is no longer the name
    made.title.text, made.title.text_font_size = PlainText(text=brief(title, 90)), "11pt"
    for axis, text, log in ((made.xaxis, xlabel, logx), (made.yaxis, ylabel, logy)):
        axis.axis_label = PlainText(text=text) if text else None
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "10pt", "9pt"
        axis.axis_label_text_font_style = "normal"
        axis.axis_line_color = axis.major_tick_line_color = GREY
        axis.minor_tick_line_color = MINOR if log else None
    made.xgrid.grid_line_color, made.ygrid.grid_line_color = None, LIGHT
    return made


def brief(name: str, most: int = 60) -> str:
    """Return a ``name`` as far as a picture has room for it, ``most`` letters; tooltips have all of it."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def token_ticks(axis: Any) -> None:
    """Mark an axis in tokens, such as 1.5B.

    Parameters
    ----------
    axis : bokeh axis
        Of one figure.
    """
    axis.formatter = CustomJSTickFormatter(code=JS_TOKENS)


def share_ticks(axis: Any) -> None:
    """Leave out the numbers of an ``axis`` outside 0 to 1: takeoffs are drawn below 0."""
    axis.formatter = CustomJSTickFormatter(code=JS_SHARES)


def scale_tokens(made: Any, log: bool) -> None:
    """Make the x axis of a figure logarithmic or linear, whatever it was.

    Parameters
    ----------
    made : figure
        With one x axis.
    log : bool
        Whether it becomes logarithmic.
    """
    if isinstance(made.x_scale, LogScale) != log:
        made.x_scale = LogScale() if log else LinearScale()
        made.xaxis.ticker = LogTicker(num_minor_ticks=10) if log else BasicTicker()
        made.xaxis.minor_tick_line_color = MINOR if log else None


def named_ticks(axis: Any, places: Sequence[float], names: Sequence[str]) -> None:
    """Mark an axis with names.

    Parameters
    ----------
    axis : bokeh axis
        Of one figure.
    places : sequence of float
        Positions on it.
    names : sequence of str
        Shown there, as they are.
    """
    axis.ticker = FixedTicker(ticks=list(places), minor_ticks=[])
    axis.major_label_overrides = {p: PlainText(text=brief(name, 24)) for p, name in zip(places, names, strict=True)}


def count_ticks(axis: Any, places: Sequence[float]) -> None:
    """Mark an ``axis`` at counts, such as sizes of models: ``places`` as 1.5M."""
    named_ticks(axis, places, [format_count(n) for n in places])


def tips(made: Any, renderers: Sequence[Any], rows: Sequence[tuple[str, str]]) -> None:
    """Show columns of the data at the pointer.

    Parameters
    ----------
    made : figure
        Where to show them.
    renderers, rows
        As of :func:`hover`.
    """
    made.add_tools(hover(renderers, rows))


def hover(
    renderers: Sequence[Any], rows: Sequence[tuple[str, str]], names: Mapping[str, Sequence[str]] | None = None,
    before: Any = None,
) -> Any:  # fmt: skip
    """Return the tool that shows columns of the data at the pointer.

    Parameters
    ----------
    renderers : sequence of renderers
        What to point at.
    rows : sequence of (label, column)
        A column of the renderer's source with an optional number format, such as ``loss{0.0000}``, or ``tokens{count}``
        for 1.5B; its values are escaped by Bokeh. Templates are made here, so that no name of a user ever becomes part
        of one.
    names : mapping of str to sequence of str, optional
        Properties of lines, each in the order of the lines; ``line{run}`` shows the one named run, of the line whose
        position the column ``line`` has.
    before : HoverTool, optional
        Is changed and returned.

    Returns
    -------
    bokeh.models.HoverTool
    """
    count = CustomJSHover(code=f"const tick = value\n{JS_TOKENS}")
    tool = before or HoverTool(visible=False, formatters={"@tokens": count})
    # a label may be a name too, and Bokeh takes it as text
    tool.update(renderers=list(renderers), tooltips=[(label, f"@{column}") for label, column in rows])
    if names is not None:
        code = f"return {{{', '.join(names)}}}[format][value]"
        of: Any = tool.formatters.setdefault(f"@{LINE_OF}", CustomJSHover(code=code))
        of.args = {name: list(values) for name, values in names.items()}
    return tool


def legend(made: Any, entries: Mapping[str, Sequence[Any]], above: bool | None = None) -> Any:
    """Add a legend outside the data: above for few entries, at the right for more; a click on one hides its lines.

    One entry has no legend, and more than ``MOST_LABELS`` have tooltips alone.

    Parameters
    ----------
    made : figure
        Where to add it.
    entries : mapping of str to renderers
        By label.
    above : bool, optional
        Where it stands, whatever its entries.

    Returns
    -------
    bokeh.models.Legend
    """
    above = fits_above(entries) if above is None else above
    made_of: Any = Legend(
        items=legend_items(entries), orientation="horizontal" if above else "vertical", label_text_font_size="9pt",
        border_line_color=None, margin=0, click_policy="hide",
    )  # fmt: skip
    made_of.padding = 2
    made.add_layout(made_of, "above" if above else "right")
    return made_of


def fits_above(entries: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether the ``entries`` of a legend stand in one line."""
    return len(entries) <= ABOVE and sum(map(len, entries)) <= LINE


def legend_items(entries: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return what a legend of ``entries`` lists: nothing where one label would say nothing, or many too much."""
    if not 1 < len(entries) <= MOST_LABELS:
        return []
    return [LegendItem(label={"value": brief(label, 40)}, renderers=list(of)) for label, of in entries.items()]


def source(columns: Mapping[str, Any]) -> Any:
    """Return a data source of equally long ``columns``."""
    return ColumnDataSource({name: values if len(values) else [] for name, values in columns.items()})


def reach(values: Sequence[Array], log: bool = False, room: float = 0.04, before: Any = None) -> Any:
    """Return the range of an axis that holds all values.

    Parameters
    ----------
    values : sequence of array
        Positions; missing ones, and on a log axis those not above 0, do not count.
    log : bool
        Whether the axis is logarithmic.
    room : float
        Share of the span that is left at either end.
    before : Range1d, optional
        Is changed and returned; whoever moved it finds it whole again.

    Returns
    -------
    bokeh.models.Range1d
        The figures that are given the same one move together.
    """
    flat = np.concatenate([np.asarray(v, float).ravel() for v in values] or [np.zeros(0)])
    flat = flat[np.isfinite(flat) & ((flat > 0) | (not log))]
    low, high = (float(flat.min()), float(flat.max())) if flat.size else (1.0, 10.0) if log else (0.0, 1.0)
    if log:
        spare = room * (np.log10(high) - np.log10(low)) or 0.1
        start, end = float(10 ** (np.log10(low) - spare)), float(10 ** (np.log10(high) + spare))
    else:
        spare = room * (high - low) or 0.05 * max(abs(high), 1.0)
        start, end = low - spare, high + spare
    found = before or Range1d()
    found.update(start=start, end=end, reset_start=start, reset_end=end)
    return found


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
