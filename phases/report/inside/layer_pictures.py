"""Layers in the report: what can be read at each depth in training, above its control."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from calque.phases.report.figures import STYLE, label, svg
from calque.phases.report.inside.cell_maps import LETTERS, draw_cells, grid
from calque.phases.series.axis import Array
from calque.phases.series.probed import labels, named, numbers, probed


def depth_maps(group: xr.Dataset, scores: Sequence[str], run: int, tokens: Array) -> str:
    """Return maps of depth by checkpoint of what each score has above its control, one a score.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    scores : sequence of str
        Names; the run was probed for each.
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

    of_run = group.isel(run=run)
    with mpl.rc_context(STYLE):
        made, axes = grid(len(scores))
        for one, name in zip(axes, scores, strict=True):
            at = probed(of_run, name, tokens)
            above = numbers(of_run[name] - of_run[f"{name}_control"], "depth", "checkpoint")[:, at]
            units = str(group[name].attrs.get("units", "1"))
            title = label(name, LETTERS) + ("" if units == "1" else f", {label(units)}")
            draw_cells(one, above, labels(group, "depth"), named(tokens[at]), title, around=0.0)
            one.set_ylabel("depth", fontsize=8)
            one.set_xlabel("training tokens", fontsize=8)
        return svg(made, f"layers {group['run'].values[run]}")
