"""One run's cube on disk: one writer, the whole file rewritten at every checkpoint, rows idempotent by step."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from calque.data.cube import file as cube
from calque.data.cube.rows import Row, joined_rows, parted_rows
from calque.data.errors import STORAGE, UserError
from calque.data.files import keep_previous
from calque.data.quantities import plural

NAME, PREVIOUS, DAMAGED = "run.nc", "run.previous.nc", "run.damaged.nc"
"""The file of a run; the one before it, a checkpoint older; one that could not be used, moved aside."""
TIMING = {
    **{f"{name}_seconds": {"units": "s"} for name in ("training", "scoring", "probing", "attribution")},
    "training_loss": {"units": "nat/token", "long_name": "mean loss of the steps since the checkpoint before"},
    "gradient_norm": {"units": "1", "long_name": "mean norm of the gradient before it is clipped, of the same steps"},
    "largest_gradient_norm": {"units": "1", "long_name": "the largest of these norms"},
    "learning_rate": {"units": "1", "long_name": "at the last of these steps, at the base width and depth"},
    "logged_tokens_per_second": {"units": "tokens/s", "long_name": "of these steps together, without scoring"},
    "utilisation": {"units": "1", "long_name": "share of the devices' peak FLOP/s that the model's FLOPs take"},
    "skipped_steps": {"units": "1", "long_name": "how many of these steps left the weights as they were"},
}
"""Attributes of what the group ``timing`` holds."""
PARTS = ("components", "ablations", "attribution")
"""Groups of the scores of a model's parts, and of what its training text did to them."""
LOG = logging.getLogger("calque")


