"""What a cube must be: checked once, where it is read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from calque.data.cube.variable_checks import check_variables, short
from calque.data.cube.variables import POSITIONS, SCHEMA
from calque.data.errors import UserError

MOST_TOKENS = 1e18
"""No training is longer: a larger number is of another unit."""
CLOSEST = 1e-9
"""Two checkpoints differ by more than this share of their tokens."""


def validate(cube: xr.Dataset, origin: str = "the cube") -> xr.Dataset:
    """Check a cube at the boundary and return it with dimensions ``run`` and ``checkpoint``.

    A lone run may come without the dimension ``run``. ``tokens`` must be positive or zero and strictly increasing along
    ``checkpoint``; only the end of a ragged run may be missing (NaN).

    Parameters
    ----------
    cube : xarray.Dataset
        A dataset that should be a cube.
    origin : str
        What errors call it, such as the name of its file.

    Returns
    -------
    xarray.Dataset
        The cube, with dimensions ``run`` and ``checkpoint``.

    Raises
    ------
    UserError
        Naming the file, the variable, what came, what was expected and the remedy.

    Examples
    --------
    >>> lone = xr.Dataset({"tokens": ("checkpoint", [1e6, 2e6]), "accuracy": ("checkpoint", [0.1, 0.4])})
    >>> validate(lone)["accuracy"].dims
    ('run', 'checkpoint')
    >>> validate(lone.assign(tokens=("checkpoint", [2e6, 1e6])), "log.nc")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    calque.data.errors.UserError: log.nc: tokens of run 'run' ...
    """
    _check_schema(cube.attrs.get("calque_schema", SCHEMA), origin)
    if "tokens" not in cube.variables:
        names = ", ".join(short(name) for name in list(cube.variables)[:8]) or "nothing"
        raise UserError(
            f"{origin} has no variable 'tokens' (it holds {names}); expected tokens(run, checkpoint): "
            "rename the training position to 'tokens'"
        )
    if "checkpoint" not in cube.dims:
        dims = ", ".join(map(short, cube["tokens"].dims)) or "none"
        raise UserError(f"{origin}: tokens has dimensions {dims}; expected (run, checkpoint)")
    if "run" not in cube.dims:
        name = str(cube["run"].item()) if "run" in cube.coords and cube["run"].size == 1 else "run"
        cube = cube.drop_vars("run", errors="ignore").expand_dims(run=[name])
    for dim in ("run", "checkpoint"):
        if not cube.sizes[dim]:
            raise UserError(f"{origin} holds no {dim}; expected one at least: write it again when there is one")
    cube = _with_run_names(cube, origin)
    for name in POSITIONS:
        if name in cube.coords:
            cube = cube.reset_coords(name)
    tokens = cube["tokens"]
    if set(tokens.dims) == {"checkpoint"}:
        tokens = tokens.expand_dims(run=cube["run"])
        cube = cube.assign(tokens=tokens)
    if set(tokens.dims) != {"run", "checkpoint"}:
        dims = ", ".join(map(str, tokens.dims))
        raise UserError(f"{origin}: tokens has dimensions ({dims}); expected (run, checkpoint)")
    if tokens.dtype.kind not in "iuf":
        raise UserError(f"{origin}: tokens has type {tokens.dtype}; expected numbers")
    _check_tokens(cube, origin)
    check_variables(cube, origin)
    return cube


def _check_schema(schema: object, origin: str) -> None:
    if not isinstance(schema, int | float | np.integer | np.floating) or schema != SCHEMA:
        came = short(schema)
        raise UserError(f"{origin} has calque_schema {came}; this version reads {SCHEMA}: install a matching one")


def _with_run_names(cube: xr.Dataset, origin: str) -> xr.Dataset:
    """Return the cube with a text for every run."""
    if "run" not in cube.coords:
        return cube.assign_coords(run=[f"run{i}" for i in range(cube.sizes["run"])])
    if cube["run"].dtype.kind not in "OUSiu":
        raise UserError(f"{origin}: run has type {cube['run'].dtype}; expected the names of the runs")
    runs = [run.decode("utf-8", "replace") if isinstance(run, bytes) else str(run) for run in cube["run"].values]
    if not all(run.strip() for run in runs):
        place = next(i for i, run in enumerate(runs) if not run.strip())
        raise UserError(f"{origin}: the name of run {place} is empty; expected a name for every run")
    counts = Counter(runs)
    twice = next((run for run in runs if counts[run] > 1), None)
    if twice is not None:
        raise UserError(f"{origin}: run '{short(twice)}' occurs twice; expected every run once: rename or drop one")
    return cube.assign_coords(run=("run", runs, cube["run"].attrs))


def _check_tokens(cube: xr.Dataset, origin: str) -> None:
    table = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    for run, values in zip(cube["run"].values, table, strict=True):
        name = f"tokens of run '{short(run)}'"
        if np.isinf(values).any():
            raise UserError(f"{origin}: {name} is infinite at checkpoint {int(np.isinf(values).argmax())}")
        present = np.isfinite(values)
        if not present.any():
            raise UserError(f"{origin}: run '{short(run)}' has no tokens at all; drop the run or fill them in")
        last = int(np.flatnonzero(present)[-1])
        if not present[: last + 1].all():
            hole = int(np.flatnonzero(~present[: last + 1])[0])
            raise UserError(
                f"{origin}: {name} is NaN at checkpoint {hole}, before the run's end; "
                "expected a number: fill it in or drop that checkpoint"
            )
        values = values[: last + 1]
        if values[0] < 0:
            raise UserError(f"{origin}: {name} starts at {values[0]:g}; expected 0 or more")
        if values[-1] > MOST_TOKENS:
            raise UserError(
                f"{origin}: {name} goes to {values[-1]:g}; expected at most {MOST_TOKENS:g}: check the unit"
            )
        wrong = np.flatnonzero(np.diff(values) <= CLOSEST * values[1:])
        if wrong.size:
            i = int(wrong[0])
            raise UserError(
                f"{origin}: {name} goes from {values[i]:.15g} to {values[i + 1]:.15g} at checkpoint "
                f"{i + 1}; expected strictly increasing: sort the checkpoints and drop duplicates"
            )
