"""Reading one value for each run from a cube: sizes, mixes and other run coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError

SIZE = "n_params_non_embedding"
"""The run coordinate that all laws are in."""


def run_values(cube: xr.Dataset, name: str) -> NDArray[Any] | None:
    """Return one value for each run, or None where the cube has no such variable.

    A coordinate or a data variable will do. One value without dimension holds for every run, as in the cube of a single
    run.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run`` of length r.
    name : str
        A coordinate or variable.

    Returns
    -------
    array, shape (r,), or None

    Raises
    ------
    UserError
        When the variable has dimensions other than ``run``.
    """
    if name not in cube.variables:
        return None
    variable = cube[name]
    if variable.dims not in ((), ("run",)):
        dims = ", ".join(map(str, variable.dims))
        raise UserError(f"the cube's '{name}' has dimensions ({dims}); expected one value for each run, (run)")
    values: NDArray[Any] = np.broadcast_to(variable.values, (cube.sizes["run"],))
    return values


def run_labels(cube: xr.Dataset, name: str) -> list[str] | None:
    """Return one text for each run, or None where the cube has no such variable; see :func:`run_values`.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run`` of length r.
    name : str
        A coordinate or variable.
    """
    values = run_values(cube, name)
    return None if values is None else [str(value) for value in values]


def run_sizes(cube: xr.Dataset) -> NDArray[np.float64] | None:
    """Return the non-embedding parameters of each run, NaN where unknown, or None where the cube has none.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run`` of length r.

    Raises
    ------
    UserError
        When they are not numbers.
    """
    values = run_values(cube, SIZE)
    if values is None:
        return None
    if values.dtype.kind not in "iuf":
        raise UserError(f"the cube's '{SIZE}' has type {values.dtype}; expected numbers such as 17701376")
    return values.astype(float)
