"""Checkpoints of a cube that probing made or adds to: their names and their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.sweeps.score.positions import Position


def with_revisions(root: xr.Dataset, origin: str) -> xr.Dataset:
    """Return a cube of one run whose checkpoints have names: by their steps where it has none.

    Parameters
    ----------
    root : xarray.Dataset
    origin : str
        How errors call it.

    Raises
    ------
    UserError
        When it has neither names nor steps.
    """
    if "revision" in root.variables:
        return root
    if "step" not in root.variables:
        raise UserError(f"{origin} names neither revisions nor steps of its checkpoints; choose another `output`")
    return root.assign_coords(revision=_by_checkpoint([f"step-{int(step)}" for step in root["step"].values[0]]))


def with_checkpoint(root: xr.Dataset, revision: str, sha256: str, position: Position, origin: str) -> xr.Dataset:
    """Return the root of a cube that probing made, with a checkpoint more, in the order of training.

    Parameters
    ----------
    root : xarray.Dataset
        With nothing along checkpoints but tokens, step, revision and SHA-256.
    revision, sha256 : str
        Of the checkpoint.
    position : Position
        Of the checkpoint.
    origin : str
        How errors call the cube.

    Raises
    ------
    UserError
        When it has more, which nobody scored for this checkpoint, or a checkpoint with the same tokens.
    """
    ours = {"tokens", "step", "revision", "checkpoint_sha256", "checkpoint"}
    more = sorted(str(n) for n, v in root.variables.items() if "checkpoint" in v.dims and n not in ours)
    if more:
        raise UserError(
            f"{origin} has no checkpoint '{revision}', and holds {more[0]} of the others; score it into the cube "
            "first, leave it out of `revisions`, or choose another `output`"
        )
    tokens = root["tokens"].values[0].tolist() if "checkpoint" in root.dims else []
    if position.tokens in tokens:
        raise UserError(f"in {origin}, '{revision}' and another would both be at {position.tokens} tokens")
    order = np.argsort([*tokens, position.tokens])
    step = np.nan if position.step is None else float(position.step)
    new = {"tokens": float(position.tokens), "step": step, "revision": revision, "checkpoint_sha256": sha256}
    still = root.drop_vars(ours, errors="ignore").drop_dims("checkpoint", errors="ignore")
    columns: dict[str, NDArray[Any]] = {}
    for name, value in new.items():
        before = root[name].values[0].tolist() if "checkpoint" in root.dims else []
        columns[name] = np.array([*before, value], object if isinstance(value, str) else float)[order][None]
    known = still.assign(
        {name: (("run", "checkpoint"), columns[name]) for name in ("tokens", "step", "checkpoint_sha256")}
    )
    return known.assign_coords(revision=(("run", "checkpoint"), columns["revision"]), checkpoint=np.arange(len(order)))


def _by_checkpoint(values: Sequence[str]) -> tuple[tuple[str, str], NDArray[np.object_]]:
    return ("run", "checkpoint"), np.array([list(values)], object)
