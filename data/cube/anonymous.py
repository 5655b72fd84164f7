"""A cube without what tells who made it, and where: the environment, absolute paths, addresses."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import xarray as xr

LEFT_OUT = "[left out]"
DROPPED = ("environment_json",)
"""Coordinates that are left out whole: packages, platform, processor, memory and commit of every process."""
_PATH = r"(?:~|[A-Za-z]:)?[/\\](?=[\w.~-])[^\"'\n#,;\]})|]*"
_START = r"(?:(?<=[\s\"'=(\[{:,])|^)"
PLACE = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'\]}})|,]+|[\w.+-]+@[\w.-]+\w(?::[^\s\"',]*)?|{_START}{_PATH}", re.MULTILINE
)


def anonymous(cube: xr.Dataset) -> xr.Dataset:
    """Return a cube without the environment its runs were made in, and without absolute paths and addresses.

    They are replaced by ``[left out]`` in all attributes and in the text of all variables, JSON and YAML too. Names
    of runs, relative paths and the rest of a study's text stay, and so do numbers.

    Parameters
    ----------
    cube : xarray.Dataset
        Is not changed.

    Examples
    --------
    >>> anonymous(xr.Dataset(attrs={"study_yaml": "text: {folder: /home/ada/corpus, size: 5M}"})).attrs["study_yaml"]
    'text: {folder: [left out], size: 5M}'
    """
    cube = cube.drop_vars(DROPPED, errors="ignore").copy()
    cube.attrs = {name: _without(value) for name, value in cube.attrs.items()}
    for name, variable in cube.variables.items():
        cleaned = variable.copy(deep=False)
        cleaned.attrs = {key: _without(value) for key, value in variable.attrs.items()}
        if variable.dtype.kind in "OUST" and variable.dims != (name,):
            values = [_without(value) for value in variable.values.ravel().tolist()]
            cleaned.values = np.array(values, object).reshape(variable.shape)
        cube[name] = cleaned
    return cube


def _without(value: Any) -> Any:
    """Return a value with its places left out; text that is JSON stays JSON."""
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            try:
                inside = json.loads(value)
            except ValueError:
                return PLACE.sub(LEFT_OUT, value)
            cleaned = _without(inside)
            return value if cleaned == inside else json.dumps(cleaned)
        return PLACE.sub(LEFT_OUT, value)
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items()}
    return [_without(inner) for inner in value] if isinstance(value, list) else value
