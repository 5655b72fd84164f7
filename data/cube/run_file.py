"""One run's cube on disk: one writer, the whole file rewritten at every checkpoint, rows idempotent by step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from calque.data.cube import file as cube
from calque.data.errors import UserError


class RunFile:
    """Writes ``run.nc``: what stands in it is always a complete, readable cube of the checkpoints so far.

    Parameters
    ----------
    path : path
        The file; when it exists its rows are kept and go on.
    static : xarray.Dataset
        Dimension ``run`` of length 1, all coordinates (``language``, ``source``, ...), run coordinates, variables
        without ``checkpoint`` (``overlap``, ``share``) and root attributes.
    dims : mapping of str to tuple of str
        Dimensions after (run, checkpoint) of every variable that :meth:`put` takes.

    Raises
    ------
    UserError
        When the existing file belongs to another run.
    """

    def __init__(self, path: str | os.PathLike[str], static: xr.Dataset, dims: Mapping[str, tuple[str, ...]]) -> None:
        self.path, self.static, self.dims = Path(path), static, dict(dims)
        self.rows: dict[int, dict[str, np.ndarray]] = {}
        self.timing: dict[int, dict[str, float]] = {}
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        old = cube.read(self.path)
        mine, theirs = self.static.attrs.get("run_id"), old.attrs.get("run_id")
        if mine != theirs:
            raise UserError(f"{self.path} belongs to run {theirs}, not {mine}; choose another results folder")
        self.static.attrs = {**self.static.attrs, "created": old.attrs["created"]}
        for i, step in enumerate(old["step"].values[0]):
            row = {name: old[name].values[0, i] for name in self.dims if name in old.variables}
            self.rows[int(step)] = row
        if cube.has_group(self.path, "timing"):
            timing = cube.read(self.path, "timing")
            for i, step in enumerate(old["step"].values[0]):
                row = {str(name): float(timing[name].values[0, i]) for name in timing.data_vars}
                if not all(np.isnan(value) for value in row.values()):
                    self.timing[int(step)] = row

    def has(self, step: int, sha256: str) -> bool:
        """Return whether there is a row of ``step`` for the weights with this ``sha256``."""
        return step in self.rows and str(self.rows[step].get("checkpoint_sha256")) == sha256

    def put(self, step: int, row: Mapping[str, ArrayLike], timing: Mapping[str, float] | None = None) -> None:
        """Set the row of ``step`` (replacing it if it stands) and rewrite the file atomically.

        Parameters
        ----------
        step : int
            Optimizer steps taken.
        row : mapping
            Every variable named in ``dims``, without the dimensions run and checkpoint.
        timing : mapping of str to float, optional
            Seconds and rates of this checkpoint; kept in the group ``timing``, apart from results that must repeat.
        """
        unknown = set(row) ^ set(self.dims)
        assert not unknown, f"row and dims differ in {sorted(unknown)}"
        self.rows[step] = {name: np.asarray(value) for name, value in row.items()}
        if timing is not None:
            self.timing[step] = dict(timing)
        cube.write(self.dataset(), self.path, {"timing": self._timing()} if self.timing else None)

    def dataset(self) -> xr.Dataset:
        """Return the run's cube as it stands."""
        steps = sorted(self.rows)
        variables: dict[str, Any] = {"step": (("run", "checkpoint"), np.array([steps], np.float64))}
        for name, dims in self.dims.items():
            stacked = np.stack([self.rows[step][name] for step in steps])[None]
            if stacked.dtype.kind == "U":
                stacked = stacked.astype(object)
            variables[name] = (("run", "checkpoint", *dims), stacked)
        return self.static.assign(variables).assign_coords(checkpoint=np.arange(len(steps)))

    def _timing(self) -> xr.Dataset:
        """Return seconds by (run, checkpoint), beside the root's rows; groups share the root's dimensions."""
        steps = sorted(self.rows)
        names = sorted({name for row in self.timing.values() for name in row})
        values = {name: [[self.timing.get(step, {}).get(name, np.nan) for step in steps]] for name in names}
        return xr.Dataset({name: (("run", "checkpoint"), value) for name, value in values.items()})
