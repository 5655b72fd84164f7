"""What the variables of a cube must be: dimensions, types, trials and values, by the registry of schema 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from calque.data.cube.variables import EXPOSURES, METRIC_KINDS, OUTCOMES, OVERLAPS
from calque.data.errors import UserError, escaped, nearest
from calque.data.metrics import ITEM_DIMS, TRIALS_OF, VARIABLES

SHOWN = 40
"""Characters of a foreign text that an error quotes."""
AT_ONCE = 64 << 20
"""Bytes that are looked at together."""
FLAGS = {"translation_outcome": len(OUTCOMES), "overlap": len(OVERLAPS), "exposure": len(EXPOSURES)}
"""Variables of flags -1, 0, ..., and how many flags there are."""
BY_RUN = ("size", "mix", "n_params", "n_params_non_embedding")
"""Coordinates with one value for each run."""


def short(value: object, most: int = SHOWN) -> str:
    """Return a foreign ``value`` as an error quotes it: of ``most`` characters, on one line, without control ones."""
    text = escaped(" ".join(str(value).split()))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def check_variables(cube: xr.Dataset, origin: str) -> None:
    """Check the variables that the registry names, and all that declare a kind of metric.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimensions run and checkpoint.
    origin : str
        What errors call it.

    Raises
    ------
    UserError
        Naming the variable, what came and what was expected.
    """
    for dim in map(str, cube.dims):
        if dim in cube.variables and cube.variables[dim].dims != (dim,):
            given = ", ".join(map(short, cube.variables[dim].dims))
            raise UserError(f"{origin}: the coordinate {short(dim)} has dimensions ({given}); expected ({short(dim)})")
        if dim in cube.variables and dim not in ("run", "checkpoint"):
            _check_labels(dim, cube.variables[dim].values, origin)
    for name, dims in _registered().items():
        if name in cube.variables:
            _check_dimensions(name, cube.variables[name], dims, origin)
    for name in BY_RUN:
        if name in cube.variables and cube.variables[name].dims not in ((), ("run",)):
            given = ", ".join(map(short, cube.variables[name].dims))
            raise UserError(f"{origin}: {name} has dimensions ({given}); expected one value for each run, (run)")
    for name, most in FLAGS.items():
        if name in cube.variables:
            for part in _parts(cube.variables[name]):
                _check_flags(name, part, most, origin)
    for name, total in TRIALS_OF.items():
        if name in cube.variables and total in cube.variables:
            _check_counts(name, cube[name], cube[total], origin)
    for key, variable in cube.data_vars.items():
        if "metric_kind" in variable.attrs:
            _check_metric(str(key), variable, cube, origin)


def _registered() -> dict[str, tuple[str, ...]]:
    """Return the dimensions that a variable needs; those of loss and bits per byte may lack the language."""
    at_checkpoints = {name: ("run", "checkpoint", *dims) for name, dims in VARIABLES.items()}
    optional = {name: ("run", "checkpoint") for name in ("loss", "bits_per_byte", *TRIALS_OF, *TRIALS_OF.values())}
    at = ("step", "flops", "loss_tokens", "checkpoint_flags", "checkpoint_kind")
    positions = {name: ("run", "checkpoint") for name in at}
    return {**at_checkpoints, **optional, **positions, "overlap": ITEM_DIMS, "exposure": ITEM_DIMS}


def _check_dimensions(name: str, variable: xr.Variable, dims: tuple[str, ...], origin: str) -> None:
    if variable.dtype.kind not in "iufb":
        raise UserError(f"{origin}: {name} has type {variable.dtype}; expected numbers")
    given = tuple(map(str, variable.dims))
    exact = set(ITEM_DIMS) <= set(dims) or name not in VARIABLES
    extra = set(given) - set(dims) - {"run"} if exact else set()
    if extra or not set(dims) <= set(given):
        told, wanted = ", ".join(map(short, given)), ", ".join(dims)
        raise UserError(f"{origin}: {name} has dimensions ({told}); expected ({wanted}): rename them, or the variable")


def _check_labels(dim: str, labels: np.ndarray, origin: str) -> None:
    """Refuse a label that stands twice: which items are the same word in two languages is told by the labels."""
    found = [str(label) for label in labels.tolist()]
    if len(set(found)) < len(found):
        twice = next(label for i, label in enumerate(found) if label in found[:i])
        raise UserError(f"{origin}: {short(dim)} '{short(twice)}' occurs twice; expected each once: rename or drop one")


def _parts(variable: xr.Variable) -> Iterator[np.ndarray]:
    """Yield the values in parts that fit into memory, which those of a cube that stays in its file may not."""
    if not variable.ndim or not variable.shape[0]:
        yield variable.values
        return
    together = int((variable.encoding.get("chunksizes") or (1,))[0])
    together *= max(1, AT_ONCE * variable.shape[0] // max(1, variable.nbytes) // together)
    for start in range(0, variable.shape[0], together):
        yield variable[start : start + together].values


def _check_flags(name: str, values: np.ndarray, most: int, origin: str) -> None:
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    wrong = known[(known < -1) | (known >= most) | (known != np.floor(known))]
    if wrong.size or (values.dtype.kind == "f" and np.isinf(values).any()):
        came = wrong[0] if wrong.size else np.inf
        raise UserError(
            f"{origin}: {name} holds {came:g}; expected a whole number from -1 to {most - 1} (docs/CUBE.md)"
        )


def _check_metric(name: str, variable: xr.DataArray, cube: xr.Dataset, origin: str) -> None:
    kind, label = variable.attrs["metric_kind"], short(name)
    if not isinstance(kind, str) or kind not in METRIC_KINDS:
        expected = ", ".join(METRIC_KINDS)
        raise UserError(
            f"{origin}: {label} has metric_kind '{short(kind)}'; expected one of {expected}"
            + nearest(short(kind), METRIC_KINDS)
        )
    if variable.dtype.kind not in "iufb":
        raise UserError(f"{origin}: {label} has type {variable.dtype}; expected numbers, as metric_kind says")
    if not {"run", "checkpoint"} <= set(map(str, variable.dims)):
        dims = ", ".join(map(short, variable.dims))
        raise UserError(
            f"{origin}: {label} has dimensions ({dims}); expected (run, checkpoint, ...), as metric_kind says"
        )
    if "trials" in variable.attrs:
        trials = variable.attrs["trials"]
        number = as_number(trials)
        if number is not None and not (np.isfinite(number) and 0 < number <= 1e15):
            raise UserError(f"{origin}: {label} has trials {short(trials)}; expected a number above 0, or a variable")
        if number is None and not isinstance(trials, str):
            raise UserError(f"{origin}: {label} has trials {short(trials)}; expected one number, or a variable's name")
        if isinstance(trials, str) and trials in cube.variables:
            total = cube.variables[trials]
            if total.dtype.kind not in "iufb" or not set(total.dims) <= set(variable.dims):
                dims = ", ".join(map(short, total.dims))
                raise UserError(
                    f"{origin}: '{short(trials)}', the trials of {label}, has type {total.dtype} and dimensions "
                    f"({dims}); expected numbers over dimensions of {label}"
                )


def _check_counts(name: str, counts: xr.DataArray, total: xr.DataArray, origin: str) -> None:
    if counts.dims != total.dims:
        dims = [", ".join(map(short, part.dims)) for part in (counts, total)]
        raise UserError(f"{origin}: {name} has dimensions ({dims[0]}), {total.name} ({dims[1]}); expected the same")


def as_number(value: Any) -> float | None:
    """Return the ``value`` of an attribute that is one number, also where it is text; None where it is none."""
    if isinstance(value, bool | bytes) or np.size(value) != 1:
        return None
    try:
        return float(np.asarray(value).item())
    except (TypeError, ValueError, OverflowError):
        return None
