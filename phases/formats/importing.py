"""From a log of another tool to a cube: units, duplicates, ragged runs, kinds of metric."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.cube import ATTRIBUTES, SCHEMA, validate
from calque.data.errors import UserError, nearest
from calque.data.metrics import LOSSES
from calque.phases.formats.base import Array, Log, Request
from calque.phases.formats.doubts import doubts
from calque.phases.formats.registry import guess, read

DENSE = 1000
"""Checkpoints a run beyond which 'phases detect' takes minutes: its time grows with their square."""
RESERVED = {
    "run", "checkpoint", "trials", "size", "mix", "corpus", "n_params", "n_params_non_embedding", "init_seed",
    "data_seed", "run_id", "config_json", "language", "source", "target", "concept", "phenomenon",
} | set(ATTRIBUTES) - set(LOSSES)  # fmt: skip
"""Names that mean something else in a cube."""


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
    percent: tuple[str, ...] = (),
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

    Raises
    ------
    UserError
        When the log cannot be read, its axis is in steps and nothing turns them into tokens, one place has two
        values, or a name means something else in a cube.
    """
    for option, given in (("continuous", continuous), ("percent", percent)):
        for name in given:
            if name not in request.metrics:
                raise UserError(f"`{option}` has '{name}'; expected one of `metric`" + nearest(name, request.metrics))
    for name in set(continuous) & set(percent):
        raise UserError(f"`continuous` and `percent` have '{name}'; a percentage is a proportion: give one of them")
    names = variable_names(request.metrics)
    chosen = format or guess(request.path)
    log = read(chosen, request)
    tokens, step = axis(log, request)
    rows = _merged(log, tokens, step, request.path)
    rows = rows[rows.groupby("order").cumcount() % every == 0].reset_index(drop=True)
    most = int(rows.groupby("order").size().max())
    notes = log.notes
    if most > DENSE:
        thin = -(-most // DENSE) * every
        slow = f"{most} checkpoints a run are many: 'phases detect' may take hours"
        notes += (f"{slow}; import with every = {thin} to keep fewer",)
    for metric in percent:
        rows[f"value{request.metrics.index(metric)}"] = _shares(rows, request, metric)
    cube = _cube(log, rows, names, frozenset(continuous) | log.continuous, request.path)
    notes += doubts(cube, frozenset(names[m] for m in continuous) | frozenset(names[m] for m in log.continuous))
    options = {
        "tokens": request.tokens, "tokens_per_step": request.tokens_per_step, "trials": request.trials,
        "run": request.run, "checkpoint": request.checkpoint.pattern if request.checkpoint else None,
        "metrics": list(request.metrics), "continuous": list(continuous), "percent": list(percent),
        "every": every if every > 1 else None,
    }  # fmt: skip
    cube.attrs = {
        "calque_schema": SCHEMA, "imported_from": request.path.resolve().name, "imported_format": chosen,
        "import_options": json.dumps({k: v for k, v in options.items() if v not in (None, [])}),
    }  # fmt: skip
    if notes:
        cube.attrs["import_notes"] = "; ".join(notes)
    return Imported(cube=validate(cube, str(request.path)), format=chosen, guessed=format is None, notes=notes)


def _shares(rows: pd.DataFrame, request: Request, metric: str) -> pd.Series:
    """Return a metric in percent as proportions."""
    values = rows[f"value{request.metrics.index(metric)}"]
    if values.min() < 0 or values.max() > 100:
        bad = values.min() if values.min() < 0 else values.max()
        raise UserError(f"{request.path}: '{metric}' holds {bad:.6g}; expected percentages from 0 to 100")
    return values / 100


def variable_names(metrics: tuple[str, ...]) -> dict[str, str]:
    """Return the name of each metric in the cube: netCDF allows no slash, so ``task/acc`` becomes ``task.acc``.

    Parameters
    ----------
    metrics : tuple of str
        Names in the log.

    Returns
    -------
    dict of str to str
        Name in the cube by name in the log.

    Raises
    ------
    UserError
        When a name is reserved, or two metrics would have one name.
    """
    out: dict[str, str] = {}
    for metric in metrics:
        name = re.sub(r"[\x00-\x1f\x7f]", "_", metric.strip().replace("/", "."))
        name = name if re.match(r"[A-Za-z0-9_]|[^\x00-\x7f]", name) else f"_{name}"
        if name in RESERVED:
            raise UserError(f"metric column '{metric}' has a reserved name; rename it where it is logged")
        twin = next((m for m, n in out.items() if n == name and m != metric), None)
        if twin is not None:
            raise UserError(f"metrics '{twin}' and '{metric}' would both be called '{name}'; import them apart")
        out[metric] = name
    return out


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


def _merged(log: Log, tokens: Array, step: Array | None, path: Path) -> pd.DataFrame:
    """Return one row for every run and place, sorted by both; the columns are numbered as the metrics are."""
    if np.any(tokens < 0):
        at = int(np.flatnonzero(tokens < 0)[0])
        raise UserError(f"{path}: run '{log.run[at]}' stands at {tokens[at]:.15g} tokens; expected 0 or more")
    data: dict[str, Any] = {"run": log.run, "tokens": tokens}
    if step is not None:
        data["step"] = step
    for i, metric in enumerate(log.values):
        data[f"value{i}"] = log.values[metric]
        data[f"trials{i}"] = np.broadcast_to(log.trials.get(metric, np.nan), tokens.shape)
    rows = pd.DataFrame(data)
    keys = ["run", "tokens"]
    twice = rows.duplicated(keys, keep=False)
    if twice.any() and not log.merge:
        first = rows[rows.duplicated(keys)].iloc[0]
        raise UserError(
            f"{path}: run '{first['run']}' has two rows at {first['tokens']:.15g} tokens; expected one: name the runs "
            "with `run`, or drop one"
        )
    if twice.any():
        for i, metric in enumerate(log.values):
            clash = rows[twice].groupby(keys)[f"value{i}"].nunique() > 1
            if clash.any():
                run, place = clash.index[int(np.flatnonzero(clash)[0])]
                raise UserError(
                    f"{path}: run '{run}' has two values of '{metric}' at {place:.15g} tokens; expected one: tell the "
                    "runs apart, or give `tokens_per_step` if the tokens are rounded"
                )
    order = {name: i for i, name in enumerate(dict.fromkeys(log.run))}
    rows = rows.groupby(keys, sort=False).first().reset_index()
    return rows.assign(order=rows["run"].map(order)).sort_values(["order", "tokens"], ignore_index=True)


def _cube(log: Log, rows: pd.DataFrame, names: dict[str, str], continuous: frozenset[str], path: Path) -> xr.Dataset:
    runs = list(dict.fromkeys(rows["run"]))
    i = rows["order"].to_numpy(int)
    k = rows.groupby("order").cumcount().to_numpy(int)
    width = int(k.max()) + 1

    def grid(column: str) -> xr.DataArray:
        values = np.full((len(runs), width), np.nan)
        values[i, k] = rows[column].to_numpy(float)
        return xr.DataArray(values, dims=("run", "checkpoint"))

    cube = xr.Dataset({"tokens": grid("tokens")}, coords={"run": [str(r) for r in runs]})
    if "step" in rows:
        cube["step"] = grid("step")
    arrays = [t for t in log.trials.values() if not isinstance(t, float)]
    shared = len(log.trials) == len(names) and all(t is arrays[0] for t in arrays) if arrays else False
    for j, (metric, name) in enumerate(names.items()):
        values = grid(f"value{j}")
        share = bool(values.notnull().any()) and float(values.min()) >= 0 and float(values.max()) <= 1
        trials = None if metric in continuous else log.trials.get(metric)
        if metric in continuous:
            kind = "continuous"
        else:
            kind = "proportion" if share else "continuous" if trials is None else "count"
        values.attrs = {"metric_kind": kind, "long_name": f"{metric} of {path.name}"}
        if isinstance(trials, float):
            values.attrs["trials"] = trials
        elif trials is not None:
            values.attrs["trials"] = "trials" if shared else f"{name}.trials"
            cube[values.attrs["trials"]] = grid(f"trials{j}")
        if kind == "count":
            _check_counts(values, grid(f"trials{j}"), metric, path)
        cube[name] = values
    return cube


def _check_counts(values: xr.DataArray, trials: xr.DataArray, metric: str, path: Path) -> None:
    wrong = (values < 0) | (values > trials) | (abs(values - values.round()) > 1e-6)
    if bool(wrong.any()):
        bad = float(values.where(wrong).max())
        n = float(trials.where(wrong).max())
        raise UserError(
            f"{path}: '{metric}' holds {bad:.6g} with {n:.6g} trials; expected whole counts from 0 to the trials, or "
            "proportions from 0 to 1 (`percent` for percentages), or `continuous` for a metric that is no count"
        )