class RunFile:
    """Writes ``run.nc``: what stands in it is always a complete, readable cube of the checkpoints so far.

    The file before it is kept as ``run.previous.nc``. Where ``run.nc`` is damaged, its rows are taken from there.

    Parameters
    ----------
    path : path
        The file; when it exists its rows are kept and go on.
    static : xarray.Dataset
        Dimension ``run`` of length 1, all coordinates (``language``, ``source``, ...), run coordinates, variables
        without ``checkpoint`` (``overlap``, ``share``) and root attributes.
    dims : mapping of str to tuple of str
        Dimensions after (run, checkpoint) of every variable that :meth:`put` takes.
    parts : mapping of str to mapping, optional
        Attributes of each of the groups ``PARTS`` that :meth:`put` adds rows to; None: it adds none.

    Attributes
    ----------
    kept : xarray.Dataset or None
        The cube whose rows go on.
    note : str
        What was damaged and what was done, one line; empty where nothing was.

    Raises
    ------
    UserError
        When the existing file belongs to another run, or cannot be read because of the disk or its permissions.
    """

    def __init__(
        self, path: str | os.PathLike[str], static: xr.Dataset, dims: Mapping[str, tuple[str, ...]],
        parts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        self.path, self.static, self.dims = Path(path), static, dict(dims)
        self.parts: dict[str, dict[int, Row]] = {group: {} for group in PARTS}
        self.of_parts = {group: dict(said) for group, said in (parts or {}).items()}
        self.rows: dict[int, dict[str, np.ndarray]] = {}
        self.timing: dict[int, dict[str, float]] = {}
        self.kept: xr.Dataset | None = None
        self.note = ""
        damaged = False
        for candidate in (self.path, self.path.with_name(PREVIOUS)):
            if not candidate.exists():
                continue
            try:
                self._load(candidate)
                if candidate != self.path:  # so that there is a cube to read before the next checkpoint
                    keep_previous(candidate, self.path)
                break
            except (UserError, KeyError, ValueError, IndexError, TypeError) as error:
                if isinstance(error, _ForeignError) or _of_the_disk(error):
                    raise
                damaged = True
                self.note = f"{candidate.name} is damaged and was moved aside"
                LOG.warning("%s is damaged (%s) and is moved to %s", candidate, _reason(error), DAMAGED)
                os.replace(candidate, candidate.with_name(DAMAGED))
        if damaged:
            found = (
                f"{plural(len(self.rows), 'checkpoint')} of {PREVIOUS} kept" if self.rows else "no checkpoint is left"
            )
            self.note += f"; {found}"

    def _load(self, path: Path) -> None:
        old, groups = cube.read_with_groups(path, ("timing", *PARTS))
        timed = groups.get("timing")
        mine, theirs = self.static.attrs.get("run_id"), old.attrs.get("run_id")
        if mine != theirs:
            raise _ForeignError(f"{path} belongs to run {theirs}, not {mine}; choose another results folder")
        for name, dims in self.dims.items():
            wanted = {"run": 1, "checkpoint": old.sizes["checkpoint"], **{d: self.static.sizes[d] for d in dims}}
            if dict(old[name].sizes) != wanted or old[name].dims != tuple(wanted):
                raise ValueError(f"{name} has dimensions {dict(old[name].sizes)}, expected {wanted}")
        steps = [int(step) for step in old["step"].values[0]]
        rows = {step: {name: old[name].values[0, i] for name in self.dims} for i, step in enumerate(steps)}
        timing: dict[int, dict[str, float]] = {}
        if timed is not None:
            for i, step in enumerate(steps):
                row = {str(name): float(timed[name].values[0, i]) for name in timed.data_vars}
                if not all(np.isnan(value) for value in row.values()):
                    timing[step] = row
        parts: dict[str, dict[int, Row]] = {group: {} for group in PARTS}
        for name in parts:
            if name not in groups:
                continue
            if self.of_parts.setdefault(name, dict(groups[name].attrs))["identity"] != groups[name].attrs["identity"]:
                raise _ForeignError(
                    f"{path} holds {name} that were probed with other settings; give the same evaluation.probe_length "
                    "and training.attribution, or choose another results folder"
                )
            found = zip(steps, parted_rows(groups[name], "sha256"), strict=True)
            parts[name] = {step: row for step, row in found if row is not None}
        self.static.attrs = {**self.static.attrs, "created": old.attrs["created"]}
        self.rows, self.timing, self.parts, self.kept = rows, timing, parts, old

    def has(self, step: int, sha256: str) -> bool:
        """Return whether there is a row of ``step`` for the weights with this ``sha256``."""
        return step in self.rows and str(self.rows[step].get("checkpoint_sha256")) == sha256

    def put(
        self, step: int, row: Mapping[str, ArrayLike], timing: Mapping[str, float] | None = None,
        parts: Mapping[str, Row] | None = None,
    ) -> None:  # fmt: skip
        """Set the row of ``step`` (replacing it if it stands) and rewrite the file atomically.

        Parameters
        ----------
        step : int
            Optimizer steps taken.
        row : mapping
            Every variable named in ``dims``, without the dimensions run and checkpoint.
        timing : mapping of str to float, optional
            Seconds and rates of this checkpoint; kept in the group ``timing``, apart from results that must repeat.
        parts : mapping of str to xarray.Dataset, optional
            By group, scores of the model's parts at this checkpoint, with a text ``sha256``.
        """
        unknown = set(row) ^ set(self.dims)
        assert not unknown, f"row and dims differ in {sorted(unknown)}"
        self.rows[step] = {name: np.asarray(value) for name, value in row.items()}
        if timing is not None:
            self.timing[step] = dict(timing)
        groups = {"timing": self.timing_dataset()} if self.timing else {}
        for name, rows in self.parts.items():
            rows.pop(step, None)
            if parts is not None and name in parts:
                rows[step] = parts[name]
            if rows:
                run, of = str(self.static["run"].values[0]), [rows.get(one) for one in sorted(self.rows)]
                groups[name] = joined_rows(of, run, self.of_parts.get(name, {}))
        cube.write(self.dataset(), self.path, groups, previous=self.path.with_name(PREVIOUS))

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

    def timing_dataset(self) -> xr.Dataset:
        """Return timings by (run, checkpoint), beside the root's rows; groups share the root's dimensions."""
        steps = sorted(self.rows)
        names = sorted({name for row in self.timing.values() for name in row})
        values = {name: [[self.timing.get(step, {}).get(name, np.nan) for step in steps]] for name in names}
        dims = ("run", "checkpoint")
        return xr.Dataset({name: (dims, value, TIMING.get(name, {})) for name, value in values.items()})


class _ForeignError(UserError):
    """The file is another run's: it is whole, and stays."""


def _of_the_disk(error: Exception) -> bool:
    """Return whether the file could not be read at all: what stands in it may be whole."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in STORAGE


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
