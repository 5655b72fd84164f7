"""The picture of one panel of curves: lines with bands, takeoffs with their intervals below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from calque.data.quantities import format_count, format_interval, format_p
from calque.phases.explore.located import Located
from calque.phases.explore.pictures.colours import dash, palette
from calque.phases.explore.pictures.figure import frame, legend, reach, share_ticks, source, tips, token_ticks
from calque.phases.explore.pictures.panels import SHARE_LABEL, PanelOfLines
from calque.phases.explore.series import ScoreLine
from calque.phases.results import Transition
from calque.phases.series.axis import Array

STRIPS = 0.045
MOST_BANDS = 16
MOST_STRIPS = 60
MOST_POINTS = 24
"""Labels up to which tooltips are of single checkpoints; beyond, of whole lines, which is much faster."""
Row = tuple[str, ScoreLine, dict[str, Transition]]
"""Label, line, and its transitions by estimand."""


def draw_panel(
    panel: PanelOfLines, located: Located, split: str, *, log: bool, bands: bool, strips: bool, height: int,
    colours: dict[str, str] | None = None, title: str | None = None, x: Any = None, y: Any = None,
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
    legend(made, {label: [*of, *drawn.get(label, [])] for label, of in lines.items()})
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
        if "takeoff" in (rows := located.of(s.run, split, s.part, s.metric))
        and (rows["takeoff"].tokens, rows["takeoff"].low, rows["takeoff"].high) != (None, None, None)
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
    """Draw takeoffs below the curves: a bar over the interval, a dot at the estimate or at the end not reached."""
    bars: dict[str, list[Any]] = {name: [] for name in ("low", "high", "at", "y", "hue", "what", "where", "verdict")}
    for i, (label, s, found) in enumerate(rows):
        takeoff = found["takeoff"]
        first, last = float(s.tokens[s.tokens > 0].min()), float(s.tokens.max())
        low, high = takeoff.low or first, takeoff.high or last
        one = {
            "low": low, "high": high, "at": takeoff.tokens if takeoff.tokens is not None else high,
            "y": ground - step * (1.2 + _order(i, len(rows))), "hue": hues[label],
            "what": f"{label} · {s.run} {s.part}".strip(), "where": place(takeoff),
            "verdict": verdict(found.get("delay")),
        }  # fmt: skip
        for name, value in one.items():
            bars[name].append(value)
    data = source(bars)
    lines = made.segment("low", "y", "high", "y", source=data, line_color="hue", line_width=4, line_alpha=0.75)
    dots = made.scatter("at", "y", source=data, color="hue", size=7)
    tips(made, [lines, dots], [("", "what"), ("takeoff", "where"), ("delayed start", "verdict")])


def place(takeoff: Transition) -> str:
    """Return ``takeoff`` with its interval in tokens as text."""
    if takeoff.tokens is None:
        return f"{takeoff.outcome.value.replace('_', ' ')} ({format_interval(takeoff.low, takeoff.high)})"
    return f"{format_count(takeoff.tokens)} ({format_interval(takeoff.low, takeoff.high)})"


def verdict(delay: Transition | None) -> str:
    """Return the outcome of the ``delay`` test with its p-value and elasticity bound as text."""
    if delay is None:
        return "–"
    steep = "" if delay.elasticity is None or not math.isfinite(delay.elasticity) else f", > T^{delay.elasticity:.0f}"
    return f"{delay.outcome.value.replace('_', ' ')} (p {format_p(delay.p_value)}{steep})"
