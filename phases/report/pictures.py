"""Pictures of a report as inline SVG: curves with takeoff intervals, a forest of lags, losses.

Text and axes take the page's own colour (``currentColor``) and the ground is transparent, so that a picture reads in
a light and in a dark page alike.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from calque.data.metrics import COLOURS
from calque.data.quantities import format_count
from calque.phases.results import Curve, DetectionReport, Lag, Transition
from calque.phases.series.axis import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPARE = ("#7a6ff0", "#2aa198", "#b0641d", "#6d8a1f", "#c04fc0", "#58739b")
INK = "#010203"
"""Stands for the page's text colour until the SVG is written."""
STYLE: Any = {
    "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "text.color": INK, "axes.grid": False,
    "axes.linewidth": 0.7, "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none",
}  # fmt: skip


def colour(metric: str, order: int = 0) -> str:
    """Return the colour of a metric."""
    return COLOURS.get(metric, SPARE[order % len(SPARE)])


def svg(figure: Figure, salt: str) -> str:
    """Return a figure as an SVG element whose identifiers no other picture of the page shares."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None, "Creator": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    prefix = "s" + format(abs(hash_of(salt)) % 16**8, "x")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    opening, rest = text.split(">", 1)
    return re.sub(r' (height|width)="[^"]*"', "", opening) + ">" + rest


def hash_of(text: str) -> int:
    """Return a number that depends on the text alone (``hash`` changes from process to process)."""
    import zlib

    return zlib.crc32(text.encode())


def figure(height: float, width: float = 8.6) -> tuple[Figure, Axes]:
    """Return an empty figure in the page's style, outside pyplot's registry."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as MplFigure

    with mpl.rc_context(STYLE):
        made = MplFigure(figsize=(width, height), layout="constrained")
        axes = made.subplots()
    return made, axes


def new_axes(height: float = 3.9, width: float = 8.6, below: float = 0.0) -> Axes:
    """Return the axes of a new pyplot figure, which a notebook shows by itself.

    Parameters
    ----------
    height, width : float
        In inches.
    below : float
        Share of the height kept free below the axis.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, below, 1, 1 - below))  # type: ignore[union-attr, call-arg]
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def run_picture(
    curves: Sequence[Curve], transitions: Sequence[Transition], lags: Sequence[Lag], scale: str, bars: str = "takeoff"
) -> str | None:
    """Return the picture of :func:`draw_run` as SVG, or None where there is nothing to draw."""
    import matplotlib as mpl

    shown = worth_showing(curves)
    if not shown:
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(3.9)
        draw_run(axes, curves, transitions, lags, scale, bars)
        text = svg(made, f"{shown[0].run}/{shown[0].group}")
    return text


def worth_showing(curves: Sequence[Curve]) -> list[Curve]:
    """Return the proportions, which share an axis; where there is none the first curve that has checkpoints."""
    return [c for c in curves if c.counts and len(c.tokens)] or [c for c in curves if len(c.tokens)][:1]


def draw_run(
    axes: Axes, curves: Sequence[Curve], transitions: Sequence[Transition], lags: Sequence[Lag], scale: str,
    bars: str = "takeoff",
) -> Axes:  # fmt: skip
    """Draw the proportions of one run overlaid, the intervals of ``bars`` below, and the lags as arrows.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    curves, transitions, lags : sequences
        Of one run and group.
    scale : {"log", "linear"}
        Axis of tokens.
    bars : str
        The estimand whose intervals are drawn.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    placed: dict[str, tuple[float, float]] = {}
    strip = 0
    shown = worth_showing(curves)
    for order, c in enumerate(shown):
        hue = colour(c.metric, order)
        seen = c.tokens > 0 if scale == "log" else np.ones(len(c.tokens), bool)
        axes.plot(c.tokens[seen], c.y[seen], "o", ms=3.2, mew=0, color=hue, alpha=0.55)
        if c.fitted_tokens is not None and c.fitted is not None:
            axes.plot(c.fitted_tokens, c.fitted, color=hue, lw=2, label=c.metric.replace("_", " "))
        else:
            axes.plot([], [], color=hue, lw=2, label=c.metric.replace("_", " "))
        rows = [t for t in transitions if t.metric == c.metric and t.estimand == bars]
        shown_rows = [t for t in rows if t.tokens is not None or t.high is not None]
        for row in shown_rows:
            placed[c.metric] = _strip(axes, row, c.tokens, strip, hue)
        strip += bool(shown_rows)
    if scale == "log":
        axes.set_xscale("log")
    _arrows(axes, lags, placed)
    _token_axis(axes, bars)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.01), high)
    if shown:
        axes.set_ylabel("share of items" if shown[0].counts else shown[0].metric.replace("_", " "))
        axes.legend(loc="upper left", ncols=1, fontsize=9)
    return axes


def _strip(axes: Axes, row: Transition, tokens: Array, strip: int, hue: str) -> tuple[float, float]:
    """Draw an interval as a bar under the axis and a faint band behind the curves."""
    first = float(tokens[tokens > 0].min())
    low = row.low if row.low is not None else first
    high = row.high if row.high is not None else float(tokens.max())
    at = row.tokens if row.tokens is not None else high
    y = -0.16 - 0.045 * strip
    axes.axvspan(low, high, color=hue, alpha=0.10, lw=0)
    transform = axes.get_xaxis_transform()
    axes.plot(
        [low, high], [y, y], color=hue, lw=4, alpha=0.75, transform=transform, clip_on=False, solid_capstyle="butt"
    )
    axes.plot([at], [y], "o", ms=6, color=hue, mec="none", transform=transform, clip_on=False)
    return at, y


