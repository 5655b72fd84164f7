"""A map of cells with named rows and columns: layers and heads, depths over training, donors and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import FactorRange, LinearColorMapper, PlainText
from bokeh.models.annotations import ColorBar

from calque.phases.explore.pictures.figure import MISSING, brief, frame, source, tips
from calque.phases.explore.pictures.grid import scale
from calque.phases.series.axis import Array

DIVERGING = "RdBu"


def cell_map(
    values: Array, rows: Sequence[str], columns: Sequence[str], title: str, xlabel: str, ylabel: str, *,
    score: str, around: float | None = None, height: int = 380,
) -> Any:  # fmt: skip
    """Return a map, the first row at the bottom.

    Parameters
    ----------
    values : array, shape (rows, columns)
        NaN is grey.
    rows, columns : sequence of str
        Names, each once.
    title, xlabel, ylabel : str
        Text.
    score : str
        What the values are, in tooltips.
    around : float, optional
        The value in the middle of a scale of two colours; one colour from low to high when None.
    height : int
        In pixels.

    Returns
    -------
    bokeh.plotting.figure
    """
    across, up = FactorRange(factors=list(columns)), FactorRange(factors=list(rows))
    made = frame(title, xlabel, ylabel, height=height, x=across, y=up)
    for axis, names in ((made.xaxis, columns), (made.yaxis, rows)):
        axis.major_label_overrides = {name: PlainText(text=brief(name, 24)) for name in names}
    made.xgrid.grid_line_color = made.ygrid.grid_line_color = None
    if len(columns) > 12:
        made.xaxis.major_label_orientation = 1.0
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if around is not None:
        reach = max(high - around, around - low)
        low, high = around - reach, around + reach
    mapper = LinearColorMapper(
        palette=scale() if around is None else _diverging(), low=low, high=high if high > low else low + 1e-9,
        nan_color=MISSING,
    )  # fmt: skip
    data = source({
        "row": np.repeat(np.asarray(rows, object), len(columns)),
        "column": np.tile(np.asarray(columns, object), len(rows)), "value": values.ravel(),
    })  # fmt: skip
    colour = {"field": "value", "transform": mapper}
    cells = made.rect("column", "row", 1, 1, source=data, fill_color=colour, line_color=None)
    made.add_layout(ColorBar(color_mapper=mapper, width=10, border_line_color=None), "right")
    tips(made, [cells], [(ylabel, "row"), (xlabel, "column"), (score, "value{0.0000}")])
    return made


def _diverging() -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[DIVERGING](x)) for x in np.linspace(0, 1, 256)]
