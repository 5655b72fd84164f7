"""What is told of runs beside their metrics: coordinates from columns, and from the runs' names by a pattern.

They bear the cube's own names (``size``, ``mix``, ``n_params_non_embedding``, ``init_seed`` ...) where they mean the
same, because ``detect``, ``pool`` and ``scaling`` look for these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from calque.data.cube.editing import with_run_coordinate
from calque.data.errors import UserError
from calque.data.quantities import parse_count
from calque.phases.formats.base import Log, brief
from calque.phases.formats.timeline import rows_by_run

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)?\}")
SIZE = r"[0-9]+(?:\.[0-9]+)?[kmbtKMBT]"
WHOLE = ("seed", "init_seed", "data_seed", "n_params", "n_params_non_embedding")
TEXTS = ("size", "mix", "template", "corpus", "run_id")
"""Coordinates that stay text even where they look like numbers."""
MOST = 8
NAMES = 500
"""Characters of a run's name that a pattern is held to."""


def of_rows(log: Log) -> dict[str, dict[str, str]]:
    """Return the value of each coordinate for every run, from the rows of a log.

    Parameters
    ----------
    log : Log
        With ``coordinates``.

    Raises
    ------
    UserError
        When a run has two values, or none.
    """
    out: dict[str, dict[str, str]] = {name: {} for name in log.coordinates}
    for rows in rows_by_run(log.run):
        run = str(log.run[rows[0]])
        for name, values in log.coordinates.items():
            found = list(dict.fromkeys(v for v in values[rows] if v))
            if len(found) != 1:
                what = f"'{brief(found[0])}' and '{brief(found[1])}'" if found else "no value"
                raise UserError(
                    f"`coord` {brief(name)}: run '{brief(run)}' has {what}; expected one value for each run: does the "
                    "column change in training, or are the runs told apart wrongly?"
                )
            out[name][run] = found[0]
    return out


def of_names(pattern: str, runs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the value of each coordinate for every run, from the names of the runs.

    Parameters
    ----------
    pattern : str
        The names with coordinates in braces, such as ``{size}-{mix}-s{seed}``; ``{}`` stands for anything.
    runs : sequence of str
        Names of the runs.

    Raises
    ------
    UserError
        When the pattern has no coordinate, or a run's name does not fit it.
    """
    names = [m[1] for m in PLACEHOLDER.finditer(pattern) if m[1]]
    count = len(PLACEHOLDER.findall(pattern))
    if not names or len(set(names)) < len(names) or count > MOST or re.search(r"\}\{", pattern):
        raise UserError(
            f"`run_pattern` is '{brief(pattern)}'; expected the runs' names with coordinates in braces, every one once "
            f"and with text between, at most {MOST}, such as '{{size}}-{{mix}}-s{{seed}}'"
        )
    expression = re.compile(_expression(pattern))
    out: dict[str, dict[str, str]] = {name: {} for name in names}
    for run in runs:
        found = expression.fullmatch(run) if len(run) <= NAMES else None
        if found is None:
            raise UserError(
                f"`run_pattern` is '{brief(pattern)}', which run '{brief(run)}' does not fit; expected one that all "
                "runs fit: size is a number with k, M, B or T, seed a whole number, {} stands for anything"
            )
        for name in names:
            out[name][run] = found[name]
    return out


def _expression(pattern: str) -> str:
    parts, end = [], 0
    for match in PLACEHOLDER.finditer(pattern):
        parts.append(re.escape(pattern[end : match.start()]))
        name = match[1]
        what = SIZE if name == "size" else "[0-9]+" if name in WHOLE else ".+?"
        parts.append(f"(?P<{name}>{what})" if name else ".*?")
        end = match.end()
    return "".join((*parts, re.escape(pattern[end:])))


def with_coordinates(cube: xr.Dataset, found: Mapping[str, Mapping[str, str]], notes: list[str]) -> xr.Dataset:
    """Return the cube with coordinates of its runs, and ``n_params`` where a size is a number of parameters.

    Parameters
    ----------
    cube : xarray.Dataset
        With a coordinate ``run``.
    found : mapping of str to mapping of str to str
        Value by run, by name of the coordinate.
    notes : list of str
        What was supposed; extended in place.

    Raises
    ------
    UserError
        When a name is taken, or a number of parameters is none.
    """
    runs = [str(run) for run in cube["run"].values]
    for name, values in found.items():
        cube = with_run_coordinate(cube, name, values)
        if name in TEXTS:
            cube = cube.assign_coords({name: ("run", np.array([values[run] for run in runs], object))})
        elif name.startswith("n_params") and (cube[name].dtype.kind not in "iuf" or float(cube[name].min()) < 1):
            raise UserError(f"`coord` {name} is '{brief(values[runs[0]])}' somewhere; expected numbers of parameters")
    if "size" in found and "n_params" not in found:
        kept = [name for name in ("n_params", "n_params_non_embedding") if name in cube.coords and name not in found]
        counts = [_parameters(found["size"][run]) for run in runs]
        if kept:
            notes.append(f"size is new, {' and '.join(kept)} as before: give them too if the runs are of another size")
        elif all(n is not None for n in counts):
            cube = with_run_coordinate(cube, "n_params", dict(zip(runs, counts, strict=True)))
            notes.append("n_params is the number that size names; scaling laws need n_params_non_embedding, too")
    return cube


def _parameters(word: str) -> int | None:
    if not re.fullmatch(SIZE, word.strip()):
        return None
    try:
        return int(parse_count(word))
    except ValueError:
        return None
