"""Heads in the report: maps of their scores at the last checkpoint, and what the heads of a type score in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from calque.phases.report.figures import SPARE, STYLE, label, svg, token_axis
from calque.phases.report.inside.cell_maps import LETTERS, draw_cells, grid
from calque.phases.results import Outcome, Transition
from calque.phases.series.axis import Array
from calque.phases.series.head_types import GROUP, last_probed, of_type
from calque.phases.series.probed import labels, numbers, probed
from calque.phases.wording import extent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RING = "#ff4d3d"


def head_maps(group: xr.Dataset, scores: Sequence[str], run: int) -> str:
    """Return the maps of the scores of a run's heads at its last checkpoint, the heads of each type in rings.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    scores : sequence of str
        Names; the run was probed for each.
    run : int
        Position of the run.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        made, axes = grid(len(scores))
        for one, name in zip(axes, scores, strict=True):
            values = numbers(group[name].isel(run=run, checkpoint=last_probed(group, name, run)), "layer", "head")
            draw_cells(one, values, labels(group, "layer"), labels(group, "head"), label(name, LETTERS))
            layers, heads = np.nonzero(of_type(group, name, run))
            one.plot(heads + 0.5, layers + 0.5, "o", ms=5, mfc="none", mec=RING, mew=1.2)
            one.set_xlabel("head", fontsize=8)
            one.set_ylabel("layer", fontsize=8)
        return svg(made, f"heads {group['run'].values[run]}")


def type_curves(
    group: xr.Dataset, scores: Sequence[str], run: int, tokens: Array, takeoffs: Sequence[Transition], scale: str
) -> str:
    """Return the mean score over the heads of each type in training, that over all others, and its takeoff.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    scores : sequence of str
        Names; the run has heads of each type.
    run : int
        Position of the run.
    tokens : array, shape (checkpoint,)
        Of the run.
    takeoffs : sequence of Transition
        Of the run; those of head types are drawn, as a line and the band of its interval.
    scale : {"log", "linear"}
        Axis of tokens.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    of_run = group.isel(run=run)
    with mpl.rc_context(STYLE):
        made, axes = grid(len(scores))
        for one, name in zip(axes, scores, strict=True):
            at = [i for i in probed(of_run, name, tokens) if scale == "linear" or tokens[i] > 0]
            values, chosen = numbers(of_run[name], "checkpoint", "layer", "head")[at], of_type(group, name, run)
            for of, colour, text in ((chosen, SPARE[0], "of the type"), (~chosen, "#888888", "other heads")):
                if of.any():
                    one.plot(tokens[at], np.nanmean(values[:, of], 1), "-o", ms=2.2, lw=1.4, color=colour, label=text)
            if scale == "log":
                one.set_xscale("log")
            for row in takeoffs:
                if (row.metric, row.estimand, row.group) == (f"{GROUP}/{name}_heads", "takeoff", "") and at:
                    place = extent(row.tokens, row.low, row.high, float(tokens[at[0]]), float(tokens[at[-1]]))
                    if place is not None:
                        one.axvspan(place.low, place.high, color=SPARE[0], alpha=0.15, lw=0)
                    if place is not None and place.at is not None:
                        one.axvline(place.at, color=SPARE[0], lw=1, ls="-" if row.outcome == Outcome.FOUND else ":")
            one.set_title(label(name, LETTERS), fontsize=8.5, loc="left")
            units = str(group[name].attrs.get("units", "1"))
            one.set_ylabel("score" if units == "1" else f"score, {label(units)}", fontsize=8)
            one.tick_params(labelsize=7.5)
            one.locator_params(axis="y", nbins=4)
            _few_tokens(one, scale)
        axes[0].legend(fontsize=7.5)
        return svg(made, f"head types {group['run'].values[run]}")


def _few_tokens(axes: Axes, scale: str) -> None:
    """Label a narrow axis of tokens with few numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    token_axis(axes)
    axes.xaxis.label.set_fontsize(8)
    axes.xaxis.set_major_locator(LogLocator(numticks=4) if scale == "log" else MaxNLocator(3))
