"""Pictures of cells: source by target with a number each, and concepts over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import FactorRange, LinearColorMapper, PlainText, TapTool
from bokeh.models.annotations import ColorBar

from calque.phases.explore.pictures.figure import (
    INK,
    MISSING,
    brief,
    edges,
    frame,
    named_ticks,
    reach,
    source,
    tips,
    token_ticks,
)  # fmt: skip
from calque.phases.series.axis import Array

WRITTEN = 12
"""Most languages with which the cells show their numbers."""
SCALE, MOST_NAMES = "viridis", 120


def scale(backwards: bool = False) -> list[str]:
    """Return the colours of a scale from low to high, or ``backwards``."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    hues = [to_hex(colormaps[SCALE](x)) for x in np.linspace(0, 1, 256)]
    return hues[::-1] if backwards else hues


def pair_map(
    frame_: pd.DataFrame, value: str, title: str, languages: tuple[Sequence[str], Sequence[str]],
    rows: Sequence[tuple[str, str]], clicked: Callable[[str, str], object], *,
    limits: tuple[float, float] | None = None, backwards: bool = False, bar: bool = False,
) -> Any:  # fmt: skip
    """Return source by target, a cell a pair.

    Parameters
    ----------
    frame_ : DataFrame
        One row a pair: source, target, ``shown`` (the text of a cell), what gives the colour, and what tooltips show.
    value : str
        Column that gives the colour; NaN is grey.
    title : str
        What is shown.
    languages : (sources, targets)
        In the order of the axes.
    rows : sequence of (label, column)
        Of the tooltips.
    clicked : callable
        Called with the source and the target of a cell.
    limits : (low, high), optional
        Ends of the scale; those of the values when None.
    backwards : bool
        Whether low values are light.
    bar : bool
        Whether to draw the scale.

    Returns
    -------
    bokeh.plotting.figure
    """
    sources, targets = languages
    across, up = FactorRange(factors=list(targets)), FactorRange(factors=list(sources[::-1]))
    made = frame(title, "target (answer)", "source (prompt)", height=430, width=500, x=across, y=up)
    for axis, names in ((made.xaxis, targets), (made.yaxis, sources)):
        axis.major_label_overrides = {name: PlainText(text=brief(name, 12)) for name in names}
    made.xgrid.grid_line_color = made.ygrid.grid_line_color = None
    numbers = frame_[value].to_numpy(float)
    known = numbers[np.isfinite(numbers)]
    low, high = limits or ((float(known.min()), float(known.max())) if known.size else (0.0, 1.0))
    high = high if high > low else low + 1e-9
    dark = (numbers - low) / (high - low) < 0.55
    hues = ["#ffffff" if one else INK for one in ((~dark if backwards else dark) & np.isfinite(numbers))]
    columns = {str(name): frame_[name].to_numpy() for name in frame_}
    data = source({**columns, "hue": hues})
    mapper = LinearColorMapper(palette=scale(backwards), low=low, high=high, nan_color=MISSING)
    colour = {"field": value, "transform": mapper}
    cells = made.rect("target", "source", 1, 1, source=data, fill_color=colour, line_color="#ffffff")
    cells.nonselection_glyph = None  # a click chooses a pair and leaves the others as they are
    if bar:
        made.add_layout(ColorBar(color_mapper=mapper, width=10, border_line_color=None), "right")
    if max(len(sources), len(targets)) <= WRITTEN:
        made.text(
            "target", "source", "shown", source=data, text_color="hue", text_font_size="8pt", text_align="center",
            text_baseline="middle",
        )  # fmt: skip
    tips(made, [cells], rows)
    made.add_tools(TapTool(renderers=[cells]))

    def chosen(_: str, __: object, at: list[int]) -> None:
        if at:
            clicked(str(frame_["source"].iloc[at[0]]), str(frame_["target"].iloc[at[0]]))

    data.selected.on_change("indices", chosen)
    return made


def concept_map(
    places: Array, values: Array, names: Sequence[str], marks: Array, title: str, log: bool
) -> Any:  # fmt: skip
    """Return concepts over training, a row a concept, the first on top.

    Parameters
    ----------
    places : array, shape (n,)
        Positions in tokens.
    values : array, shape (n, concept)
        Shares in percent; NaN is grey.
    names : sequence of str
        Of the concepts.
    marks : array, shape (concept,)
        Position in tokens that is marked in each row; none where it is infinite.
    title : str
        What is shown.
    log : bool
        Whether the token axis is logarithmic.

    Returns
    -------
    bokeh.plotting.figure
    """
    count = len(names)
    borders, rows = edges(places, log), count - 1 - np.arange(count)
    made = frame(
        title, "training tokens", "", height=max(260, min(14 * count + 90, 1800)), logx=log,
        x=reach([borders], log, 0.0), y=reach([np.array([-0.5, count - 0.5])], room=0.0),
    )  # fmt: skip
    token_ticks(made.xaxis)
    if count <= MOST_NAMES:
        named_ticks(made.yaxis, rows.tolist(), names)
        made.yaxis.major_label_text_font_size = "8pt" if count <= 60 else "6pt"
    else:
        made.yaxis.visible = False
    y, left = np.repeat(rows, len(places)), np.tile(borders[:-1], count)
    mapper = LinearColorMapper(palette=scale(), low=0, high=100, nan_color=MISSING)
    colour = {"field": "share", "transform": mapper}
    cells = made.quad(
        left="left", right="right", bottom="bottom", top="top", fill_color=colour, line_color=None,
        source=source(dict(
            left=left, right=np.tile(borders[1:], count), bottom=y - 0.5, top=y + 0.5, share=values.T.ravel(),
            concept=np.repeat(np.asarray(names, object), len(places)), tokens=np.tile(places, count),
        )),
    )  # fmt: skip
    made.add_layout(ColorBar(color_mapper=mapper, width=10, border_line_color=None), "right")
    tips(made, [cells], [("", "concept"), ("tokens", "tokens"), ("share, %", "share")])
    reached = np.isfinite(marks) & ((marks > 0) | (not log))
    made.scatter(marks[reached], rows[reached], marker="dash", angle=np.pi / 2, size=12, color="#ff5d5d", line_width=3)
    return made
