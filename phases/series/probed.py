"""At which checkpoints of a run a group of its cube has numbers, what these are called, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from calque.data.quantities import format_count
from calque.phases.series.axis import Array


def probed(group: xr.Dataset, variable: str, tokens: Array) -> list[int]:
    """Return the checkpoints that have numbers of a ``variable``, and a place in training.

    Parameters
    ----------
    group : xarray.Dataset
        Of one run.
    variable : str
    tokens : array, shape (checkpoint,)
        Of the run.
    """
    values = group[variable]
    there = values.notnull().any([dim for dim in values.dims if dim != "checkpoint"]).values
    return [int(i) for i in np.flatnonzero(there) if i < len(tokens) and np.isfinite(tokens[i])]


def named(tokens: Array) -> list[str]:
    """Return positions in ``tokens`` as names that differ."""
    names = [format_count(t) if t else "0" for t in tokens]
    return [n if names.count(n) == 1 else f"{t:g}" for n, t in zip(names, tokens, strict=True)]


def labels(group: xr.Dataset, dim: str) -> list[str]:
    """Return the names along a dimension ``dim`` of a ``group``."""
    return [f"{v:g}" if isinstance(v, float) else str(v) for v in group[dim].values.tolist()]


def numbers(values: xr.DataArray, *dims: str) -> Array:
    """Return ``values`` as floats with dimensions in the order of ``dims``."""
    return np.asarray(values.transpose(*dims), float)


def tokens_of(cube: xr.Dataset, run: int) -> Array:
    """Return the tokens of a ``cube``'s checkpoints, of the run at the position ``run``; NaN where there is none."""
    return np.asarray(cube["tokens"].transpose("run", "checkpoint").values[run], float)


def chosen(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return those of some ``names`` that are ``known``; where none is, the first that is known."""
    return [name for name in names if name in known] or list(known[:1])
