"""Pictures of what a study can detect, from what ``scaling power --json`` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.data.quantities import plural
from calque.phases.report.figures import INK, SPARE, STYLE, figure, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEEDS, RATIO = "seeds a mix", "smallest ratio of takeoffs detected"


def power_figure(power: dict[str, Any]) -> Figure | None:
    """Return the detectable ratio against seeds, a line for each number of checkpoints and concepts.

    Parameters
    ----------
    power : dict
        What ``scaling power --json`` wrote.

    Returns
    -------
    matplotlib.figure.Figure or None
        The picture; None where there is no design.
    """
    import matplotlib as mpl

    if not power.get("rows"):
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(3.6)
        draw_power(axes, power)
    return made


def power_lines(power: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the designs that are drawn, by what each is called, with its rows by ascending seeds.

    Parameters
    ----------
    power : dict
        Its ``rows``.
    """
    found = power["rows"]
    designs = sorted({(row["checkpoints"], row["concepts"]) for row in found})
    shown = [d for d in designs if d[0] == d[1]] or designs
    return {
        f"{plural(design[0], 'checkpoint')}, {plural(design[1], 'concept')}": sorted(
            (r for r in found if (r["checkpoints"], r["concepts"]) == design), key=lambda row: row["seeds"]
        )
        for design in shown
    }


def draw_power(axes: Axes, power: dict[str, Any]) -> Axes:
    """Draw what :func:`power_figure` shows.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    power : dict
        Its ``rows`` and ``target``.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    for i, (design, rows) in enumerate(power_lines(power).items()):
        axes.plot(
            [row["seeds"] for row in rows], [row["factor"] for row in rows], "o-", ms=4,
            color=SPARE[i % len(SPARE)], label=design,
        )  # fmt: skip
    axes.set_xlabel(SEEDS)
    axes.set_ylabel(RATIO)
    axes.axhline(1, color=INK, lw=0.6)
    if power.get("target"):
        axes.axhline(power["target"], color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.annotate(
            f"asked for: {power['target']:g}", (1, power["target"]), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=9,
        )  # fmt: skip
    axes.legend(fontsize=9)
    return axes


def power_svgs(power: dict[str, Any]) -> list[str]:
    """Return the picture of the detectable ratio as SVG; an empty list where there is no design.

    Parameters
    ----------
    power : dict
        What ``scaling power --json`` wrote.

    Returns
    -------
    list of str
        SVG elements.
    """
    made = power_figure(power)
    return [] if made is None else [svg(made, "power")]
