"""What netCDF can hold: names of variables, dimensions, attributes and groups, values of attributes, and types."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube.variable_checks import short
from calque.data.errors import UserError, shown

LONGEST = 256
"""Bytes of a name, in UTF-8."""
TAKEN = frozenset({
    "CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_NCProperties", "_Netcdf4Dimid", "_Netcdf4Coordinates",
    "_nc3_strict", "_FillValue",
})  # fmt: skip
"""Names of attributes that netCDF-4 itself writes."""
COMPUTED_WITH = ("scale_factor", "add_offset")
"""Attributes of variables by which readers change values: text in them makes a file that nobody can read."""


def check_writable(cube: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> None:
    """Refuse names, attributes and types that netCDF cannot hold.

    Parameters
    ----------
    cube : xarray.Dataset
        The root group.
    groups : mapping of str to xarray.Dataset
        Further groups, by name.

    Raises
    ------
    UserError
        Naming what cannot be written, why, and the remedy.
    """
    for name in groups:
        for word in name.split("/") if isinstance(name, str) else [name]:
            _check_name("group", word, "rename it")
    _check_dataset(cube, "")
    for name, group in groups.items():
        _check_dataset(group, f" of group {shown(name)}")


def _check_dataset(part: xr.Dataset, where: str) -> None:
    for dim in part.dims:
        _check_name("dimension", dim, "rename it with cube.rename", where)
    for name, variable in part.variables.items():
        _check_name("variable", name, "rename it with cube.rename", where)
        said, dtype = f"variable {shown(name)}{where}", variable.dtype
        if dtype.kind not in "iufbSUOMmT" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
            raise UserError(
                f"{said} has type {short(dtype)}, which netCDF cannot hold; expected text, or numbers of 32 or 64 "
                "bits: convert it with astype"
            )
        _check_attributes(variable.attrs, f" of {said}")
        for given in COMPUTED_WITH:
            if given in variable.attrs and np.asarray(variable.attrs[given]).dtype.kind not in "iuf":
                value = shown(variable.attrs[given])
                raise UserError(f"attribute '{given}' of {said} is {value}; expected a number: readers compute with it")
    _check_attributes(part.attrs, where)


def _check_attributes(attributes: Mapping[Any, Any], where: str) -> None:
    for name, value in attributes.items():
        _check_name("attribute", name, "rename or drop it", where)
        said = f"attribute {shown(name)}{where}"
        if name in TAKEN:
            raise UserError(f"{said} has a name that netCDF keeps for itself; expected another: rename or drop it")
        known = isinstance(value, str | bytes | int | float | list | tuple | np.generic | np.ndarray)
        array = np.asarray(value) if known else np.asarray(None)
        if array.ndim > 1 or array.dtype.kind not in "iufSU":
            raise UserError(
                f"{said} is {shown(value)}; expected text, a number or a list of these, which netCDF can hold: write "
                "it as text, such as JSON, or drop it"
            )


def _check_name(what: str, name: object, remedy: str, where: str = "") -> None:
    """Refuse a name by the rules of netCDF-4."""
    why = ""
    if not isinstance(name, str) or not name:
        why = "expected text of one letter or more"
    elif any(unicodedata.category(c) in ("Cc", "Cs") for c in name) or "/" in name:
        why = "netCDF allows no slash and no control characters"
    elif len(name.encode()) > LONGEST:
        why = f"netCDF allows {LONGEST} bytes"
    elif name != name.strip(" ") or (name[0].isascii() and not (name[0].isalnum() or name[0] == "_")):
        why = "expected a letter, a digit or _ first, and no space at the end"
    if why:
        raise UserError(f"{what} {shown(name)}{where} cannot be written: {why}; {remedy}")
