"""What ablations change, as rows and as short tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from calque.models.ablations.settings import OUTSIDE

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN = 8
"""Rows of a probe that a table shows: the largest changes."""
COMPARED = {
    "score": "", "low": "_low", "high": "_high", "control": "_control", "p_value": "_p_value",
    "p_adjusted": "_p_adjusted",
}  # fmt: skip
SHAPES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "head_ablation": (
        ("repeating",),
        {"score": "", "low": "_low", "high": "_high", "control": "_control", "p_value": "_p_value"},
    ),
    "part_ablation": (("part", "layer", "measure"), COMPARED),
    "co_ablation": (("layer", "head", "measure"), COMPARED),
    "scaling": (
        ("component", "factor", "measure"),
        {"score": "", "change": "_change", "low": "_change_low", "high": "_change_high"},
    ),
    "allocation": (("component", "loss"), {"score": "", "low": "_low", "high": "_high"}),
    "swaps": (
        ("donor", "range", "measure"),
        {"score": "", "change": "_interaction", "low": "_interaction_low", "high": "_interaction_high"},
    ),
}  # fmt: skip
"""By probe: dimensions of its rows, and columns with the ends of the names of their variables."""
TITLES = {
    "head_ablation": "repeating without the heads of the highest prefix matching: change, and that by as many others",
    "part_ablation": "answers without a part of a block: largest changes, and those by the same part of other blocks",
    "co_ablation": "further loss by a head once the strongest are gone: largest, and that beside other heads at random",
    "scaling": "a component's update since the first checkpoint scaled: largest changes of the score",
    "allocation": "change of a loss since the compared checkpoint before: largest parts, nats",
    "swaps": "blocks of a donor in a host: largest interactions (hybrid and counterpart minus host and donor)",
}


def instead_note(instead: str) -> list[str]:
    """Return what a person should know of what taken-away parts give ``instead``: a line, or none."""
    return [f"`instead` is 'zero': {OUTSIDE}"] if instead == "zero" else []


def ablation_rows(group: xr.Dataset, revisions: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    """Yield a row a probe, checkpoint and cell, as JSON-ready values; what is missing is left out.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``ablations`` of one run.
    revisions : sequence of str or None
        Names of its checkpoints; of swaps they are the hosts.
    """
    for probe, (dims, columns) in SHAPES.items():
        if probe not in group:
            continue
        values = {
            column: group[f"{probe}{end}"].isel(run=0).transpose("checkpoint", *dims).values.astype(float)
            for column, end in columns.items() if f"{probe}{end}" in group
        }  # fmt: skip
        labels = [[str(v) if isinstance(v, str) else v for v in group[dim].values.tolist()] for dim in dims]
        for c, revision in enumerate(revisions):
            for place in product(*(range(len(of)) for of in labels)):
                row = {column: float(v[(c, *place)]) for column, v in values.items()}
                if not np.isfinite(row["score"]):
                    continue
                named = {dim: labels[d][i] for d, (dim, i) in enumerate(zip(dims, place, strict=True))}
                plain = {name: value if np.isfinite(value) else None for name, value in row.items()}
                yield {"probe": probe, "checkpoint": revision, **named, **plain}


def ablation_tables(rows: Sequence[dict[str, Any]]) -> list[RenderableType]:
    """Return a table a probe with its largest changes.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`ablation_rows`.
    """
    from rich.table import Table

    tables: list[RenderableType] = []
    for probe, (dims, columns) in SHAPES.items():
        mine = [
            row for row in rows
            if row["probe"] == probe and row.get("change", 0) is not None and row.get("donor", "") != row["checkpoint"]
        ]  # fmt: skip
        if not mine:
            continue
        if probe == "allocation":
            mine = sorted(mine, key=lambda row: -abs(row["score"]))[:SHOWN]
        elif probe != "head_ablation":
            mine = sorted((r for r in mine if r["measure"] in ("translation", "copying")),
                          key=lambda row: -abs(row.get("change", row["score"])))[:SHOWN]  # fmt: skip
        else:
            mine = mine[-2:]
        table = Table(title=TITLES[probe], title_justify="left")
        shown = [c for c in columns if c not in ("low", "high")]
        at = ["host" if probe == "swaps" else "checkpoint"] if mine and mine[0]["checkpoint"] is not None else []
        for column in (*at, *dims, *shown, "interval"):
            table.add_column(column, justify="left" if column in (*at, *dims) else "right")
        for row in mine:
            interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
            table.add_row(
                *([str(row["checkpoint"])] if at else []), *(str(row[dim]) for dim in dims),
                *("" if row[c] is None else f"{row[c]:.3g}" for c in shown), interval,
            )  # fmt: skip
        tables.append(table)
    return tables
