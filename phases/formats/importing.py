"""From a log of another tool to a cube: units, runs and positions, kinds of metric, coordinates."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.cube import SCHEMA, validate
from calque.data.errors import UserError, nearest
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, brief
from calque.phases.formats.coordinates import of_names, of_rows, with_coordinates
from calque.phases.formats.dataset import check_runs, dataset, merged, variable_names
from calque.phases.formats.doubts import doubts
from calque.phases.formats.registry import guess, read
from calque.phases.formats.timeline import settle
from calque.phases.series.metric_series import variable
from calque.phases.series.names import by_written_names
from calque.phases.series.parts import Group
from calque.phases.series.prepared import prepared
from calque.phases.series.trajectory import Trajectory

FEW = 2
"""Runs of one checkpoint beyond which something else than runs may have been told apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A cube, and how it was imported.

    Attributes
    ----------
    cube : xarray.Dataset
        Schema 1.
    format : str
        What the log was read as.
    guessed : bool
        Whether the format was guessed from the path.
    notes : tuple of str
        What was left out, merged or supposed.
    """

    cube: xr.Dataset
    format: str
    guessed: bool
    notes: tuple[str, ...]


def import_log(
    request: Request, format: str | None = None, continuous: tuple[str, ...] = (), every: int = 1,
    percent: tuple[str, ...] = (), run_pattern: str | None = None,
) -> Imported:  # fmt: skip
    """Return the cube of a log.

    Parameters
    ----------
    request : Request
        What to read.
    format : str, optional
        A name of ``calque.phases.formats.registry.FORMATS``; guessed from the path when None.
    continuous : tuple of str
        Metrics that are no proportion although their values lie between 0 and 1.
    percent : tuple of str
        Metrics in percent, which become proportions.
    every : int
        Keep one checkpoint of each run in this many, beginning with the first.
    run_pattern : str, optional
        The runs' names with coordinates in braces.

    Raises
    ------
    UserError
        When the log cannot be read, its axis is in steps and nothing turns them into tokens, positions fall, one place
        has two values, or a name means something else in a cube.
    """
    for option, given in (("continuous", continuous), ("percent", percent)):
        for name in given:
            if name not in request.metrics:
                raise UserError(f"`{option}` has '{name}'; expected one of `metric`" + nearest(name, request.metrics))
    for name in set(continuous) & set(percent):
        raise UserError(f"`continuous` and `percent` have '{name}'; a percentage is a proportion: give one of them")
    names = variable_names(request.metrics)
    chosen = format or guess(request.path)
    log = settle(read(chosen, request), request)
    runs = list(dict.fromkeys(map(str, log.run)))
    check_runs(runs, request.path)
    notes = list(log.notes)
    tokens, step = axis(log, request)
    rows, twice = merged(log, tokens, step, request.path)
    if twice:
        same = plural(twice, "row")
        notes.append(f"{same} with the position and the values of another one of the run: one of each is kept")
    rows = rows[rows.groupby("order").cumcount() % every == 0].reset_index(drop=True)
    notes += _of_runs(rows)
    for metric in percent:
        rows[f"value{request.metrics.index(metric)}"] = _shares(rows, request, metric)
    is_continuous = frozenset(continuous) | log.continuous
    cube = dataset(log, rows, names, is_continuous, request.path)
    notes += doubts(cube, frozenset(names[m] for m in is_continuous), notes)
    notes += prepared(_series(cube))[1]
    coordinates = of_rows(log)
    for name, values in of_names(run_pattern, runs).items() if run_pattern else ():
        if name in coordinates:
            raise UserError(f"coordinate '{brief(name)}' is in `coord` and in `run_pattern`; give it in one of them")
        coordinates[name] = values
    cube = with_coordinates(cube, coordinates, notes)
    notes = list(dict.fromkeys(notes))
    options = {
        "tokens": request.tokens, "tokens_per_step": request.tokens_per_step, "trials": request.trials,
        "run": request.run, "checkpoint": request.checkpoint.pattern if request.checkpoint else None,
        "metrics": list(request.metrics), "continuous": list(continuous), "percent": list(percent),
        "every": every if every > 1 else None, "shots": request.shots, "join": request.join or None,
        "unsorted": request.unsorted or None, "coord": dict(request.coord) or None, "run_pattern": run_pattern,
    }  # fmt: skip
    cube.attrs = {
        "calque_schema": SCHEMA, "imported_from": request.path.resolve().name, "imported_format": chosen,
        "import_options": json.dumps({k: v for k, v in options.items() if v not in (None, [])}),
    }  # fmt: skip
    if notes:
        cube.attrs["import_notes"] = "; ".join(notes)
    return Imported(
        cube=validate(cube, str(request.path)), format=chosen, guessed=format is None, notes=tuple(notes)
    )  # fmt: skip


def _series(cube: xr.Dataset) -> list[Trajectory]:
    """Return the series of an imported cube, by run."""
    cube = by_written_names(cube)
    names = [str(name) for name, values in cube.data_vars.items() if "metric_kind" in values.attrs]
    runs = [cube.isel(run=i) for i in range(cube.sizes["run"])]
    return [
        variable(one, str(one["run"].item()), np.asarray(one["tokens"], float), Group(), name)
        for one in runs
        for name in names
    ]


def _of_runs(rows: pd.DataFrame) -> list[str]:
    """Return a note on many runs with one checkpoint."""
    notes = []
    sizes = rows.groupby("order").size()
    ones = int((sizes == 1).sum())
    if ones > FEW and ones > len(sizes) / 2:
        notes.append(
            f"{ones} of {plural(len(sizes), 'run')} have one checkpoint: are they checkpoints of fewer runs? then "
            "something in their names, such as a date, was taken for the name of a run"
        )
    return notes


def _shares(rows: pd.DataFrame, request: Request, metric: str) -> pd.Series:
    """Return a metric in percent as proportions."""
    values = rows[f"value{request.metrics.index(metric)}"]
    if values.notna().any() and values.min() >= 0 and values.max() <= 1:
        raise UserError(
            f"{brief(str(request.path), 100)}: '{metric}' lies between {values.min():.6g} and {values.max():.6g}; "
            "expected percentages from 0 to 100: it seems to be a proportion already, so leave `percent` out"
        )
    wrong = (values < 0) | (values > 100)
    if wrong.any():
        row = rows[wrong].iloc[0]
        raise UserError(
            f"{brief(str(request.path), 80)}: '{brief(metric)}' of run '{brief(str(row['run']), 40)}' at "
            f"{row['tokens']:.10g} tokens is {values[wrong].iloc[0]:.6g}; expected percentages from 0 to 100"
        )
    return values / 100


def axis(log: Log, request: Request) -> tuple[Array, Array | None]:
    """Return tokens, and steps where they are known.

    Parameters
    ----------
    log : Log
        The rows.
    request : Request
        What was read.

    Returns
    -------
    tuple of array, shape (n,), and array or None
        Tokens, and optimizer steps where they are known.

    Raises
    ------
    UserError
        When the log counts steps and ``tokens_per_step`` is not given.
    """
    if request.tokens_per_step is not None:
        return log.place * request.tokens_per_step, log.place
    if log.in_steps:
        what = f"column '{request.tokens}'" if request.tokens else "the log"
        raise UserError(
            f"{request.path}: {what} counts steps, not tokens; give `tokens_per_step` (batch size x context "
            "length), or 1 as `tokens_per_step` to keep steps as the axis"
        )
    return log.place, log.step
