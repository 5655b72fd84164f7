"""Cubes joined and edited: the function behind ``phases edit``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from calque.data.arguments import checked, pairs
from calque.data.command_line.naming import named
from calque.data.cube.editing import (
    distinct_names,
    flagged,
    rename_runs,
    without_checkpoints,
)
from calque.data.cube.joining import as_long, concat, concat_groups
from calque.data.cube.run_table import run_table
from calque.data.cube.source import CubeLike, HoldsCube, as_cube, groups_of
from calque.data.errors import UserError, nearest
from calque.data.quantities import format_count, plural
from calque.data.result import Result, Rows, check_backend
from calque.phases.api.arguments import several
from calque.phases.formats.coordinates import of_names, with_coordinates

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

SHORT = 24
"""Characters of a coordinate that a table has room for."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EditedCube(Result):
    """A cube made of others; every function that takes a cube takes this result.

    Attributes
    ----------
    cube : xarray.Dataset
        Schema 1.
    groups : mapping of str to xarray.Dataset
        Its groups, such as ``timing``; :func:`calque.write` writes them too.
    notes : tuple of str
        What was left out.
    """

    cube: xr.Dataset
    groups: Mapping[str, xr.Dataset]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases edit --json`` writes, but for the cube's path."""
        coordinates = [str(n) for n, c in self.cube.coords.items() if c.dims == ("run",) and n != "run"]
        short = [n for n in coordinates if all(len(str(value)) <= SHORT for value in self.cube[n].values)]
        rows = []
        for i, run in enumerate(self.cube["run"].values):
            tokens = self.cube["tokens"].transpose("run", "checkpoint").values[i].astype(float)
            tokens = tokens[np.isfinite(tokens)]
            rows.append({
                "run": str(run), "checkpoints": len(tokens), "first_tokens": float(tokens[0]),
                "last_tokens": float(tokens[-1]), **{name: self.cube[name].values[i].item()
                if isinstance(self.cube[name].values[i], np.generic) else self.cube[name].values[i] for name in short},
            })  # fmt: skip
        return {"schema": 1, "cube": None, "runs": rows, "groups": sorted(self.groups), "notes": list(self.notes)}

    def tables(self) -> dict[str, Rows]:
        """Return ``runs``: name, checkpoints, range in tokens and coordinates of every run."""
        return {"runs": Rows(self.to_dict()["runs"], ("run",))}

    def to_xarray(self) -> xr.Dataset:
        """Return the cube."""
        return self.cube

    def renderables(self) -> Sequence[RenderableType]:
        """Return a table of the runs, and the notes."""
        from rich.table import Table
        from rich.text import Text

        rows = self.to_dict()["runs"]
        shown = ("run", "checkpoints", "first_tokens", "last_tokens")
        more = [name for name in rows[0] if name not in shown]
        table = Table("run", "checkpoints", "from", "to", *more)
        for row in rows:
            values = [str(row["checkpoints"]), format_count(row["first_tokens"]), format_count(row["last_tokens"])]
            table.add_row(str(row["run"]), *values, *(_plain(row[name]) for name in more))
        return [table, *(Text(f"note: {note}") for note in named(self.notes))]

    def plot(self, metric: str | None = None, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one metric over tokens, a line a run.

        Parameters
        ----------
        metric : str, optional
            As ``ds.calque.plot`` takes it; the first that the cube holds when None.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay

        Raises
        ------
        UserError
            For a metric that the cube does not hold.
        """
        from calque.phases.api.rates import plot_rates, rates
        from calque.phases.series.metrics import trajectories

        check_backend(backend)
        name = metric if metric is not None else trajectories(self.cube)[0].metric
        return plot_rates(rates(self.cube, name, "run", 0.95), name, ax, backend)


@checked
def edit(
    cubes: CubeLike | Sequence[CubeLike], *, run: str | Sequence[str] | None = None,
    names_from_files: bool = False, rename: str | Sequence[str] | Mapping[str, str] | None = None,
    coord: str | Sequence[str] | Mapping[str, Any] | None = None, coords: str | Path | pd.DataFrame | None = None,
    run_pattern: str | None = None, drop: str | Sequence[str] | None = None,
) -> EditedCube:  # fmt: skip
    """Join cubes, rename runs, add coordinates, leave out flagged checkpoints.

    Parameters
    ----------
    cubes : xarray.Dataset, path, result with a cube, or several in a list
        They are joined in this order along ``run``; groups such as ``timing`` are joined too.
    run : str or sequence of str, optional
        Runs to keep, by their names in the result; all when None.
    names_from_files : bool
        Name every run after its file: ``a/results.nc`` and ``b/results.nc`` give ``a`` and ``b``, with the run's own
        name behind a slash where a file has several.
    rename : mapping, or str or sequence of str, optional
        New names of runs, such as ``{"base": "first"}`` or ``"base=first"``.
    coord : mapping, or str or sequence of str, optional
        Coordinates of runs: ``{"mix": "uniform"}`` or ``"mix=uniform"`` holds for all of them, ``{"seed": {"first": 1,
        "second": 2}}`` names each.
    coords : path or pandas.DataFrame, optional
        The same as a table (CSV) with a column ``run``, and one for every coordinate.
    run_pattern : str, optional
        The same from the names that the runs have in the result, such as ``{size}-{mix}-s{seed}``.
    drop : str or sequence of str, optional
        Leave out checkpoints with these flags: ``duplicate_weights``, ``outlier``, ``not_finite``.

    Returns
    -------
    EditedCube

    Raises
    ------
    UserError
        When a cube cannot be read, a run occurs twice or is unknown, or a coordinate lacks a run.
    """
    given = _listed(cubes)
    parts, groups = [as_cube(one)[0] for one in given], [groups_of(one) for one in given]
    if names_from_files:
        labels = _labels(given, parts)
        parts = [rename_runs(part, names) for part, names in zip(parts, labels, strict=True)]
    notes: list[str] = []
    joined = _joined(given, parts, notes)
    united, apart = concat_groups(parts, groups, joined)
    notes += [f"group {name} is left out: its runs or checkpoints are not those of the cube" for name in apart]
    names = _by_name(rename, "rename")
    drops = several(drop, "drop") or ()
    left_out = flagged(joined, drops)
    if drops:
        notes.append(_left_out(joined, left_out, drops))
        if left_out.all(1).any():
            gone = str(joined["run"].values[int(left_out.all(1).argmax())])
            raise UserError(f"`drop` leaves no checkpoint of run '{gone}'; leave that run out with `run`")

    def edited(data: xr.Dataset) -> xr.Dataset:
        if "run" not in data.dims:
            return data
        data = rename_runs(without_checkpoints(data, left_out), names)
        kept = several(run, "run")
        return data if kept is None else data.sel(run=[_known(one, data) for one in kept])

    cube = edited(joined)
    cube = with_coordinates(cube, _coordinates(coord, coords, run_pattern, cube, notes), notes)
    if several(run, "run") is not None:
        cube = cube.isel(checkpoint=cube["tokens"].notnull().any("run"))
        united = {name: as_long(edited(group), cube) for name, group in united.items()}
    else:
        united = {name: edited(group) for name, group in united.items()}
    return EditedCube(cube=as_cube(cube)[0], groups=united, notes=tuple(notes))


def _plain(value: object) -> str:
    """Return a coordinate as a person writes it: 3 for 3.0, nothing for NaN."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.12g}"
    return str(value)


def _listed(cubes: CubeLike | Sequence[CubeLike]) -> list[CubeLike]:
    if isinstance(cubes, str | os.PathLike | xr.Dataset | HoldsCube):
        return [cubes]
    if not isinstance(cubes, Sequence) or not cubes:
        raise UserError("`cubes` holds no cube; expected one or several, such as [first, second]")
    return list(cubes)


def _labels(given: list[CubeLike], parts: list[xr.Dataset]) -> list[dict[str, str]]:
    if not all(isinstance(one, str | os.PathLike) for one in given):
        raise UserError("`names_from_files` goes with paths; give datasets names with `rename`")
    labels = []
    for stem, part in zip(distinct_names([Path(one) for one in given]), parts, strict=True):  # type: ignore[arg-type]
        runs = [str(run) for run in part["run"].values]
        labels.append({run: stem if len(runs) == 1 else f"{stem}/{run}" for run in runs})
    return labels


def _joined(given: list[CubeLike], parts: list[xr.Dataset], notes: list[str]) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    seen: dict[str, CubeLike] = {}
    for one, part in zip(given, parts, strict=True):
        for run in map(str, part["run"].values):
            if run in seen:
                where = [str(o) if isinstance(o, str | os.PathLike) else "a dataset" for o in (seen[run], one)]
                raise UserError(
                    f"run '{run}' is in {where[0]} and in {where[1]}; expected every run once: use `names_from_files`, "
                    "or rename it in one of them first"
                )
            seen[run] = one
    joined = concat(parts)
    lost = sorted({str(key) for part in parts for key in part.attrs} - set(joined.attrs))
    if lost:
        notes.append(f"the cubes differ in these attributes, which the joined cube lacks: {', '.join(lost)}")
    absent = [str(n) for n in joined.data_vars if not all(n in part.variables for part in parts)]
    if absent:
        notes.append(f"missing in some of the cubes, and so in their runs: {', '.join(absent)}")
    return joined


def _left_out(cube: xr.Dataset, left_out: np.ndarray, drops: Sequence[str]) -> str:
    counts = {str(run): int(n) for run, n in zip(cube["run"].values, left_out.sum(1), strict=True) if n}
    told = ", ".join(f"{run} {n}" for run, n in list(counts.items())[:8]) + (", ..." if len(counts) > 8 else "")
    return f"{plural(int(left_out.sum()), 'checkpoint')} left out, flagged {' or '.join(drops)}" + (
        f": {told}" if told else ""
    )


def _known(run: str, cube: xr.Dataset) -> str:
    runs = [str(name) for name in cube["run"].values]
    if run not in runs:
        raise UserError(f"`run` is '{run}'; the cube has {', '.join(runs[:6])}" + nearest(run, runs))
    return run


def _by_name(given: str | Sequence[str] | Mapping[str, Any] | None, parameter: str) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return {str(key): value for key, value in given.items()}
    found: dict[str, Any] = {}
    for word in pairs(given or (), parameter):
        name, equals, value = word.rpartition("=") if parameter == "rename" else word.partition("=")
        if not (name and equals and value):
            raise UserError(f"`{parameter}` is '{word}'; expected NAME=VALUE")
        if name in found:
            raise UserError(f"`{parameter}` names '{name}' twice; expected it once")
        found[name] = value
    return found


def _coordinates(
    coord: str | Sequence[str] | Mapping[str, Any] | None, table: str | Path | pd.DataFrame | None,
    pattern: str | None, cube: xr.Dataset, notes: list[str],
) -> dict[str, dict[str, str]]:  # fmt: skip
    """Return the value of each coordinate for every run, from all that names some."""
    runs = [str(run) for run in cube["run"].values]
    told: dict[str, dict[str, dict[str, str]]] = {"coord": {}, "coords": {}, "run_pattern": {}}
    for name, value in _by_name(coord, "coord").items():
        by_run = value if isinstance(value, Mapping) else dict.fromkeys(runs, value)
        told["coord"][name] = {str(run): str(one) for run, one in by_run.items()}
    if table is not None:
        told["coords"], unknown = run_table(table, runs)
        if unknown:
            notes.append(f"the table of coordinates names runs that the cube does not have: {', '.join(unknown[:6])}")
    if pattern is not None:
        told["run_pattern"] = of_names(pattern, runs)
    found: dict[str, dict[str, str]] = {}
    source: dict[str, str] = {}
    for parameter, columns in told.items():
        for name, values in columns.items():
            if name in found:
                raise UserError(
                    f"coordinate '{name}' is in `{source[name]}` and in `{parameter}`; expected one of them"
                )
            found[name], source[name] = values, parameter
    return found
