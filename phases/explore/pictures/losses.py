"""Losses over training, against size at equal FLOPs, and how fast training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from calque.data.quantities import format_count
from calque.phases.explore.pictures.colours import dash, palette
from calque.phases.explore.pictures.figure import count_ticks, frame, legend, reach, source, tips, token_ticks
from calque.phases.report.isoflop import IsoFlopProfile
from calque.phases.series.axis import Array

MARKED = 9


def lines_picture(
    pieces: Mapping[str, Sequence[pd.DataFrame]], title: str, xlabel: str, ylabel: str,
    rows: Sequence[tuple[str, str]], *, log: bool, height: int = 360, ordered: bool = False, plain: bool = False,
) -> Any:  # fmt: skip
    """Return lines over tokens or FLOPs.

    Parameters
    ----------
    pieces : mapping of str to frames
        Lines by the label of their colour: ``x``, ``y``, and what tooltips show.
    title, xlabel, ylabel : str
        Text.
    rows : sequence of (label, column)
        Of the tooltips.
    log : bool
        Whether the axis of x is logarithmic.
    height : int
        In pixels.
    ordered : bool
        Whether the labels are ordered.
    plain : bool
        Whether x is FLOPs, marked by Bokeh, rather than tokens.

    Returns
    -------
    bokeh.plotting.figure
    """
    x = reach([frame_["x"].to_numpy() for of in pieces.values() for frame_ in of], log)
    made = frame(title, xlabel, ylabel, height=height, logx=log, x=x)
    if not plain:
        token_ticks(made.xaxis)
    hues = palette(list(pieces), ordered)
    entries: dict[str, list[Any]] = {}
    for i, (label, of) in enumerate(pieces.items()):
        gaps = [part for frame_ in of for part in (frame_, frame_.tail(1).assign(x=np.nan, y=np.nan))][:-1]
        joined = pd.concat(gaps, ignore_index=True)
        data = source({str(name): joined[name].to_numpy() for name in joined})
        style = {"line_color": hues[label], "line_dash": dash(i), "line_width": 1.5}
        entries[label] = [made.line("x", "y", source=data, **style)]
    tips(made, [one for drawn in entries.values() for one in drawn], rows)
    legend(made, entries)
    return made


def profile_picture(found: Sequence[IsoFlopProfile], runs: Sequence[str], unit: str) -> Any:
    """Return loss against size at equal FLOPs, with the lowest points.

    Parameters
    ----------
    found : sequence of IsoFlopProfile
        One line each.
    runs : sequence of str
        Names of the runs that they were read of.
    unit : str
        Label of the loss.

    Returns
    -------
    bokeh.plotting.figure
    """
    sizes: Array = np.unique(np.concatenate([profile.n for profile in found]))
    made = frame(
        "loss against size at equal FLOPs", "non-embedding parameters", unit, height=360, logx=True,
        x=reach([np.array([sizes[0] / 1.3, sizes[-1] * 1.3])], log=True, room=0),
    )  # fmt: skip
    if len(sizes) <= MARKED:
        count_ticks(made.xaxis, sizes.tolist())
    else:
        token_ticks(made.xaxis)
    labels = [f"{p.flops:.2g} FLOPs" for p in found]
    hues = palette(labels, ordered=True)
    entries: dict[str, list[Any]] = {}
    best: dict[str, list[Any]] = {name: [] for name in ("n", "loss", "level", "lowest")}
    points = []
    for label, profile in zip(labels, found, strict=True):
        data = pd.DataFrame({"n": profile.n, "loss": profile.loss, "run": [runs[i] for i in profile.run]})
        means = data.groupby("n", as_index=False)["loss"].mean()
        line = made.line(means["n"].to_numpy(), means["loss"].to_numpy(), line_color=hues[label], line_width=1.6)
        columns = {"n": data["n"].to_numpy(), "loss": data["loss"].to_numpy(), "run": data["run"].to_numpy(),
                   "level": np.repeat(np.array([label], object), len(data))}  # fmt: skip
        points.append(made.scatter("n", "loss", source=source(columns), color=hues[label], size=6))
        entries[label] = [line, points[-1]]
        if profile.best_n is not None:
            row = (profile.best_n, profile.best_loss, label, format_count(profile.best_n))
            for name, value in zip(best, row, strict=True):
                best[name].append(value)
    tips(made, points, [("run", "run"), ("", "level"), ("loss", "loss{0.0000}")])
    if best["n"]:
        marks = made.scatter("n", "loss", source=source(best), color="#1d2430", marker="diamond", size=11)
        tips(made, [marks], [("lowest at", "lowest"), ("", "level"), ("loss", "loss{0.0000}")])
        entries["lowest"] = [marks]
    legend(made, entries)
    return made
