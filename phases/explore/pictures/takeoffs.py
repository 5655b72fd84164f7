"""Takeoffs below the curves of a panel: a bar over the interval, a point at the estimate, an arrow at an open end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import Scatter, Segment

from calque.phases.explore.located import Located
from calque.phases.explore.pictures.glyphs import Glyphs
from calque.phases.explore.pictures.panels import PanelOfLines
from calque.phases.explore.series import ScoreLine
from calque.phases.results import Outcome, Transition
from calque.phases.wording import Extent, delay_words, extent, location

STRIPS = 0.045
MOST_STRIPS = 60
Row = tuple[str, ScoreLine, dict[str, Transition]]
"""Label, line, and its transitions by estimand."""
MARKERS: dict[str, dict[str, Any]] = {
    "found": {"marker": "circle", "angle": 0.0, "size": 7, "fill_color": "hue"},
    "other": {"marker": "circle", "angle": 0.0, "size": 7, "fill_color": "white"},
    "before": {"marker": "triangle", "angle": math.pi / 2, "size": 9, "fill_color": "hue"},
    "after": {"marker": "triangle", "angle": -math.pi / 2, "size": 9, "fill_color": "hue"},
}
"""A point is a takeoff that is found, a hollow one has another outcome, an arrow head is an open end."""


def known(panel: PanelOfLines, located: Located, split: str) -> list[Row]:
    """Return the lines of a panel whose takeoff is known and stands somewhere; none where there are too many to draw.

    Parameters
    ----------
    panel : PanelOfLines
        Lines.
    located : Located
        Known transitions.
    split : str
        How the runs are split into parts.
    """
    found = [
        (label, s, rows)
        for label, series in panel.lines.items()
        for s in series
        if "takeoff" in (rows := located.of(s.run, split, s.part, s.metric)) and _extent(s, rows["takeoff"]) is not None
    ]
    return found if len(found) <= MOST_STRIPS else []


def heights(panel: PanelOfLines, rows: Sequence[Row]) -> list[float]:
    """Return the scores at which the takeoffs of a panel are drawn, below its curves.

    Parameters
    ----------
    panel : PanelOfLines
        Lines.
    rows : sequence
        Their takeoffs, as of :func:`known`.
    """
    every = [s for series in panel.lines.values() for s in series]
    values = np.concatenate([s.value[np.isfinite(s.value)] for s in every] or [np.zeros(0)])
    low, top = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    # shares begin at 0, other scores at the least one
    ground = 0.0 if every and every[0].share else low
    step = STRIPS * max(top - ground, 1e-9)
    return [ground - step * (1.2 + i * min(1.0, 9 / len(rows))) for i in range(len(rows))]


def draw_takeoffs(glyphs: Glyphs, panel: PanelOfLines, rows: Sequence[Row], hues: Mapping[str, str]) -> None:
    """Draw the takeoffs of a panel.

    Parameters
    ----------
    glyphs : Glyphs
        Of the panel's figure, within a drawing.
    panel : PanelOfLines
        Lines.
    rows : sequence
        Their takeoffs, as of :func:`known`.
    hues : mapping
        Colours by label.
    """
    columns = ("low", "high", "y", "hue", "what", "where", "verdict")
    bars: dict[str, list[Any]] = {name: [] for name in columns}
    marks: dict[str, dict[str, list[Any]]] = {kind: {n: [] for n in (*columns, "at")} for kind in MARKERS}
    for (label, s, found), y in zip(rows, heights(panel, rows), strict=True):
        takeoff = found["takeoff"]
        ends = _extent(s, takeoff)
        assert ends is not None, "rows without a place are left out"
        one = {
            "low": ends.low, "high": ends.high, "y": y, "hue": hues[label],
            "what": f"{label} · {s.run} {s.part}".strip(), "where": location(takeoff),
            "verdict": delay_words(found.get("delay")),
        }  # fmt: skip
        points = [("before", ends.low)] * ends.open_low + [("after", ends.high)] * ends.open_high
        if ends.at is not None:
            points.append(("found" if takeoff.outcome == Outcome.FOUND else "other", ends.at))
        _append(bars, one)
        for kind, at in points:
            _append(marks[kind], {**one, "at": at})
    drawn = [
        glyphs.put("intervals", Segment, bars, x0="low", x1="high", y0="y", y1="y", line_color="hue", line_width=4,
                   line_alpha=0.75),
        *(
            glyphs.put("takeoffs", Scatter, marks[kind], kind, x="at", y="y", line_color="hue", **options)
            for kind, options in MARKERS.items()
            if marks[kind]["at"]
        ),
    ]  # fmt: skip
    glyphs.tips("intervals", drawn, [("", "what"), ("takeoff", "where"), ("delayed start", "verdict")])


def _append(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, values in columns.items():
        values.append(row[name])


def _extent(s: ScoreLine, takeoff: Transition) -> Extent | None:
    first, last = float(s.tokens[s.tokens > 0].min()), float(s.tokens.max())
    return extent(takeoff.tokens, takeoff.low, takeoff.high, first, last)
