"""Maps of cells: layers by heads, depths by checkpoints, donors by hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calque.phases.report.figures import STYLE
from calque.phases.series.axis import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 30
"""Longest title of a small picture."""
COLUMNS = 3
"""Maps beside each other."""
TICKS = 5
"""Most names along a side."""
MANY = 600
"""Cells from which they are drawn as one image, not one by one."""


def grid(count: int, height: float = 2.3, width: float = 8.6) -> tuple[Figure, list[Axes]]:
    """Return an empty figure in the page's style with ``count`` axes, three a row.

    Parameters
    ----------
    count : int
    height : float
        Of a row, in inches.
    width : float
        Of the figure, in inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as MplFigure

    rows = -(-count // COLUMNS)
    with mpl.rc_context(STYLE):
        made = MplFigure(figsize=(width, height * rows), layout="constrained", dpi=200)
        axes = made.subplots(rows, COLUMNS, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()  # kept, so that fewer are not drawn larger
    return made, list(axes[:count])


def draw_cells(
    axes: Axes, values: Array, rows: Sequence[str], columns: Sequence[str], title: str, *,
    limits: tuple[float, float] | None = None, around: float | None = None,
) -> None:  # fmt: skip
    """Draw a map, its first row lowest, with a bar of colours; missing cells stay empty.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    values : array, shape (rows, columns)
    rows, columns : sequence of str
        Their names.
    title : str
    limits : (float, float), optional
        Ends of the colours; those of the values when None.
    around : float, optional
        The value in the middle of two colours; one colour for all when None.
    """
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    if around is not None:
        half = max(high - around, around - low) or 1.0
        low, high = around - half, around + half
    mesh = axes.pcolormesh(
        values, cmap="viridis" if around is None else "RdBu_r", vmin=low, vmax=high, edgecolors="face", lw=0.3,
        rasterized=values.size > MANY,
    )  # fmt: skip
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        places = np.unique(np.linspace(0, len(names) - 1, min(TICKS, len(names))).round().astype(int))
        axis.set_ticks(places + 0.5, [names[place] for place in places], fontsize=7.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=8.5, loc="left")
    bar = axes.figure.colorbar(mesh, ax=axes, aspect=14, pad=0.03)
    bar.ax.tick_params(labelsize=7)
    bar.ax.locator_params(axis="y", nbins=3)
    bar.ax.spines[:].set_visible(False)
