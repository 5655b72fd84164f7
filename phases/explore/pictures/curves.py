"""The picture of one panel of curves: lines with bands, takeoffs with their intervals below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from calque.data.quantities import format_count
from calque.phases.explore.located import Located
from calque.phases.explore.pictures.colours import dash, palette
from calque.phases.explore.pictures.figure import frame, legend, reach, share_ticks, source, tips, token_ticks
from calque.phases.explore.pictures.panels import SHARE_LABEL, PanelOfLines
from calque.phases.explore.series import ScoreLine
from calque.phases.results import Outcome, Transition
from calque.phases.series.axis import Array
from calque.phases.wording import Extent, delay_words, extent, location

STRIPS = 0.045
MOST_BANDS = 16
MOST_STRIPS = 60
MOST_POINTS = 24
"""Labels up to which tooltips are of single checkpoints; beyond, of whole lines, which is much faster."""
Row = tuple[str, ScoreLine, dict[str, Transition]]
"""Label, line, and its transitions by estimand."""


def draw_panel(
    panel: PanelOfLines, located: Located, split: str, *, log: bool, bands: bool, strips: bool, height: int,
    fits: bool = False, colours: dict[str, str] | None = None, title: str | None = None, x: Any = None, y: Any = None,
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
    fits : bool
        Whether to draw the fitted curves that are known, dashed.
    colours : dict of str, optional
        Hexadecimal colours by label, in the order of their line styles; from the palette when None.
    title : str, optional
        The panel's own when None.
    x, y : Range1d, optional
        Ranges shared with other panels; those of this panel when None.

    Returns
    -------
    bokeh.plotting.figure
    """
    hues = colours or palette(list(panel.lines))
    rows = known(panel, located, split) if strips else []
    if x is None:
        x = token_range([panel], log)
    if y is None:
        y = score_range([panel], [rows], bands)
    made = frame(panel.title if title is None else title, "training tokens", panel.unit, height=height, logx=log,
                 x=x, y=y)  # fmt: skip
    token_ticks(made.xaxis)
    if panel.unit == SHARE_LABEL:
        share_ticks(made.yaxis)
    drawn = _bands(made, panel, hues, log) if bands else {}
    styles = {label: dash(i) for i, label in enumerate(hues)}
    lines = (_points_of_lines if len(panel.lines) <= MOST_POINTS else _whole_lines)(made, panel, hues, styles, log)
    shapes = _shapes(made, panel, located, split, hues, log) if fits else {}
    legend(made, {label: [*of, *drawn.get(label, []), *shapes.get(label, [])] for label, of in lines.items()})
    if rows:
        _strips(made, rows, hues, _ground(panel), _step(panel))
    return made


def token_range(panels: Iterable[PanelOfLines], log: bool) -> Any:
    """Return the range of tokens that holds the lines of all panels.

    Parameters
    ----------
    panels : iterable of PanelOfLines
        Panels side by side.
    log : bool
        Whether the token axis is logarithmic.

    Returns
    -------
    bokeh.models.Range1d
    """
    return reach([s.tokens for panel in panels for of in panel.lines.values() for s in of], log)


def score_range(panels: Sequence[PanelOfLines], rows: Sequence[list[Row]], bands: bool) -> Any:
    """Return the range of scores that holds the lines, bands and takeoffs of panels of one unit.

    Parameters
    ----------
    panels : sequence of PanelOfLines
        Panels of one unit.
    rows : sequence of list
        Their takeoffs, see :func:`known`.
    bands : bool
        Whether bands are drawn.

    Returns
    -------
    bokeh.models.Range1d
    """
    ends = [s.value for panel in panels for of in panel.lines.values() for s in of]
    for panel in panels:
        if bands and sum(map(len, panel.lines.values())) <= MOST_BANDS:
            ends += [end for of in panel.lines.values() for s in of for end in (s.low, s.high) if end is not None]
    for panel, one in zip(panels, rows, strict=True):
        if one:
            ends.append(np.array([_ground(panel) - _step(panel) * (1.2 + _order(len(one) - 1, len(one)))]))
    return reach(ends)


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


