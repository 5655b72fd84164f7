"""Datasets of single checkpoints as one group of a cube, and back: what a checkpoint lacks is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube.variables import missing_value

Row = xr.Dataset
"""Scores of one checkpoint, without the dimensions run and checkpoint."""


def joined_rows(rows: Sequence[Row | None], run: str, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return a group over (run, checkpoint, ...) of one run.

    Parameters
    ----------
    rows : sequence of xarray.Dataset or None
        Of the checkpoints in their order, with the same coordinates; None where there are no scores.
    run : str
        Name of the run.
    attrs : mapping
        Attributes of the group.

    Returns
    -------
    xarray.Dataset
        Where a row lacks a variable, it is missing there.
    """
    like = {str(name): v for row in rows if row is not None for name, v in row.data_vars.items()}
    variables: dict[str, Any] = {}
    for name, one in like.items():
        kind = np.dtype(object) if one.dtype.kind in "OUST" else one.dtype
        stacked = np.full((1, len(rows), *one.shape), missing_value(name, kind.kind), kind)
        for i, row in enumerate(rows):
            if row is not None and name in row:
                stacked[0, i, ...] = row[name].values
        variables[name] = (("run", "checkpoint", *one.dims), stacked, one.attrs)
    coords = {str(name): c for row in rows if row is not None for name, c in row.coords.items()}
    return xr.Dataset(variables, {"run": [run], "checkpoint": np.arange(len(rows)), **coords}, dict(attrs))


def parted_rows(group: xr.Dataset, present: str) -> list[Row | None]:
    """Return the rows of a group of one run, a checkpoint each; what is missing in a row is left out of it.

    Parameters
    ----------
    group : xarray.Dataset
        From :func:`joined_rows`.
    present : str
        Its text variable that is empty where there is no row.
    """
    rows: list[Row | None] = []
    for i in range(group.sizes["checkpoint"]):
        row = group.isel(run=0, checkpoint=i, drop=True).drop_vars("run", errors="ignore")
        kept = [name for name, v in row.data_vars.items() if v.dtype.kind != "f" or bool(v.notnull().any())]
        rows.append(row[kept] if str(row[present].item()) else None)
    return rows