def _arrows(axes: Axes, lags: Sequence[Lag], placed: dict[str, tuple[float, float]]) -> None:
    for lag in lags:
        if lag.first != "copying" or lag.log_ratio is None or lag.first not in placed or lag.second not in placed:
            continue
        (a, _), (b, _) = placed[lag.first], placed[lag.second]
        axes.annotate(
            "", xy=(b, 1.02), xytext=(a, 1.02), xycoords=axes.get_xaxis_transform(), annotation_clip=False,
            arrowprops={"arrowstyle": "->", "color": INK, "lw": 1},
        )  # fmt: skip
        axes.text(
            math.sqrt(a * b), 1.035, f"{math.exp(lag.log_ratio):.2g} times the tokens", ha="center", va="bottom",
            fontsize=9,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _token_axis(axes: Axes, bars: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v) if v > 0 else "0"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.annotate(
        f"training tokens; bars: {bars} and its interval", (1, -0.11), xycoords="axes fraction", ha="right", va="top",
        fontsize=9, annotation_clip=False,
    )  # fmt: skip


def lag_forest(lags: Sequence[Lag]) -> str | None:
    """Return a forest plot of the lags that have an estimate, as factors of tokens."""
    import matplotlib as mpl

    shown = [lag for lag in lags if lag.log_ratio is not None][:60]
    if not shown:
        return None
    rows = [
        Estimate(_lag_name(lag), _ratio(lag.log_ratio), _ratio(lag.low), _ratio(lag.high), colour(lag.first, i))
        for i, lag in enumerate(shown)
    ]
    with mpl.rc_context(STYLE):
        made, axes = figure(0.9 + 0.3 * len(shown))
        draw_ratios(axes, rows)
        axes.set_xlabel("tokens at takeoff of the second / of the first")
        text = svg(made, "lags")
    return text


def _lag_name(lag: Lag) -> str:
    return f"{lag.run}{' ' + lag.group if lag.group else ''}: {lag.first} → {lag.second}".replace("_", " ")


def _ratio(log_ratio: float | None) -> float | None:
    return None if log_ratio is None else math.exp(log_ratio)


class Estimate(NamedTuple):
    """A row of a forest plot; an open end is None."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    hue: str = SPARE[0]


def draw_ratios(axes: Axes, rows: Sequence[Estimate]) -> Axes:
    """Draw ratios with their intervals on a log axis, one row each, the first on top; 1 is a dashed line."""
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    left, right = min([*ends, 0.8]) / 1.25, max([*ends, 1.25]) * 1.25
    _forest(axes, rows, left, right)
    axes.axvline(1, color=INK, lw=0.8, ls=(0, (4, 3)))
    ticks = [t for t in (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100, 300) if left <= t <= right]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], minor=False)
    axes.minorticks_off()
    return axes


def draw_tokens(axes: Axes, rows: Sequence[Estimate]) -> Axes:
    """Draw times in tokens with their intervals on a log axis, one row each, the first on top."""
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    _forest(axes, rows, min(ends, default=1.0) / 1.25, max(ends, default=10.0) * 1.25)
    token_axis(axes)
    return axes


def draw_shares(axes: Axes, rows: Sequence[Estimate]) -> Axes:
    """Draw numbers on a linear axis with their intervals, one row each, the first on top."""
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    left, right = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.05 * (right - left or 1.0)
    _forest(axes, rows, left - margin, right + margin, "linear")
    return axes


def draw_bars(axes: Axes, names: Sequence[str], values: Array, label: str) -> Axes:
    """Draw one number a row as horizontal bars, the first on top; the axis begins at 0."""
    axes.barh(range(len(names)), values, color=SPARE[0], alpha=0.75)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(label)
    return axes


def _forest(axes: Axes, rows: Sequence[Estimate], left: float, right: float, scale: str = "log") -> None:
    for i, row in enumerate(rows):
        low, high = left if row.low is None else row.low, right if row.high is None else row.high
        axes.plot([low, high], [i, i], color=row.hue, lw=3, alpha=0.7, solid_capstyle="butt")
        if row.value is not None:
            axes.plot([row.value], [i], "o", ms=6, color=row.hue, mec="none")
    axes.set_xscale(scale)
    axes.set_xlim(left, right)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)


def loss_picture(runs: Sequence[str], tokens: Array, loss: Array, name: str) -> str:
    """Return held-out loss, one line a run; tokens and loss (run, checkpoint)."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        made, axes = figure(3.0)
        for i, run in enumerate(runs):
            seen = np.isfinite(loss[i]) & (tokens[i] > 0)
            axes.plot(
                tokens[i][seen],
                loss[i][seen],
                lw=1.4,
                color=SPARE[i % len(SPARE)],
                label=run if len(runs) <= 12 else None,
            )
        axes.set_xscale("log")
        axes.set_ylabel(name)
        token_axis(axes)
        if len(runs) <= 12:
            axes.legend(fontsize=8)
        text = svg(made, "loss")
    return text


def token_axis(axes: Axes) -> None:
    """Label the axis of training tokens."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v) if v > 0 else "0"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("training tokens")


def takeoffs_in(report: DetectionReport, run: str, group: str) -> list[Transition]:
    """Return the rows of one run's part."""
    return [t for t in report.transitions if (t.run, t.group) == (run, group)]
