"""The style of all pictures: colours, figures, SVG, the axis of tokens.

Text and axes of an SVG take the page's own colour (``currentColor``) and its ground is transparent, so that a picture
reads in a light and in a dark page alike.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calque.data.metrics import COLOURS
from calque.data.quantities import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPARE = ("#7a6ff0", "#2aa198", "#b0641d", "#6d8a1f", "#c04fc0", "#58739b")
FURTHER = ("#2f86e0", "#d58a00", "#d6456b", "#444444", "#00a5d8", "#8f1d3f", "#3c7d3c", "#e08b8b", "#9a7b2f")
INK = "#010203"
"""Placeholder for the page's text colour until the SVG is written."""
STYLE: Any = {
    "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "text.color": INK, "axes.grid": False,
    "axes.linewidth": 0.7, "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none",
}  # fmt: skip


LETTERS = 48
"""Longest text of a label in a picture."""


def label(name: str, most: int = LETTERS) -> str:
    """Return a name as text of a picture: spaces for underscores, no formula between dollar signs, not too long.

    Parameters
    ----------
    name : str
        Of a metric or a run.
    most : int
        Letters; of a longer name the beginning and the end are shown, in which names of runs differ.
    """
    return shortened(name, most).replace("_", " ").replace("$", r"\$")


def shortened(name: str, most: int) -> str:
    """Return a ``name`` in at most so many letters (``most``): where it is longer, its beginning and its end."""
    tail = max(0, most // 3)
    return name if len(name) <= most else f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def colour(metric: str, order: int = 0) -> str:
    """Return the colour of a metric; metrics without a colour of their own take spare ones in order.

    Parameters
    ----------
    metric : str
        Name of the metric.
    order : int
        Index of the spare colour.

    Returns
    -------
    str
        ``#rrggbb``.
    """
    return COLOURS.get(metric, SPARE[order % len(SPARE)])


def hues(n: int) -> list[str]:
    """Return ``n`` colours of which no two are the same: the spare ones, then more, then steps of a colour map.

    Parameters
    ----------
    n : int
        Number of lines.

    Returns
    -------
    list of str
        ``#rrggbb``.
    """
    if n <= len(SPARE) + len(FURTHER):
        return [*SPARE, *FURTHER][:n]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["turbo"](i / (n - 1))) for i in range(n)]


def svg(figure: Figure, salt: str) -> str:
    """Return a figure as an SVG element whose identifiers are unique on the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    salt : str
        A name that no other picture of the page has.

    Returns
    -------
    str
        The element, without height and width.
    """
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
    """Return an empty figure in the page's style, outside pyplot's registry.

    Parameters
    ----------
    height : float
        Inches.
    width : float
        Inches.

    Returns
    -------
    tuple of matplotlib.figure.Figure and matplotlib.axes.Axes
        The figure and its only axes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as MplFigure

    with mpl.rc_context(STYLE):
        made = MplFigure(figsize=(width, height), layout="constrained")
        axes = made.subplots()
    return made, axes


def figures(height: float, ratios: Sequence[float], width: float = 8.6) -> tuple[Figure, Sequence[Axes]]:
    """Return an empty figure in the page's style with several axes beside each other.

    Parameters
    ----------
    height : float
        Inches.
    ratios : sequence of float
        Widths of the axes, relative to each other.
    width : float
        Inches.

    Returns
    -------
    tuple of matplotlib.figure.Figure and sequence of matplotlib.axes.Axes
        The figure and its axes, from left to right.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as MplFigure

    with mpl.rc_context(STYLE):
        made = MplFigure(figsize=(width, height), layout="constrained")
        return made, list(made.subplots(1, len(ratios), width_ratios=list(ratios)))


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


def token_axis(axes: Axes) -> None:
    """Format and label the horizontal axis as training tokens.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes to change.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v) if v > 0 else "0"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("training tokens")
