"""Ablations in the report: layer swaps, components whose update is scaled, the change of a loss by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from calque.phases.report.figures import SPARE, STYLE, label, svg
from calque.phases.report.inside.cell_maps import LETTERS, draw_cells, grid
from calque.phases.series.axis import Array
from calque.phases.series.probed import labels, named, numbers, probed

NAMED = len(SPARE)
"""Components that have a colour: those whose update matters most."""
BLOCK = re.compile(r"block\.(\d+)\.")
"""Beginning of a component's name that is part of a block."""


def swap_maps(group: xr.Dataset, measures: Sequence[str], run: int, tokens: Array) -> str:
    """Return the scores of hybrids by donor and host, a map for each measure and range of blocks.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``ablations`` of a cube.
    measures : sequence of str
    run : int
        Position of the run.
    tokens : array, shape (checkpoint,)
        Of the run.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    of_run, ranges = group.isel(run=run), labels(group, "range")
    at = probed(of_run, "swaps", tokens)
    with mpl.rc_context(STYLE):
        made, axes = grid(len(measures) * len(ranges))
        for row, measure in enumerate(measures):
            beside = axes[row * len(ranges) : (row + 1) * len(ranges)]
            whole = numbers(of_run["swaps"].sel(measure=measure), "range", "donor", "checkpoint")[:, :, at]
            limits = float(np.nanmin(whole)), float(np.nanmax(whole))
            for one, values, name in zip(beside, whole, ranges, strict=True):
                title = label(f"{measure}, {name}", LETTERS)
                draw_cells(one, values, labels(group, "donor"), named(tokens[at]), title, limits=limits)
                one.set_xlabel("host, training tokens", fontsize=8)
        return svg(made, f"swaps {group['run'].values[run]}")


def scaling_curves(group: xr.Dataset, measures: Sequence[str], run: int, tokens: Array) -> str:
    """Return the change of each measure over the factor of a component's update, a line a component.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``ablations`` of a cube.
    measures : sequence of str
    run : int
        Position of the run.
    tokens : array, shape (checkpoint,)
        Of the run.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    of_run, names = group.isel(run=run), labels(group, "component")
    at = of_run.isel(checkpoint=probed(of_run, "scaling_change", tokens)[-1])
    factors = np.asarray(group["factor"], float)
    order = np.argsort(factors)
    with mpl.rc_context(STYLE):
        made, axes = grid(len(measures), 3.0)
        for one, measure in zip(axes, measures, strict=True):
            change, low, high = (
                numbers(at[f"scaling_change{end}"].sel(measure=measure), "component", "factor")[:, order]
                for end in ("", "_low", "_high")
            )
            strongest = np.argsort(-np.nan_to_num(np.abs(change)).max(1), kind="stable")
            for place in strongest[NAMED:]:
                one.plot(factors[order], change[place], lw=0.8, color="#888888", alpha=0.6)
            for place, colour in zip(strongest, SPARE, strict=False):
                one.fill_between(factors[order], low[place], high[place], color=colour, alpha=0.12, lw=0)
                one.plot(factors[order], change[place], "-o", ms=2.5, lw=1.3, color=colour, label=label(names[place]))
            one.axhline(0.0, lw=0.6, color="#888888")
            one.set_title(f"{label(measure, LETTERS)}: change", fontsize=8.5, loc="left")
            one.set_xlabel("factor of the update", fontsize=8)
            one.tick_params(labelsize=7.5)
            one.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1.0)
        return svg(made, f"scaling {group['run'].values[run]}")


def allocation_maps(group: xr.Dataset, run: int, tokens: Array) -> str:
    """Return the change of each loss by layer and checkpoint, attention and MLP of a layer together.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``ablations`` of a cube.
    run : int
        Position of the run.
    tokens : array, shape (checkpoint,)
        Of the run.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    of_run, losses = group.isel(run=run), labels(group, "loss")
    at = probed(of_run, "allocation", tokens)
    with mpl.rc_context(STYLE):
        made, axes = grid(len(losses))
        for one, loss in zip(axes, losses, strict=True):
            values = numbers(of_run["allocation"].sel(loss=loss), "component", "checkpoint")[:, at]
            rows, parts = by_layer(values, labels(group, "component"))
            draw_cells(one, parts, rows, named(tokens[at]), f"{label(loss, LETTERS)}, nat", around=0.0)
            one.set_xlabel("training tokens", fontsize=8)
        return svg(made, f"allocation {group['run'].values[run]}")


def by_layer(values: Array, names: Sequence[str]) -> tuple[list[str], Array]:
    """Return parts by layer, and by what is in no layer, in the order of the model.

    Parameters
    ----------
    values : array, shape (components, checkpoints)
    names : sequence of str
        Of components, such as ``embedding`` and ``block.0.attention``.

    Returns
    -------
    rows : list of str
        Their names.
    parts : array, shape (rows, checkpoints)
        Sums over the components of each.
    """
    of = [f"layer {found[1]}" if (found := BLOCK.match(name)) else name for name in names]
    rows = list(dict.fromkeys(of))
    return rows, np.stack([values[[one == row for one in of]].sum(0) for row in rows])
