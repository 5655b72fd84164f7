"""Scores of heads as rows, a table of the highest, and a map of layers and heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.data.quantities import format_count, plural
from calque.data.result import check_backend
from calque.models.components.heads import STATISTICS
from calque.models.probing.one_model import ABOUT

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN = 5
"""Heads of a probe that a table shows."""
COLUMNS = ("score", *STATISTICS)


def rows_of(scores: xr.Dataset, probes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row a probe and head, as JSON-ready values.

    Parameters
    ----------
    scores : xarray.Dataset
        Over (layer, head).
    probes : sequence of str
        Names of scores (``calque.models.config.probes.scores_of_heads``).
    """
    for probe in probes:
        columns = {c: scores[probe if c == "score" else f"{probe}_{c}"].values for c in COLUMNS}
        for at in np.ndindex(scores.sizes["layer"], scores.sizes["head"]):
            yield {"probe": probe, "layer": at[0], "head": at[1], **{c: float(v[at]) for c, v in columns.items()}}


def highest(scores: xr.Dataset, probes: Sequence[str], where: str) -> list[RenderableType]:
    """Return a table of the highest heads of each probe, and how many are above their control, a line each.

    Parameters
    ----------
    scores : xarray.Dataset
        Over (layer, head).
    probes : sequence of str
        Names of scores.
    where : str
        Of which checkpoint they are.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"highest heads{where}", title_justify="left")
    for column in (
        "probe",
        "layer",
        "head",
        "score",
        f"{scores.attrs['level']:.0%} interval",
        "control",
        "p",
        "p adjusted",
    ):
        table.add_column(column, justify="left" if column == "probe" else "right")
    lines: list[RenderableType] = []
    for probe in probes:
        rows = sorted(rows_of(scores, [probe]), key=lambda row: -row["score"])
        for row in rows[:SHOWN]:
            interval = f"{row['low']:.3f} to {row['high']:.3f}"
            table.add_row(
                probe, str(row["layer"]), str(row["head"]), f"{row['score']:.3f}", interval, f"{row['control']:.3f}",
                f"{row['p_value']:.2g}", f"{row['p_adjusted']:.2g}",
            )  # fmt: skip
        count, alpha = len(rows), 1 - scores.attrs["level"]
        found = sum(row["p_adjusted"] < alpha for row in rows)
        lines.append(Text(f"{probe}: {format_count(found)} of {plural(count, 'head')} above the control "
                          f"({ABOUT[probe].control}; adjusted p below {alpha:.2g})"))  # fmt: skip
    note = "Score and interval are of other prompts than control and p."
    return [table, *lines, Text(note)]


def head_map(scores: xr.Dataset, probe: str, ax: Any, backend: str) -> Any:
    """Draw the score of every head as a map of layers and heads.

    Parameters
    ----------
    scores : xarray.Dataset
        Over (layer, head).
    probe : str
        Its name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when None.
    backend : {"matplotlib", "hvplot"}
        Of the picture.

    Raises
    ------
    UserError
        When the probe was not asked for, or the back end is none.
    """
    check_backend(backend)
    if probe not in scores:
        raise UserError(f"`probe` is '{probe}'; expected one of {', '.join(p for p in ABOUT if p in scores)}")
    if backend == "hvplot":
        import hvplot.xarray  # noqa: F401

        return scores[probe].hvplot.heatmap(x="head", y="layer", C=probe, title=ABOUT[probe].about)
    import matplotlib.pyplot as plt

    axes = plt.subplots()[1] if ax is None else ax
    low, high = (None, None) if ABOUT[probe].units == "nat" else (-1.0, 1.0)
    low = 0.0 if ABOUT[probe].kind == "proportion" else low
    image = axes.imshow(scores[probe].values, origin="lower", aspect="auto", vmin=low, vmax=high)
    axes.set(xlabel="head", ylabel="layer", title=ABOUT[probe].about)
    axes.figure.colorbar(image, ax=axes, label=probe)
    return axes