def _kept(s: ScoreLine, log: bool) -> Any:
    return s.tokens > 0 if log else np.ones(len(s.tokens), bool)


def _broken(pieces: list[Array]) -> Array:
    """Join arrays with NaN between them, so that one glyph draws many lines."""
    return np.concatenate([part for piece in pieces for part in (piece, [np.nan])][:-1])


def _points_of_lines(
    made: Any, panel: PanelOfLines, hues: dict[str, str], styles: dict[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw one glyph a label; its tooltips are of single checkpoints."""
    out: dict[str, list[Any]] = {}
    for label, series in panel.lines.items():
        tokens = [s.tokens[_kept(s, log)] for s in series]
        texts = [[format_count(t) for t in one] for one in tokens]
        data = source(dict(
            tokens=_broken(tokens), value=_broken([s.value[_kept(s, log)] for s in series]),
            at=[text for one in texts for text in (*one, "")][:-1],
            run=[s.run for s, one in zip(series, tokens, strict=True) for _ in range(len(one) + 1)][:-1],
            part=[s.part for s, one in zip(series, tokens, strict=True) for _ in range(len(one) + 1)][:-1],
            label=[label] * (sum(map(len, tokens)) + len(tokens) - 1),
        ))  # fmt: skip
        style = {"line_color": hues[label], "line_dash": styles[label], "line_width": 1.6, "line_alpha": 0.9}
        out[label] = [made.line("tokens", "value", source=data, name=label, **style)]
    rows = [("", "label"), ("run", "run"), ("part", "part"), ("tokens", "at"), (panel.unit, "value")]
    tips(made, [one for of in out.values() for one in of], rows)
    return out


def _whole_lines(
    made: Any, panel: PanelOfLines, hues: dict[str, str], styles: dict[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw one glyph for all lines, fast for hundreds of them; its tooltips are of whole lines."""
    every = [(label, s) for label, series in panel.lines.items() for s in series if _kept(s, log).any()]
    data = source(dict(
        tokens=[s.tokens[_kept(s, log)] for _, s in every], value=[s.value[_kept(s, log)] for _, s in every],
        label=[label for label, _ in every], run=[s.run for _, s in every], part=[s.part for _, s in every],
        hue=[hues[label] for label, _ in every], style=[styles[label] for label, _ in every],
    ))  # fmt: skip
    drawn = made.multi_line(
        "tokens", "value", source=data, line_color="hue", line_dash="style", line_width=1.6, line_alpha=0.9
    )
    tips(made, [drawn], [("", "label"), ("run", "run"), ("part", "part")])
    return {"": [drawn]}


def _bands(made: Any, panel: PanelOfLines, hues: dict[str, str], log: bool) -> dict[str, list[Any]]:
    counted = {label: [s for s in of if s.low is not None] for label, of in panel.lines.items()}
    out: dict[str, list[Any]] = {}
    if sum(map(len, counted.values())) > MOST_BANDS:
        return out
    for label, series in counted.items():
        xs, ys = [], []
        for s in series:
            assert s.low is not None and s.high is not None
            keep = _kept(s, log)
            xs.append(np.concatenate([s.tokens[keep], s.tokens[keep][::-1]]))
            ys.append(np.concatenate([s.low[keep], s.high[keep][::-1]]))
        data = source(dict(tokens=xs, value=ys))
        out[label] = [
            made.patches("tokens", "value", source=data, fill_color=hues[label], line_color=None, fill_alpha=0.13)
        ]
    return out


def _shapes(
    made: Any, panel: PanelOfLines, located: Located, split: str, hues: dict[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw the fitted curves of series that were located in these pages."""
    out: dict[str, list[Any]] = {}
    for label, series in panel.lines.items():
        for s in series:
            fit = located.fits.get((s.run, split, s.part, s.metric))
            if fit is None or fit.fitted is None or fit.fitted_tokens is None:
                continue
            keep = fit.fitted_tokens > 0 if log else np.ones(len(fit.fitted_tokens), bool)
            data = source(dict(tokens=fit.fitted_tokens[keep], fitted=fit.fitted[keep], run=[s.run] * int(keep.sum())))
            drawn = made.line("tokens", "fitted", source=data, line_color=hues[label], line_width=2.4, line_alpha=0.55,
                              line_dash="dashed", name=f"fit {label}")  # fmt: skip
            out.setdefault(label, []).append(drawn)
    tips(made, [one for of in out.values() for one in of], [("run", "run"), ("fitted", "fitted")])
    return out


def _ground(panel: PanelOfLines) -> float:
    """Return the score below which takeoffs are drawn: 0 for shares, else the least one."""
    every = [s for series in panel.lines.values() for s in series]
    values = np.concatenate([s.value[np.isfinite(s.value)] for s in every] or [np.zeros(1)])
    return 0.0 if every and every[0].share else float(values.min(initial=0.0) if not values.size else values.min())


def _step(panel: PanelOfLines) -> float:
    every = [s for series in panel.lines.values() for s in series]
    values = np.concatenate([s.value[np.isfinite(s.value)] for s in every] or [np.zeros(1)])
    top = float(values.max()) if values.size else 1.0
    return STRIPS * max(top - _ground(panel), 1e-9)


def _order(i: int, n: int) -> float:
    return i * min(1.0, 9 / n)


def _strips(made: Any, rows: list[Row], hues: dict[str, str], ground: float, step: float) -> None:
    """Draw takeoffs: a bar over the interval below the curves, a point at the estimate, an arrow at an open end."""
    columns = ("low", "high", "y", "hue", "what", "where", "verdict")
    bars: dict[str, list[Any]] = {name: [] for name in columns}
    marks: dict[str, dict[str, list[Any]]] = {kind: {n: [] for n in (*columns, "at")} for kind in MARKERS}
    for i, (label, s, found) in enumerate(rows):
        takeoff = found["takeoff"]
        ends = _extent(s, takeoff)
        assert ends is not None, "rows without a place are left out"
        one = {
            "low": ends.low, "high": ends.high, "y": ground - step * (1.2 + _order(i, len(rows))), "hue": hues[label],
            "what": f"{label} · {s.run} {s.part}".strip(), "where": location(takeoff),
            "verdict": delay_words(found.get("delay")),
        }  # fmt: skip
        points = [("before", ends.low)] * ends.open_low + [("after", ends.high)] * ends.open_high
        if ends.at is not None:
            points.append(("found" if takeoff.outcome == Outcome.FOUND else "other", ends.at))
        _append(bars, one)
        for kind, at in points:
            _append(marks[kind], {**one, "at": at})
    lines = made.segment("low", "y", "high", "y", source=source(bars), line_color="hue", line_width=4, line_alpha=0.75)
    dots = [
        made.scatter("at", "y", source=source(marks[kind]), name=kind, **{"color": "hue", **options})
        for kind, options in MARKERS.items()
        if marks[kind]["at"]
    ]
    tips(made, [lines, *dots], [("", "what"), ("takeoff", "where"), ("delayed start", "verdict")])


def _append(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, values in columns.items():
        values.append(row[name])


def _extent(s: ScoreLine, takeoff: Transition) -> Extent | None:
    first, last = float(s.tokens[s.tokens > 0].min()), float(s.tokens.max())
    return extent(takeoff.tokens, takeoff.low, takeoff.high, first, last)


MARKERS: dict[str, dict[str, Any]] = {
    "found": {"size": 7}, "other": {"size": 7, "color": None, "line_color": "hue", "fill_color": "white"},
    "before": {"marker": "triangle", "angle": math.pi / 2, "size": 9},
    "after": {"marker": "triangle", "angle": -math.pi / 2, "size": 9},
}  # fmt: skip
"""A point is a takeoff that is found, a hollow one has another outcome, an arrow head is an open end."""
