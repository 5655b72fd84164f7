"""The isoFLOP view of a fitted law of loss, from what ``scaling loss --json`` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.data.quantities import format_count
from calque.phases.report.figures import INK, STYLE, figure, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST, LOSS = "least loss at equal FLOPs", "held-out loss, nats a token"


def isoflop_figure(loss: dict[str, Any]) -> Figure | None:
    """Return loss against size at equal FLOPs, with the optima; the points coloured by their FLOPs.

    Parameters
    ----------
    loss : dict
        Its ``isoflop``.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no Chinchilla law was fitted.
    """
    import matplotlib as mpl

    if not loss.get("isoflop"):
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(4.2)
        draw_isoflop(axes, loss["isoflop"])
    return made


def draw_isoflop(axes: Axes, view: dict[str, Any]) -> Axes:
    """Draw what :func:`isoflop_figure` shows, with a bar of colours beside it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    view : dict
        ``points``, ``curves`` and ``optima``, the JSON's ``isoflop``.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    import matplotlib as mpl

    points, curves, optima = view["points"], view["curves"], view["optima"]
    flops = points["flops"]
    colours = mpl.colormaps["viridis"]
    norm = mpl.colors.LogNorm(min(flops), max(flops))
    axes.scatter(points["n"], points["loss"], c=flops, cmap=colours, norm=norm, s=9, lw=0)
    for row in curves:
        axes.plot(row["n"], row["loss"], color=colours(norm(row["flops"])), lw=1.2)
    axes.plot([row["n"] for row in optima], [row["loss"] for row in optima], "o-", color=INK, ms=4, lw=0.9, label=LEAST)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: format_count(v))
    axes.set_xlabel("parameters")
    axes.set_ylabel(LOSS)
    axes.figure.colorbar(mpl.cm.ScalarMappable(norm=norm, cmap=colours), ax=axes, label="FLOPs, 6 N D")
    axes.legend(fontsize=9)
    return axes


def loss_svgs(loss: dict[str, Any]) -> list[str]:
    """Return the isoFLOP picture as SVG; an empty list where no Chinchilla law was fitted.

    Parameters
    ----------
    loss : dict
        What ``scaling loss --json`` wrote.

    Returns
    -------
    list of str
        SVG elements.
    """
    made = isoflop_figure(loss)
    return [] if made is None else [svg(made, "isoflop")]
