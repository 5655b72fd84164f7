"""The dataset of a log: one row for every run and position, names that netCDF allows, and what kind a metric is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data.cube import ATTRIBUTES
from calque.data.errors import UserError
from calque.data.metrics import LOSSES
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, brief
from calque.phases.series.names import WRITTEN

RESERVED = {
    "run", "checkpoint", "trials", "size", "mix", "corpus", "n_params", "n_params_non_embedding", "init_seed",
    "data_seed", "run_id", "config_json", "language", "source", "target", "concept", "phenomenon",
} | set(ATTRIBUTES) - set(LOSSES)  # fmt: skip
"""Names that mean something else in a cube."""
LONGEST = 200
"""Bytes of a variable's name; netCDF allows 256."""
CELLS = 50_000_000
"""Cells of all variables together: about what 400 MB hold."""


def merged(log: Log, tokens: Array, step: Array | None, path: Path) -> tuple[pd.DataFrame, int]:
    """Return one row for every run and place, sorted by both; the columns are numbered as the metrics are.

    Rows at one place are parts of one checkpoint where none contradicts another. Of rows that are equal in everything
    one is kept.

    Parameters
    ----------
    log : Log
        With positions that rise.
    tokens : array, shape (n,)
        Training tokens of its rows.
    step : array, shape (n,), optional
        Optimizer steps of its rows.
    path : Path
        What is imported.

    Returns
    -------
    tuple of pandas.DataFrame and int
        Columns ``run``, ``order`` (of the runs), ``tokens``, perhaps ``step``; by metric ``value0``, ``trials0`` ...;
        and how many rows were equal to another one.

    Raises
    ------
    UserError
        When one place has two values.
    """
    where = brief(str(path), 100)
    if np.any(tokens < 0):
        at = int(np.flatnonzero(tokens < 0)[0])
        raise UserError(f"{where}: run '{brief(log.run[at])}' stands at {tokens[at]:.15g} tokens; expected 0 or more")
    if not np.isfinite(tokens).all():
        run = brief(str(log.run[int(np.flatnonzero(~np.isfinite(tokens))[0])]))
        raise UserError(
            f"{where}: a position of run '{run}' is too large for a number of tokens; expected less than 1e308"
        )
    data: dict[str, Any] = {"run": log.run, "tokens": tokens}
    if step is not None:
        data["step"] = step
    for i, metric in enumerate(log.values):
        data[f"value{i}"] = log.values[metric]
        trials = np.broadcast_to(log.trials.get(metric, np.nan), tokens.shape)
        data[f"trials{i}"] = np.where(np.isfinite(log.values[metric]), trials, np.nan)
    rows = pd.DataFrame(data)
    equal = rows.duplicated()
    rows = rows[~equal]
    keys = ["run", "tokens"]
    twice = rows.duplicated(keys, keep=False)
    for i, metric in enumerate(log.values) if twice.any() else ():
        found = rows[twice].groupby(keys)[f"value{i}"].agg(["count", "nunique"])
        clash = found["nunique"] > 1 if log.merge else found["count"] > 1
        if clash.any():
            run, place = clash.index[int(np.flatnonzero(clash)[0])]
            what = f"values of '{brief(metric)}'" if log.merge else "rows"
            remedy = (
                "tell the runs apart, or give `tokens_per_step` if the tokens are rounded"
                if log.merge else "name the runs with `run`, or drop one"
            )  # fmt: skip
            raise UserError(
                f"{where}: run '{brief(str(run))}' has two {what} at {place:.15g} tokens; expected one: {remedy}"
            )
    order = {name: i for i, name in enumerate(dict.fromkeys(log.run))}
    rows = rows.groupby(keys, sort=False).first().reset_index() if twice.any() else rows
    rows = rows.assign(order=rows["run"].map(order)).sort_values(["order", "tokens"], ignore_index=True)
    return rows, int(equal.sum())


