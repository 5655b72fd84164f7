"""The picture of one panel of curves: lines with bands, takeoffs with their intervals below."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
from hvplot import hvPlot

from calque.data.quantities import format_count
from calque.phases.explore.drawing import (
    ABOVE,
    LAYERS,
    TOOLS,
    broken,
    finish,
    legend_place,
    palette,
    share_ticks,
    styled,
    token_ticks,
)
from calque.phases.explore.located import Located
from calque.phases.explore.panels import SHARE_LABEL, PanelOfLines
from calque.phases.explore.series import ScoreLine
from calque.phases.results import Outcome
from calque.phases.wording import delay_words, extent, location

STRIPS = 0.045
MOST_BANDS = 16
MOST_STRIPS = 60


def draw_panel(
    panel: PanelOfLines, located: Located, split: str, *, log: bool, bands: bool, strips: bool, height: int,
    colours: dict[str, str] | None = None, title: str | None = None,
) -> Any:  # fmt: skip
    """Return the picture of a panel.

    Parameters
    ----------
    panel : PanelOfLines
        Lines to draw.
    located : Located
        Transitions of their series.
    split : str
        How runs are split into parts, such as whole or pair.
    log : bool
        Whether the token axis is logarithmic.
    bands, strips : bool
        Whether to draw binomial bands, and takeoffs with their intervals below the curves.
    height : int
        In pixels.
    colours : dict of str, optional
        Hexadecimal colours by label; from the palette when None.
    title : str, optional
        The panel's own when None.
    """
    hues = colours or palette(list(panel.lines))
    few = len(panel.lines) <= ABOVE
    made = (_points_of_lines if few else _whole_lines)(panel, hues, log)
    if bands:
        made = _bands(panel, hues, log) * made
    if strips:
        made = made * _strips(panel, located, split, hues, log)
    ticks = {"yformatter": share_ticks()} if panel.unit == SHARE_LABEL else {}
    return styled(
        made, hooks=[finish(logx=log)], logx=log, height=height, title=panel.title if title is None else title,
        xlabel="training tokens", ylabel=panel.unit, xformatter=token_ticks(), **legend_place(len(panel.lines)),
        **ticks, **LAYERS,
    )  # fmt: skip


def _points_of_lines(panel: PanelOfLines, hues: dict[str, str], log: bool) -> Any:
    """Return one glyph a label; its tooltips are of single checkpoints."""
    data = pd.concat(
        [broken([_frame(s, label, log) for s in series]) for label, series in panel.lines.items()], ignore_index=True
    )
    return hvPlot(data).line(
        x="tokens", y="value", by="label", color=[hues[label] for label in panel.lines], line_width=1.6, alpha=0.9,
        hover_cols=["run", "part", "at"], logx=log, responsive=True, height=1,
        hover_tooltips=[("", "@label"), ("run", "@run"), ("part", "@part"), ("tokens", "@at"), (panel.unit, "@value")],
    )  # fmt: skip


def _whole_lines(panel: PanelOfLines, hues: dict[str, str], log: bool) -> Any:
    """Return one glyph for all lines, fast for hundreds of them; its tooltips are of whole lines."""
    rows = [_frame(s, label, log) for label, series in panel.lines.items() for s in series]
    drawn = [
        {"tokens": f["tokens"].to_numpy(), "value": f["value"].to_numpy(), **f[["label", "run", "part"]].iloc[0]}
        for f in rows
        if len(f)
    ]
    lines = hv.Contours(drawn, ["tokens", "value"], ["label", "run", "part"])
    tips = [("", "@label"), ("run", "@run"), ("part", "@part"), (panel.unit, "$y")]
    return hv.Overlay(
        [lines.opts(color="label", cmap=hues, line_width=1.6, alpha=0.9, tools=["hover"], hover_tooltips=tips)]
    )


def _frame(s: ScoreLine, label: str, log: bool) -> pd.DataFrame:
    keep = s.tokens > 0 if log else np.ones(len(s.tokens), bool)
    at = [format_count(t) for t in s.tokens[keep]]
    return pd.DataFrame(
        {"tokens": s.tokens[keep], "value": s.value[keep], "label": label, "run": s.run, "part": s.part, "at": at}
    )


def _bands(panel: PanelOfLines, hues: dict[str, str], log: bool) -> Any:
    counted = [(label, s) for label, series in panel.lines.items() for s in series if s.low is not None]
    shapes = []
    for label, s in counted[: MOST_BANDS if len(counted) <= MOST_BANDS else 0]:
        assert s.low is not None and s.high is not None
        keep = s.tokens > 0 if log else np.ones(len(s.tokens), bool)
        x, low, high = s.tokens[keep], s.low[keep], s.high[keep]
        shapes.append(
            {"tokens": np.concatenate([x, x[::-1]]), "value": np.concatenate([low, high[::-1]]), "hue": hues[label]}
        )
    made = hv.Polygons(shapes, ["tokens", "value"], "hue")
    return made.opts(fill_color="hue", line_alpha=0, fill_alpha=0.13, show_legend=False, tools=[], default_tools=TOOLS)


def _strips(panel: PanelOfLines, located: Located, split: str, hues: dict[str, str], log: bool) -> Any:
    """Return takeoffs: a bar over the interval below the curves, a point at the estimate, an arrow at an open end."""
    every = [s for series in panel.lines.values() for s in series]
    values = np.concatenate([s.value[np.isfinite(s.value)] for s in every] or [np.zeros(1)])
    ground, top = float(values.min()), float(values.max())
    if every and every[0].share:
        ground = 0.0
    step = STRIPS * max(top - ground, 1e-9)
    rows = []
    for label, series in panel.lines.items():
        for s in series:
            known = located.of(s.run, split, s.part, s.metric)
            if "takeoff" in known:
                rows.append((label, s, known["takeoff"], known.get("delay")))
    rows = rows if len(rows) <= MOST_STRIPS else []
    bars, dots = [], []
    for i, (label, s, takeoff, delay) in enumerate(rows):
        first, last = float(s.tokens[s.tokens > 0].min()), float(s.tokens.max())
        ends = extent(takeoff.tokens, takeoff.low, takeoff.high, first, last)
        if ends is None:
            continue
        y = ground - step * (1.2 + i * min(1.0, 9 / len(rows)))
        tooltip = {
            "what": f"{label} · {s.run} {s.part}".strip(), "where": location(takeoff), "verdict": delay_words(delay)
        }  # fmt: skip
        bars.append({"tokens": ends.low, "value": y, "x1": ends.high, "y1": y, "hue": hues[label], **tooltip})
        mark = {"value": y, "hue": hues[label], **tooltip}
        if ends.at is not None:
            found = takeoff.outcome == Outcome.FOUND
            dots.append({"tokens": ends.at, "kind": "found" if found else "other", **mark})
        dots += [{"tokens": ends.low, "kind": "before", **mark}] * ends.open_low
        dots += [{"tokens": ends.high, "kind": "after", **mark}] * ends.open_high
    extra = ["what", "where", "verdict"]
    tips = [("", "@what"), ("takeoff", "@where"), ("delayed start", "@verdict")]
    frame = pd.DataFrame(bars, columns=["tokens", "value", "x1", "y1", "hue", *extra])
    points = pd.DataFrame(dots, columns=["tokens", "value", "hue", "kind", *extra])
    lines = hv.Segments(frame, ["tokens", "value", "x1", "y1"], ["hue", *extra])
    common = {"tools": ["hover"], "hover_tooltips": tips, "show_legend": False, "default_tools": TOOLS}
    made = lines.opts(color="hue", line_width=4, alpha=0.75, **common)
    for kind, options in MARKERS.items():
        some = points[points["kind"] == kind]
        if len(some) or kind == "found":
            made = made * hv.Points(some, ["tokens", "value"], ["hue", *extra]).opts(color="hue", **options, **common)
    return made


MARKERS: dict[str, dict[str, Any]] = {
    "found": {"size": 7}, "other": {"size": 7, "fill_color": "white"},
    "before": {"marker": "triangle", "angle": 90, "size": 9}, "after": {"marker": "triangle", "angle": -90, "size": 9},
}  # fmt: skip
"""A point is a takeoff that is found, a hollow one has another outcome, an arrow head is an open end."""
