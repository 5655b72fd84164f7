"""Pictures of what a study can detect, from what ``scaling power --json`` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.phases.report.figures import INK, SPARE, STYLE, figure, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    found = power.get("rows") or []
    if not found:
        return None
    designs = sorted({(row["checkpoints"], row["concepts"]) for row in found})
    shown = [d for d in designs if d[0] == d[1]] or designs
    with mpl.rc_context(STYLE):
        made, axes = figure(3.6)
        for i, design in enumerate(shown):
            rows = sorted(
                (r for r in found if (r["checkpoints"], r["concepts"]) == design), key=lambda row: row["seeds"]
            )
            axes.plot(
                [row["seeds"] for row in rows], [row["factor"] for row in rows], "o-", ms=4,
                color=SPARE[i % len(SPARE)], label=f"{design[0]} checkpoints, {design[1]} concepts",
            )  # fmt: skip
        axes.set_xlabel("seeds a mix")
        axes.set_ylabel("smallest ratio of takeoffs detected")
        axes.axhline(1, color=INK, lw=0.6)
        if power.get("target"):
            axes.axhline(power["target"], color=INK, lw=0.8, ls=(0, (4, 3)))
            axes.annotate(
                f"asked for: {power['target']:g}", (1, power["target"]), xycoords=("axes fraction", "data"),
                ha="right", va="bottom", fontsize=9,
            )  # fmt: skip
        axes.legend(fontsize=9)
    return made


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