def variable_names(metrics: tuple[str, ...]) -> dict[str, str]:
    """Return the name of each metric in the cube: netCDF allows no slash, so ``task/acc`` becomes ``task.acc``.

    The attribute ``written_name`` keeps the name as it was written, and both are accepted wherever a metric is named.

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
        if len(name.encode("utf-8", "replace")) > LONGEST or not is_text(name):
            raise UserError(
                f"metric '{brief(metric)}' has a name that netCDF cannot hold; rename it where it is logged"
            )
        twin = next((m for m, n in out.items() if n == name and m != metric), None)
        if twin is not None:
            both = f"'{brief(twin)}' and '{brief(metric)}'"
            raise UserError(f"metrics {both} would both be called '{brief(name)}'; import them apart")
        out[metric] = name
    return out


def is_text(name: str) -> bool:
    """Return whether a name can be written: no control characters, no halves of characters."""
    return not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def check_runs(names: Sequence[str], path: Path) -> None:
    """Refuse names of runs that cannot be written.

    Parameters
    ----------
    names : sequence of str
        Names of runs.
    path : Path
        What is imported.

    Raises
    ------
    UserError
        For an empty name, and one with control characters or halves of characters.
    """
    for name in names:
        if not name.strip() or not is_text(name):
            raise UserError(
                f"{brief(str(path), 100)}: a run is called '{brief(name)}'; expected one without control characters: "
                "rename it where it is logged"
            )


def dataset(
    log: Log, rows: pd.DataFrame, names: dict[str, str], continuous: frozenset[str], path: Path
) -> xr.Dataset:  # fmt: skip
    """Return the variables of a cube.

    Parameters
    ----------
    log : Log
        What was read.
    rows : pandas.DataFrame
        As :func:`merged` returns them.
    names : dict of str to str
        Name in the cube by name in the log.
    continuous : frozenset of str
        Metrics that are no proportions.
    path : Path
        What is imported.

    Returns
    -------
    xarray.Dataset
        ``tokens``, perhaps ``step``, and the metrics with their kinds and trials.

    Raises
    ------
    UserError
        When it would be too large, or trials or counts are none.
    """
    runs = list(dict.fromkeys(rows["run"]))
    i = rows["order"].to_numpy(int)
    k = rows.groupby("order").cumcount().to_numpy(int)
    width = int(k.max()) + 1
    if len(runs) * width * (2 + 2 * len(names)) > CELLS:
        raise UserError(
            f"{brief(str(path), 100)}: {plural(len(runs), 'run')} of up to "
            f"{plural(width, 'checkpoint is', 'checkpoints are')} too many for one cube; keep "
            "fewer checkpoints with `every`, or import fewer runs at once"
        )

    def grid(column: str) -> xr.DataArray:
        values = np.full((len(runs), width), np.nan)
        values[i, k] = rows[column].to_numpy(float)
        return xr.DataArray(values, dims=("run", "checkpoint"))

    cube = xr.Dataset({"tokens": grid("tokens")}, coords={"run": [str(r) for r in runs]})
    if "step" in rows:
        cube["step"] = grid("step")
    columns = [j for j, m in enumerate(names) if m not in continuous and not isinstance(log.trials.get(m, 0.0), float)]
    several = [rows[f"trials{j}"].to_numpy(float) for j in columns] if len(columns) == len(names) else []
    shared = _shared(several)
    if shared is not None:
        rows = rows.assign(trials=shared)
        cube["trials"] = grid("trials")
    for j, (metric, name) in enumerate(names.items()):
        values = grid(f"value{j}")
        share = bool(values.notnull().any()) and float(values.min()) >= 0 and float(values.max()) <= 1
        trials = None if metric in continuous else log.trials.get(metric)
        if metric in continuous:
            kind = "continuous"
        else:
            kind = "proportion" if share else "continuous" if trials is None else "count"
        values.attrs = {"metric_kind": kind, "long_name": f"{metric} of {path.name}"}
        if name != metric:
            values.attrs[WRITTEN] = metric
        if isinstance(trials, float):
            values.attrs["trials"] = trials
        elif trials is not None:
            values.attrs["trials"] = "trials" if shared is not None else f"{name}.trials"
            if shared is None:
                cube[f"{name}.trials"] = grid(f"trials{j}")
        if trials is not None:
            _check_trials(grid(f"trials{j}"), cube, metric, path)
        if kind == "count":
            _check_counts(values, grid(f"trials{j}"), cube, metric, path)
        cube[name] = values
    return cube


def _shared(trials: Sequence[Array]) -> Array | None:
    """Return the trials of all metrics as one array, or None where two metrics of a checkpoint differ in theirs."""
    if not trials:
        return None
    out = trials[0]
    for more in trials[1:]:
        if np.any(np.isfinite(out) & np.isfinite(more) & (out != more)):
            return None
        out = np.where(np.isfinite(out), out, more)
    return out


def first_wrong(wrong: xr.DataArray, cube: xr.Dataset) -> tuple[tuple[int, int], str]:
    """Return the first place that is wrong, and its words: the run and its tokens.

    Parameters
    ----------
    wrong : xarray.DataArray of bool
        Over (run, checkpoint); true somewhere.
    cube : xarray.Dataset
        With ``run`` and ``tokens``.
    """
    i, k = (int(at) for at in np.argwhere(wrong.transpose("run", "checkpoint").values)[0])
    return (i, k), f"of run '{brief(str(cube['run'].values[i]), 40)}' at {float(cube['tokens'].values[i, k]):.10g}"


def _check_trials(trials: xr.DataArray, cube: xr.Dataset, metric: str, path: Path) -> None:
    wrong = ((trials < 1) | (trials != trials.round())) & trials.notnull()
    if bool(wrong.any()):
        at, where = first_wrong(wrong, cube)
        raise UserError(
            f"{brief(str(path), 60)}: the trials of '{brief(metric, 40)}' {where} tokens are "
            f"{float(trials.values[at]):.6g}; expected whole numbers of 1 or more: the questions that were asked"
        )


def _check_counts(values: xr.DataArray, trials: xr.DataArray, cube: xr.Dataset, metric: str, path: Path) -> None:
    wrong = (values < 0) | (values > trials) | (abs(values - values.round()) > 1e-6)
    if bool(wrong.any()):
        at, where = first_wrong(wrong, cube)
        raise UserError(
            f"{brief(str(path), 40)}: '{brief(metric, 40)}' {where} tokens is {float(values.values[at]):.6g} with "
            f"{plural(float(trials.values[at]), 'trial')}; expected counts from 0 to the trials, or "
            "proportions; name it in `percent` if it is in percent, in `continuous` if it is no count"
        )
