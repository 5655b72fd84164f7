"""The data of a loss law: one held-out loss in each row, with its run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest
from calque.scaling.run_values import run_sizes

Array = NDArray[np.float64]
COLUMNS = ("n", "d", "loss", "share", "unique", "other", "run", "language")


@dataclass(frozen=True, kw_only=True)
class Points:
    """Rows (m,) as arrays.

    Attributes
    ----------
    n, d : array
        Parameters and training tokens.
    loss : array
        Held-out loss in nats for each token.
    run : array of str
        The unit that is resampled: rows of one run stay together.
    share : array or None
        Share of the row's language in training, 0 to 1.
    unique : array or None
        Distinct tokens that training repeated to reach ``d``.
    other : array or None
        Tokens of other languages beside the ``d`` of the row's own.
    language : array of str or None
        Of the row's loss.
    """

    n: Array
    d: Array
    loss: Array
    run: NDArray[np.str_]
    share: Array | None = None
    unique: Array | None = None
    other: Array | None = None
    language: NDArray[np.str_] | None = None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Points:
        """Return the given rows, by position or by a mask."""
        parts: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {name: None if v is None else v[rows] for name, v in parts.items()}
        return Points(**taken)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.loss)


def points_of(columns: dict[str, Array | NDArray[np.str_]], where: str) -> Points:
    """Check columns and return them as points; ``where`` names their origin in messages.

    Parameters
    ----------
    columns : dict of array
        Columns (m,) by name; unknown names are ignored.
    where : str
        Origin of the columns, for errors.

    Raises
    ------
    UserError
        When n, d or loss is missing, or a row holds a value that no run can have.
    """
    for name in ("n", "d", "loss"):
        if name not in columns:
            hint = nearest(name, list(columns))
            raise UserError(
                f"{where}: no column '{name}'; expected n (parameters), d (training tokens) and loss "
                f"(nats a token){hint}"
            )
    count = len(columns["loss"])
    checked: dict[str, Array | NDArray[np.str_]] = {}
    for name, value in columns.items():
        if name not in COLUMNS:
            continue
        if name in ("run", "language"):
            checked[name] = np.asarray(value, str)
            continue
        numbers = np.asarray(value, float)
        bad = ~np.isfinite(numbers) | (numbers <= 0 if name != "other" else numbers < 0)
        if name == "share":
            bad |= numbers > 1
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            expected = {"share": "a share above 0, at most 1", "other": "0 or more"}.get(name, "a number above 0")
            raise UserError(f"{where}: {name} is {numbers[i]:g} in row {i + 1}; expected {expected}")
        checked[name] = numbers
    checked.setdefault("run", np.array([str(i) for i in range(count)]))
    return Points(**checked)  # type: ignore[arg-type]


def read_points(path: Path) -> Points:
    """Read a CSV with columns n, d, loss and, where there, run, share, unique, other, language.

    Parameters
    ----------
    path : path
        A CSV file.

    Raises
    ------
    UserError
        When the file cannot be read or holds no usable rows.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; expected a CSV with columns n, d, loss") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV: {error}; expected columns n, d, loss") from error
    if table.empty:
        raise UserError(f"{path} holds no rows; expected one for each run with n, d, loss")
    columns = {}
    for name in table.columns:
        values = table[name]
        if name in COLUMNS and name not in ("run", "language"):
            numbers = pd.to_numeric(values, errors="coerce")
            if numbers.isna().any():
                row = int(np.flatnonzero(numbers.isna())[0])
                raise UserError(f"{path}: {name} is {values.iloc[row]!r} in row {row + 1}; expected a number")
            values = numbers
        columns[str(name)] = values.to_numpy()
    return points_of(columns, str(path))


def cube_points(cube: xr.Dataset) -> Points:
    """Return the last held-out loss of every run and language, with its share where the cube has it.

    ``n`` is non-embedding parameters; ``d`` counts the language's own tokens where shares are known, and ``other``
    those of the rest. Only a run's last loss is taken: within a run the learning rate has not yet fallen.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated, with ``loss`` in nats a token.

    Raises
    ------
    UserError
        When the cube has no loss or no sizes.
    """
    sizes = run_sizes(cube)
    if "loss" not in cube.variables or sizes is None:
        raise UserError("the cube has no 'loss' with 'n_params_non_embedding'; expected both, or a CSV with n, d, loss")
    rows: dict[str, list[Any]] = {name: [] for name in ("n", "d", "loss", "run", "language", "share", "other")}
    tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    loss = cube["loss"] if "language" in cube["loss"].dims else cube["loss"].expand_dims(language=["all"])
    extra = [str(dim) for dim in loss.dims if dim not in ("run", "language", "checkpoint")]
    if extra:
        raise UserError(
            f"the cube's loss has dimension '{extra[0]}'; expected (run, checkpoint) or (run, checkpoint, language): "
            "average or select along it first"
        )
    loss = loss.transpose("run", "language", "checkpoint")
    names = [str(v) for v in (loss["language"].values if "language" in loss.coords else range(loss.sizes["language"]))]
    shared = "share" in cube.variables and set(cube["share"].dims) == {"run", "language"}
    for i, run in enumerate(cube["run"].values):
        for j, language in enumerate(names):
            series = np.asarray(loss[i, j], float)
            seen = np.flatnonzero(np.isfinite(series) & np.isfinite(tokens[i]))
            if not seen.size:
                continue
            share = float(cube["share"].transpose("run", "language")[i, j]) if shared else np.nan
            if shared and not share > 0:
                continue
            total = float(tokens[i, seen[-1]])
            own = total * share if shared else total
            values = (float(sizes[i]), own, float(series[seen[-1]]), str(run), language, share)
            for name, value in zip(rows, (*values, total - own), strict=True):
                rows[name].append(value)
    if not rows["loss"]:
        raise UserError("the cube has no finite loss; expected one for each run at least")
    if not shared:
        del rows["share"], rows["other"]
    return points_of({k: np.array(v) for k, v in rows.items()}, "the cube")
