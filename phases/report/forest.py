"""Forest plots: estimates with their intervals, one row each; and plain bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from calque.phases.report.figures import INK, LETTERS, SPARE, STYLE, colour, figure, label, shortened, svg, token_axis
from calque.phases.results import DetectionReport, Lag, Transition
from calque.phases.schedules.words import UNITS
from calque.phases.series.axis import Array
from calque.phases.wording import metric_words, with_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_ROWS = 80
"""Rows of the overview of takeoffs."""


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
        axes.set_xlabel(f"{UNITS[shown[0].axis]} at takeoff of the second / of the first")
        text = svg(made, "lags")
    return text


def takeoff_forest(report: DetectionReport) -> str | None:
    """Return a forest plot of all takeoffs that have a place or a bound, metric by metric; None where there is none.

    Parameters
    ----------
    report : DetectionReport
        The results.
    """
    import matplotlib as mpl

    rows = [t for t in report.transitions if t.estimand == "takeoff"]
    rows = [t for t in rows if any(value is not None for value in (t.tokens, t.low, t.high))]
    metrics = list(dict.fromkeys(t.metric for t in rows))
    shown = sorted(rows, key=lambda t: metrics.index(t.metric))[:MOST_ROWS]
    if not shown:
        return None
    alone, of_one = len({(t.run, t.group) for t in rows}) == 1, len(metrics) == 1
    hues = {metric: colour(metric, i) for i, metric in enumerate(metrics)}
    estimates = [Estimate(_takeoff_name(t, alone, of_one), t.tokens, t.low, t.high, hues[t.metric]) for t in shown]
    with mpl.rc_context(STYLE):
        made, axes = figure(0.9 + 0.26 * len(shown))
        draw_tokens(axes, estimates)
        if of_one and not alone:
            axes.set_xlabel(f"training tokens at takeoff of {label(metric_words(metrics[0]))}")
        text = svg(made, "takeoffs")
    return text


def _takeoff_name(t: Transition, one_run: bool, one_metric: bool) -> str:
    """Return what tells a takeoff from the others: its metric, its run, or both."""
    where = f"{t.run}{' ' + t.group if t.group else ''}"
    name = metric_words(t.metric) if one_run else where if one_metric else f"{metric_words(t.metric)}, {where}"
    room = LETTERS - len(with_mark(" ", t.outcome)) + 1
    return with_mark(shortened(name, room), t.outcome)


def _lag_name(lag: Lag) -> str:
    name = f"{lag.run}{' ' + lag.group if lag.group else ''}: {lag.first} → {lag.second}".replace("_", " ")
    room = LETTERS - len(with_mark(" ", lag.outcome)) + 1  # the mark is never cut
    return with_mark(shortened(name, room), lag.outcome)


def _ratio(log_ratio: float | None) -> float | None:
    return None if log_ratio is None else math.exp(log_ratio)


class Estimate(NamedTuple):
    """A row of a forest plot; an open end is None, and drawn as an arrow."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    hue: str = SPARE[0]


def draw_ratios(axes: Axes, rows: Sequence[Estimate]) -> Axes:
    """Draw ratios with their intervals on a log axis, one row each, the first on top; 1 is a dashed line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    rows : sequence of Estimate
        Ratios, positive.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    left, right = min([*ends, 0.8]) / 1.25, max([*ends, 1.25]) * 1.25
    _forest(axes, rows, left, right)
    axes.axvline(1, color=INK, lw=0.8, ls=(0, (4, 3)))
    ticks = [t for t in (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100, 300) if left <= t <= right]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], minor=False)
    axes.minorticks_off()
    return axes


def draw_tokens(axes: Axes, rows: Sequence[Estimate], letters: int = LETTERS) -> Axes:
    """Draw times in tokens with their intervals on a log axis, one row each, the first on top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    rows : sequence of Estimate
        Times in tokens, positive.
    letters : int
        Longest text of a row.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    _forest(axes, rows, min(ends, default=1.0) / 1.25, max(ends, default=10.0) * 1.25, letters=letters)
    token_axis(axes)
    left, right = axes.get_xlim()
    if right / left < 200:  # powers of ten alone would leave an axis with one label or two
        from matplotlib.ticker import LogLocator

        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    return axes


def draw_shares(axes: Axes, rows: Sequence[Estimate]) -> Axes:
    """Draw numbers on a linear axis with their intervals, one row each, the first on top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    rows : sequence of Estimate
        Numbers of any sign.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    ends = [v for row in rows for v in (row.low, row.high, row.value) if v is not None]
    left, right = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.05 * (right - left or 1.0)
    _forest(axes, rows, left - margin, right + margin, "linear")
    return axes


def draw_bars(axes: Axes, names: Sequence[str], values: Array, xlabel: str) -> Axes:
    """Draw one number a row as horizontal bars, the first on top; the axis begins at 0.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    names : sequence of str
        Label of each row.
    values : array, shape (n,)
        Length of each bar.
    xlabel : str
        Label of the axis.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    axes.barh(range(len(names)), values, color=SPARE[0], alpha=0.75)
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(xlabel)
    return axes


def _forest(
    axes: Axes, rows: Sequence[Estimate], left: float, right: float, scale: str = "log", letters: int = LETTERS
) -> None:
    for i, row in enumerate(rows):
        low, high = left if row.low is None else row.low, right if row.high is None else row.high
        axes.plot([low, high], [i, i], color=row.hue, lw=3, alpha=0.7, solid_capstyle="butt")
        for end, given, marker in ((low, row.low, "<"), (high, row.high, ">")):
            if given is None:
                axes.plot([end], [i], marker, ms=8, color=row.hue, mec="none", clip_on=False)
        if row.value is not None:
            axes.plot([row.value], [i], "o", ms=6, color=row.hue, mec="none")
    axes.set_xscale(scale)
    axes.set_xlim(left, right)
    axes.set_yticks(range(len(rows)), [label(row.name, letters) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
