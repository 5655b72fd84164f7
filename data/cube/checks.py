"""What a cube must be: checked once, where it is read."""

from __future__ import annotations

import numpy as np
import xarray as xr

from calque.data.cube.variables import METRIC_KINDS, POSITIONS, SCHEMA
from calque.data.errors import UserError, nearest


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
    schema = cube.attrs.get("calque_schema", SCHEMA)
    if int(schema) != SCHEMA:
        raise UserError(f"{origin} has calque_schema {schema}; this version reads {SCHEMA}: install a matching one")
    if "tokens" not in cube.variables:
        names = ", ".join(map(str, list(cube.variables)[:8])) or "nothing"
        raise UserError(
            f"{origin} has no variable 'tokens' (it holds {names}); expected tokens(run, checkpoint): "
            "rename the training position to 'tokens'"
        )
    if "checkpoint" not in cube.dims:
        dims = ", ".join(map(str, cube["tokens"].dims)) or "none"
        raise UserError(f"{origin}: tokens has dimensions {dims}; expected (run, checkpoint)")
    if "run" not in cube.dims:
        name = str(cube["run"].item()) if "run" in cube.coords else "run"
        cube = cube.drop_vars("run", errors="ignore").expand_dims(run=[name])
    if "run" not in cube.coords:
        cube = cube.assign_coords(run=[f"run{i}" for i in range(cube.sizes["run"])])
    runs = [str(run) for run in cube["run"].values]
    twice = next((run for run in runs if runs.count(run) > 1), None)
    if twice is not None:
        raise UserError(f"{origin}: run '{twice}' occurs twice; expected every run once: rename or drop one")
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
    for key, variable in cube.data_vars.items():
        kind = variable.attrs.get("metric_kind")
        if kind is not None and kind not in METRIC_KINDS:
            raise UserError(
                f"{origin}: {key} has metric_kind '{kind}'; expected one of {', '.join(METRIC_KINDS)}"
                + nearest(str(kind), METRIC_KINDS)
            )
    return cube


def _check_tokens(cube: xr.Dataset, origin: str) -> None:
    for run in cube["run"].values:
        values = np.asarray(cube["tokens"].sel(run=run).transpose("checkpoint"), float)
        present = np.isfinite(values)
        if not present.any():
            raise UserError(f"{origin}: run '{run}' has no tokens at all; drop the run or fill them in")
        last = int(np.flatnonzero(present)[-1])
        if not present[: last + 1].all():
            hole = int(np.flatnonzero(~present[: last + 1])[0])
            raise UserError(
                f"{origin}: tokens of run '{run}' is NaN at checkpoint {hole}, before the run's end; "
                "expected a number: fill it in or drop that checkpoint"
            )
        values = values[: last + 1]
        if values[0] < 0:
            raise UserError(f"{origin}: tokens of run '{run}' starts at {values[0]:g}; expected 0 or more")
        wrong = np.flatnonzero(np.diff(values) <= 0)
        if wrong.size:
            i = int(wrong[0])
            raise UserError(
                f"{origin}: tokens of run '{run}' goes from {values[i]:.15g} to {values[i + 1]:.15g} at checkpoint "
                f"{i + 1}; expected strictly increasing: sort the checkpoints and drop duplicates"
            )
