"""Pictures that commands write to a file: laws, roll-outs, power curves, the isoFLOP view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.files import replacing
from data.quantities import format_count
from phases.pictures import INK, SPARE, STYLE, figure
from scaling.detectable import Detectable
from scaling.loss.fit import LossFit
from scaling.loss.isoflop import curve, optimum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def check_picture(path: str | None) -> None:
    """Refuse a file that is no picture, before any work is done."""
    if path is not None and Path(path).suffix.lower() not in KINDS:
        raise UserError(f"--picture {path}: expected a name ending in {', '.join(KINDS)}")


def save(made: Figure | None, path: str, lacking: str) -> None:
    """Write a picture, whole or not at all; ``lacking`` says why there may be none."""
    import matplotlib as mpl

    check_picture(path)
    if made is None:
        raise UserError(f"--picture {path}: nothing to draw: {lacking}")
    with replacing(Path(path)) as partial, mpl.rc_context(STYLE):
        made.savefig(partial, format=Path(path).suffix[1:].lower(), dpi=150, facecolor="white", bbox_inches="tight")


def power_figure(found: Sequence[Detectable]) -> Figure:
    """Return the detectable ratio against seeds, a line for each number of checkpoints and concepts."""
    import matplotlib as mpl

    designs = sorted({(f.checkpoints, f.concepts) for f in found})
    shown = [d for d in designs if d[0] == d[1]] or designs
    with mpl.rc_context(STYLE):
        made, axes = figure(3.6)
        for i, (k, c) in enumerate(shown):
            rows = sorted((f for f in found if (f.checkpoints, f.concepts) == (k, c)), key=lambda f: f.seeds)
            x, y = [f.seeds for f in rows], [f.factor for f in rows]
            axes.plot(x, y, "o-", ms=4, color=SPARE[i % len(SPARE)], label=f"{k} checkpoints, {c} concepts")
        axes.set_xlabel("seeds a mix")
        axes.set_ylabel("smallest ratio of takeoffs detected")
        axes.axhline(1, color=INK, lw=0.6)
        axes.legend(fontsize=9)
    return made


def isoflop_figure(fitted: LossFit) -> Figure | None:
    """Return loss against size at equal FLOPs, with the optimum; the points coloured by their FLOPs."""
    import matplotlib as mpl

    if fitted.law != "chinchilla" or not fitted.parameters:
        return None
    points = fitted.points
    flops = 6 * points.n * points.d
    levels = np.geomspace(flops.min() * 1.2, flops.max(), 6)
    n = np.geomspace(points.n.min() / 2, points.n.max() * 2, 200)
    with mpl.rc_context(STYLE):
        made, axes = figure(4.2)
        colours = mpl.colormaps["viridis"]
        norm = mpl.colors.LogNorm(flops.min(), flops.max())
        axes.scatter(points.n, points.loss, c=flops, cmap=colours, norm=norm, s=9, lw=0)
        for level in levels:
            values = curve(fitted.parameters, level, n)
            inside = values < points.loss.max() * 1.02
            axes.plot(n[inside], values[inside], color=colours(norm(level)), lw=1.2)
        best = optimum(fitted.parameters, levels)[0]
        least = [float(curve(fitted.parameters, f, np.array([b]))[0]) for f, b in zip(levels, best, strict=True)]
        axes.plot(best, least, "o-", color=INK, ms=4, lw=0.9, label="least loss at equal FLOPs")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda v, _: format_count(v))
        axes.set_xlabel("parameters")
        axes.set_ylabel("held-out loss, nats a token")
        made.colorbar(mpl.cm.ScalarMappable(norm=norm, cmap=colours), ax=axes, label="FLOPs, 6 N D")
        axes.legend(fontsize=9)
    return made
