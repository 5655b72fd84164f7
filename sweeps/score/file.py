"""The cube of scored revisions: rewritten after each, with up-to-date flags of doubtful checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data import cube
from calque.data.errors import UserError
from calque.data.metrics import VARIABLES
from calque.sweeps.score.flags import flags
from calque.sweeps.score.positions import Position

SECONDS = ("loading_seconds", "scoring_seconds")


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """The scores of one revision.

    Attributes
    ----------
    position : Position
    sha256 : str
        Of the weights.
    config_sha256 : str
        SHA-256 of everything else that the scores depend on.
    commit : str
        Empty where the source has no commits.
    scores : mapping of str to array
        Variables with the dimensions of ``calque.data.metrics.VARIABLES``.
    seconds : mapping of str to float
        Durations; NaN where the weights had been scored already.
    """

    position: Position
    sha256: str
    config_sha256: str
    commit: str
    scores: Mapping[str, NDArray[np.generic]]
    seconds: Mapping[str, float]


class ScoreFile:
    """The cube at ``path``, rewritten atomically with every revision.

    Parameters
    ----------
    path : Path
    run_id : str
        Identifies the model and the questions; those of an existing file must be the same.

    Raises
    ------
    UserError
        When the existing file has other scores or is no cube.
    """

    def __init__(self, path: Path, run_id: str) -> None:
        self.path, self.run_id = path, run_id
        self.static: xr.Dataset | None = None
        self.rows: dict[str, ScoredRow] = {}
        if path.exists():
            self._load()

    def _load(self) -> None:
        old = cube.read(self.path)
        if old.attrs.get("run_id") != self.run_id:
            raise UserError(
                f"{self.path} holds scores of another model or of other questions; choose another `output`, or "
                "remove it"
            )
        timing = cube.read(self.path, "timing")
        steps = old["step"].values[0] if "step" in old else np.full(old.sizes["checkpoint"], np.nan)
        for i, revision in enumerate(map(str, old["revision"].values[0])):
            self.rows[revision] = ScoredRow(
                position=Position(
                    tokens=int(old["tokens"].values[0, i]), step=None if np.isnan(steps[i]) else int(steps[i])
                ),
                sha256=str(old["checkpoint_sha256"].values[0, i]),
                config_sha256=str(old["config_sha256"].values[0, i]),
                commit=str(old["commit"].values[0, i]),
                scores={name: old[name].values[0, i] for name in VARIABLES},
                seconds={name: float(timing[name].values[0, i]) for name in SECONDS},
            )
        moving = [name for name, variable in old.variables.items() if "checkpoint" in variable.dims]
        self.static = old.drop_vars(moving)

    def put(self, revision: str, row: ScoredRow) -> None:
        """Set or replace the ``row`` of ``revision``, and write the file; ``static`` has to be set before."""
        assert self.static is not None, "static is set before the first row"
        self.rows[revision] = row
        self._write()

    def move(self, positions: Mapping[str, Position]) -> None:
        """Move the rows of the file to ``positions``, by revision; rows of other revisions are left alone.

        Raises
        ------
        UserError
            When two revisions would have the same tokens.
        """
        whole = {name: row.position for name, row in self.rows.items()} | dict(positions)
        order = sorted(whole, key=lambda name: (whole[name].tokens, name))
        for one, other in pairwise(order):
            if whole[one].tokens == whole[other].tokens:
                raise UserError(
                    f"in {self.path}, '{one}' and '{other}' would both be at {whole[one].tokens} tokens; give the "
                    "positions of both, or choose another `output`"
                )
        moved = {name: replace(row, position=whole[name]) for name, row in self.rows.items()}
        if any(row.position != self.rows[name].position for name, row in moved.items()):
            self.rows = moved
            self._write()

    def order(self) -> list[str]:
        """Return the revisions of the file, in the order of training."""
        return sorted(self.rows, key=lambda name: self.rows[name].position.tokens)

    def flags(self) -> NDArray[np.int8]:
        """Return the flags of the checkpoints (``calque.sweeps.score.flags``), in the order of training."""
        rows = [self.rows[name] for name in self.order()]
        return flags([row.sha256 for row in rows], [summary(row.scores) for row in rows])

    def _write(self) -> None:
        assert self.static is not None
        order = self.order()
        rows = [self.rows[name] for name in order]
        variables: dict[str, Any] = {
            "tokens": (("run", "checkpoint"), np.array([[row.position.tokens for row in rows]], np.float64)),
            "checkpoint_sha256": (("run", "checkpoint"), np.array([[row.sha256 for row in rows]], object)),
        }
        steps = [np.nan if row.position.step is None else float(row.position.step) for row in rows]
        if np.isfinite(steps).any():
            variables["step"] = (("run", "checkpoint"), np.array([steps]))
        for name, dims in VARIABLES.items():
            stacked = np.stack([row.scores[name] for row in rows])[None]
            variables[name] = (("run", "checkpoint", *dims), stacked)
        coords = {
            "checkpoint": np.arange(len(rows)),
            "revision": (("run", "checkpoint"), np.array([order], object)),
            "commit": (("run", "checkpoint"), np.array([[row.commit for row in rows]], object)),
            "config_sha256": (("run", "checkpoint"), np.array([[row.config_sha256 for row in rows]], object)),
            "checkpoint_flags": (("run", "checkpoint"), self.flags()[None]),
        }
        timing = {name: (("run", "checkpoint"), [[row.seconds[name] for row in rows]]) for name in SECONDS}
        whole = self.static.assign(variables).assign_coords(coords)
        cube.write(whole, self.path, {"timing": xr.Dataset(timing)})


def summary(scores: Mapping[str, NDArray[np.generic]]) -> float:
    """Return one number for the ``scores`` of a checkpoint, by which outliers are found.

    Mean bits per byte, or without held-out text mean log p(target word) in nats; NaN where a score is not finite.
    """
    words = np.asarray(scores["translation_logprob"], float)[np.asarray(scores["translation_outcome"]) >= 0]
    bits = np.asarray(scores["bits_per_byte"], float)
    if np.isnan(bits).all():
        return float(words.mean()) if words.size else np.nan
    return float(np.nanmean(bits)) if np.isfinite(words).all() else np.nan
