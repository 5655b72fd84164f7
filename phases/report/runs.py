"""Pictures of runs: curves with takeoff intervals below, lags as arrows, losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calque.data.quantities import format_count
from calque.phases.report.figures import INK, STYLE, colour, figure, hues, label, svg, token_axis
from calque.phases.results import Curve, DetectionReport, Lag, Outcome, Transition
from calque.phases.schedules.words import UNITS
from calque.phases.series.axis import Array
from calque.phases.wording import Extent, extent, outcome_words, ratio_text, with_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


NEAR_ZERO = 0.15
"""Share of the axis's height below which the lowest point is drawn over 0."""


def run_picture(
    curves: Sequence[Curve], transitions: Sequence[Transition], lags: Sequence[Lag], scale: str, bars: str = "takeoff",
    width: float = 8.6,
) -> str | None:  # fmt: skip
    """Return the picture of :func:`draw_run` as SVG, or None where there is nothing to draw.

    Parameters
    ----------
    curves : sequence of Curve
        Of one run and group.
    transitions : sequence of Transition
        Of one run and group.
    lags : sequence of Lag
        Of one run and group.
    scale : {"log", "linear"}
        Axis of tokens.
    bars : str
        The estimand whose intervals are drawn.
    width : float
        Of the picture, in inches.

    Returns
    -------
    str or None
        An SVG element.
    """
    import matplotlib as mpl

    shown = worth_showing(curves)
    if not shown:
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(3.9 if width > 6 else 3.4, width)
        draw_run(axes, curves, transitions, lags, scale, bars)
        text = svg(made, f"{shown[0].run}/{shown[0].group}")
    return text


