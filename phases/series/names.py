"""Names of metrics as the tool wrote them, ``eval/acc``, where the file's variable is called ``eval.acc``.

netCDF allows no slash in a name, so an import keeps the written one as an attribute. Both are accepted wherever a
metric is named; shown is the written one.
"""

from __future__ import annotations

import xarray as xr

WRITTEN = "written_name"
"""Attribute of a variable: the metric's name as the tool wrote it."""


def by_written_names(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube in memory with variables under the names that their metrics were written with.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube; one that was imported has written names.
    """
    new = {name: written_name(cube, str(name)) for name, v in cube.data_vars.items() if WRITTEN in v.attrs}
    new = {old: name for old, name in new.items() if name not in cube.variables}
    return cube.rename(new) if len(set(new.values())) == len(new) and new else cube


def written_name(cube: xr.Dataset, name: str) -> str:
    """Return the name that a metric was written with.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube.
    name : str
        The written name, or that of the file's variable.
    """
    if name in cube.data_vars:
        return str(cube[name].attrs.get(WRITTEN, name))
    dotted = name.replace("/", ".")
    same = [v for v in cube.data_vars.values() if str(v.attrs.get(WRITTEN, "")).replace("/", ".") == dotted]
    return str(same[0].attrs[WRITTEN]) if len(same) == 1 else name
