"""From anyone's CSV log of metrics over training to a cube."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data.cube import SCHEMA, validate
from data.errors import UserError, nearest


def from_csv(
    path: Path, *, tokens: str, metrics: tuple[str, ...], trials: str | None = None, run: str | None = None
) -> xr.Dataset:
    """Return a cube from a CSV with one row a checkpoint (and run).

    Parameters
    ----------
    path : Path
        CSV with a header row.
    tokens, run : str
        Columns of training tokens and of the run's name; rows of a run are sorted by tokens.
    metrics : tuple of str
        Columns to keep. Without ``trials`` values within [0, 1] are proportions, others continuous.
    trials : str, optional
        A column or a number: values are then counts out of it, or proportions of it where all lie within [0, 1].

    Raises
    ------
    UserError
        When the file or a column is missing, not numeric, or a run has two rows at the same tokens.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; expected a CSV file with a header") from error
    except (IsADirectoryError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(
            f"{path} cannot be read as CSV ({error}); expected a header and one row a checkpoint"
        ) from error
    table.columns = [str(c).strip() for c in table.columns]
    wanted = [tokens, *metrics, *([run] if run else [])]
    if trials is not None and not _is_number(trials):
        wanted.append(trials)
    for name in wanted:
        if name not in table:
            known = tuple(map(str, table.columns))
            raise UserError(f"{path} has no column '{name}'; it has {', '.join(known)}" + nearest(name, known))
    reserved = {"tokens", "run", "checkpoint", "trials"} & set(metrics) - ({tokens} if tokens == "tokens" else set())
    if reserved:
        raise UserError(f"metric column '{sorted(reserved)[0]}' has a reserved name; rename it in {path}")
    numbers = {name: _numeric(table, name, path) for name in wanted if name != run}
    label = table[run].astype(str) if run else pd.Series(["run"] * len(table))
    keep = numbers[tokens].notna()
    if not keep.any():
        raise UserError(f"{path}: column '{tokens}' holds no number; expected training tokens")
    names = list(dict.fromkeys(label[keep]))
    orders = {n: _order(numbers[tokens][keep & (label == n)], n, path) for n in names}
    width = max(len(order) for order in orders.values())

    def grid(name: str) -> xr.DataArray:
        values = np.full((len(names), width), np.nan)
        for i, n in enumerate(names):
            values[i, : len(orders[n])] = numbers[name].loc[orders[n]].to_numpy(float)
        return xr.DataArray(values, dims=("run", "checkpoint"))

    cube = xr.Dataset({"tokens": grid(tokens)}, coords={"run": names})
    counted: str | float | None = None
    if trials is not None:
        counted = float(trials) if _is_number(trials) else "trials"
        if counted == "trials":
            cube["trials"] = grid(trials)
    for name in metrics:
        values = grid(name)
        share = bool(values.notnull().any()) and float(values.min()) >= 0 and float(values.max()) <= 1
        kind = "proportion" if share else "continuous" if counted is None else "count"
        values.attrs = {"metric_kind": kind, "long_name": f"{name} of {path.name}"}
        if counted is not None:
            values.attrs["trials"] = counted
        cube[name] = values
    cube.attrs = {"calque_schema": SCHEMA, "imported_from": path.name}
    return validate(cube, str(path))


def _numeric(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    column = pd.to_numeric(table[name], errors="coerce")
    wrong = column.isna() & table[name].notna()
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise UserError(f"{path}: column '{name}' holds '{table[name].iloc[at]}' in line {at + 2}; expected a number")
    if np.isinf(column).any():
        raise UserError(f"{path}: column '{name}' holds an infinite value; leave it empty if it is missing")
    return column.astype(float)


def _order(tokens: pd.Series, run: str, path: Path) -> pd.Index:
    ordered = tokens.sort_values(kind="stable")
    twice = ordered[ordered.duplicated()]
    if len(twice):
        raise UserError(
            f"{path}: run '{run}' has two rows at {twice.iloc[0]:.15g} tokens; expected one: name the runs with "
            "--run, or drop one"
        )
    return ordered.index


def _is_number(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