def worth_showing(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves to draw: the proportions, which share an axis, or else the first curve with checkpoints.

    Parameters
    ----------
    curves : sequence of Curve
        Of one run and group.

    Returns
    -------
    list of Curve
        Empty where no curve has a checkpoint.
    """
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
            axes.plot(c.fitted_tokens, c.fitted, color=hue, lw=2, label=label(c.metric))
        else:
            axes.plot([], [], color=hue, lw=2, label=label(c.metric))
        rows = [t for t in transitions if t.metric == c.metric and t.estimand == bars]
        ends = [(row, _extent(row, c.tokens)) for row in rows]
        drawn = [(row, place) for row, place in ends if place is not None]
        for row, place in drawn:
            at = _strip(axes, row, place, strip, hue)
            if at is not None:
                placed[c.metric] = at
        strip += bool(drawn)
    if scale == "log":
        axes.set_xscale("log")
    _arrows(axes, lags, placed)
    _token_axis(axes, bars, strip)
    low, high = axes.get_ylim()
    observed = [float(np.nanmin(c.y)) for c in shown if np.isfinite(c.y).any()]
    if observed and 0 <= min(observed) < NEAR_ZERO * high:  # where the floor is far from 0, the axis shows the data
        axes.set_ylim(min(low, -0.01), high)
    if shown:
        alone = len({c.metric for c in shown}) == 1
        axes.set_ylabel(with_units(shown[0]) if alone or not shown[0].counts else "share of items")
        if not alone:
            axes.legend(loc="upper left" if shown[0].counts else "best", ncols=1, fontsize=9)
    return axes


def with_units(c: Curve) -> str:
    """Return the name of a curve's metric with its unit, for an axis.

    Parameters
    ----------
    c : Curve
        The curve.
    """
    return label(c.metric) + (f", {label(c.units)}" if c.units else "")


def _extent(row: Transition, tokens: Array) -> Extent | None:
    return extent(row.tokens, row.low, row.high, float(tokens[tokens > 0].min()), float(tokens.max()))


def _strip(axes: Axes, row: Transition, place: Extent, strip: int, hue: str) -> tuple[float, float] | None:
    """Draw an interval as a bar under the axis and a faint band behind the curves.

    Open ends are arrows, an outcome other than ``found`` is a hollow point with its words, and without an estimate
    there is no point.
    """
    y = -0.16 - 0.045 * strip
    axes.axvspan(place.low, place.high, color=hue, alpha=0.10, lw=0)
    common: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    axes.plot([place.low, place.high], [y, y], color=hue, lw=4, alpha=0.75, solid_capstyle="butt", **common)
    for end, is_open, marker in ((place.low, place.open_low, "<"), (place.high, place.open_high, ">")):
        if is_open:
            axes.plot([end], [y], marker, ms=8, color=hue, mec="none", **common)
    if place.at is not None:
        filled = row.outcome == Outcome.FOUND
        axes.plot([place.at], [y], "o", ms=6, color=hue, mfc=hue if filled else "white", mec=hue, **common)
    if row.outcome != Outcome.FOUND:
        # an open end reaches the edge of the picture: the words stand at the other one
        before = place.open_high and not place.open_low
        axes.annotate(
            outcome_words(row.outcome), (place.low if before else place.high, y), xycoords=common["transform"],
            xytext=(-8 if before else 8, 0), textcoords="offset points", va="center", ha="right" if before else "left",
            fontsize=8, color=hue, annotation_clip=False,
        )  # fmt: skip
    return None if place.at is None else (place.at, y)


def _arrows(axes: Axes, lags: Sequence[Lag], placed: dict[str, tuple[float, float]]) -> None:
    for lag in lags:
        if lag.first != "copying" or lag.log_ratio is None or lag.first not in placed or lag.second not in placed:
            continue
        (a, _), (b, _) = placed[lag.first], placed[lag.second]
        axes.annotate(
            "", xy=(b, 1.02), xytext=(a, 1.02), xycoords=axes.get_xaxis_transform(), annotation_clip=False,
            arrowprops={"arrowstyle": "->", "color": INK, "lw": 1},
        )  # fmt: skip
        low, high = (None if v is None else math.exp(v) for v in (lag.low, lag.high))
        words = f"{ratio_text(math.exp(lag.log_ratio), low, high)} times the {UNITS[lag.axis]}"
        axes.text(
            math.sqrt(a * b), 1.035, with_mark(words, lag.outcome), ha="center", va="bottom", fontsize=9,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _token_axis(axes: Axes, bars: str, strips: int) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v) if v > 0 else "0"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    below = -0.155 - 0.045 * strips if strips else -0.11
    axes.annotate(
        f"training tokens; bars: {bars} and its interval", (1, below), xycoords="axes fraction", ha="right", va="top",
        fontsize=9, annotation_clip=False,
    )  # fmt: skip


def loss_picture(runs: Sequence[str], tokens: Array, loss: Array, name: str) -> str:
    """Return the held-out loss of the runs over tokens, one line a run.

    Parameters
    ----------
    runs : sequence of str
        Names of the runs.
    tokens : array, shape (run, checkpoint)
        Tokens; NaN where a run has no checkpoint.
    loss : array, shape (run, checkpoint)
        Loss; NaN where it is missing.
    name : str
        Label of the axis.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        made, axes = figure(3.0)
        for i, (run, hue) in enumerate(zip(runs, hues(len(runs)), strict=True)):
            seen = np.isfinite(loss[i]) & (tokens[i] > 0)
            axes.plot(
                tokens[i][seen],
                loss[i][seen],
                lw=1.4,
                color=hue,
                label=label(run) if len(runs) <= 12 else None,
            )
        axes.set_xscale("log")
        axes.set_ylabel(name)
        token_axis(axes)
        if len(runs) <= 12:
            axes.legend(fontsize=8)
        text = svg(made, "loss")
    return text


def takeoffs_in(report: DetectionReport, run: str, group: str) -> list[Transition]:
    """Return the transitions of one run and group.

    Parameters
    ----------
    report : DetectionReport
        The results.
    run : str
        Name of the run.
    group : str
        Part of the run; empty for all of it.

    Returns
    -------
    list of Transition
        Rows of all estimands, in the report's order.
    """
    return [t for t in report.transitions if (t.run, t.group) == (run, group)]
