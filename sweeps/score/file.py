"""The cube of scored revisions: rewritten after each, with up-to-date flags of doubtful checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data import cube
from calque.data.cube.variables import missing_value
from calque.data.errors import UserError
from calque.data.metrics import VARIABLES
from calque.sweeps.score.flags import NOT_FINITE, Evidence, flags
from calque.sweeps.score.positions import Position

SECONDS = ("loading_seconds", "scoring_seconds")


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What the scores of a revision depend on.

    Attributes
    ----------
    sha256 : str
        Of the weights.
    config_sha256 : str
        Of all else.
    files : str
        Lines ``SHA-256  NAME`` of the files with weights; empty where they are not known one by one.
    settings_json : str
        What the configuration says of the architecture; empty where that is not known.
    """

    sha256: str
    config_sha256: str
    files: str = ""
    settings_json: str = ""

    def same(self, other: Fingerprint) -> bool:
        """Return whether the scores of ``other`` are the same."""
        return (self.sha256, self.config_sha256) == (other.sha256, other.config_sha256)


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """The scores of one revision.

    Attributes
    ----------
    position : Position
    fingerprint : Fingerprint
        Of the weights and of everything else that the scores depend on.
    commit : str
        Empty where the source has no commits.
    finite : bool
        Whether every number that was asked for is finite; what is not is missing.
    scores : mapping of str to array
        Variables with the dimensions of ``calque.data.metrics.VARIABLES``.
    seconds : mapping of str to float
        Durations; NaN where the weights had been scored already.
    """

    position: Position
    fingerprint: Fingerprint
    commit: str
    finite: bool
    scores: Mapping[str, NDArray[np.generic]]
    seconds: Mapping[str, float]


class ScoreFile:
    """The cube at ``path``, rewritten atomically with every revision.

    Parameters
    ----------
    path : path
    run_id : str
        Identifies the model and the questions; those of an existing file must be the same.

    Raises
    ------
    UserError
        When the existing file has other scores or is no cube.
    """

    def __init__(self, path: str | os.PathLike[str], run_id: str) -> None:
        self.path, self.run_id = Path(path), run_id
        self.static: xr.Dataset | None = None
        self.others: dict[str, xr.Dataset] = {}
        self.rows: dict[str, ScoredRow] = {}
        if self.path.exists():
            self.load()

    def load(self) -> None:
        """Read the file, to which others may have added groups.

        Raises
        ------
        UserError
            When it has other scores or is no cube.
        """
        old = cube.read(self.path)
        if old.attrs.get("run_id") != self.run_id:
            raise UserError(
                f"{self.path} holds scores of another model or of other questions; choose another `output`, or "
                "remove it"
            )
        if lacking := [name for name in VARIABLES if name not in old]:
            raise UserError(
                f"{self.path} is of an earlier version, without {', '.join(lacking)}; choose another `output`, or "
                "remove it"
            )
        self.others = cube.read_groups(self.path)  # such as components, which probing adds
        timing = self.others["timing"]
        self.others["timing"] = timing.drop_vars(SECONDS)
        steps = old["step"].values[0] if "step" in old else np.full(old.sizes["checkpoint"], np.nan)
        not_finite = old["checkpoint_flags"].values[0].astype(int) & NOT_FINITE

        def text(name: str, i: int) -> str:
            return str(old[name].values[0, i]) if name in old.variables else ""

        for i, revision in enumerate(map(str, old["revision"].values[0])):
            self.rows[revision] = ScoredRow(
                position=Position(
                    tokens=int(old["tokens"].values[0, i]), step=None if np.isnan(steps[i]) else int(steps[i])
                ),
                fingerprint=Fingerprint(
                    sha256=text("checkpoint_sha256", i),
                    config_sha256=text("config_sha256", i),
                    files=text("weight_files", i),
                    settings_json=text("settings_json", i),
                ),
                commit=text("commit", i),
                finite=not not_finite[i],
                scores={name: old[name].values[0, i] for name in VARIABLES},
                seconds={name: float(timing[name].values[0, i]) for name in SECONDS},
            )
        revisions = [str(revision) for revision in old["revision"].values[0]]
        moved = {name: group for name, group in self.others.items() if "checkpoint" in group.dims}
        self.others |= {name: group.assign_coords(checkpoint=revisions) for name, group in moved.items()}
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
        return flags(self.evidence())

    def evidence(self) -> list[Evidence]:
        """Return what the checkpoints are judged by, in the order of training."""
        return [
            Evidence(
                sha256=row.fingerprint.sha256, score=summary(row.scores), finite=row.finite,
                files=frozenset(line.partition("  ")[0] for line in row.fingerprint.files.splitlines()),
            )
            for row in (self.rows[name] for name in self.order())
        ]  # fmt: skip

    def _write(self) -> None:
        assert self.static is not None
        order = self.order()
        rows = [self.rows[name] for name in order]
        variables: dict[str, Any] = {
            "tokens": (("run", "checkpoint"), np.array([[row.position.tokens for row in rows]], np.float64)),
            "checkpoint_sha256": _texts([row.fingerprint.sha256 for row in rows]),
        }
        steps = [np.nan if row.position.step is None else float(row.position.step) for row in rows]
        if np.isfinite(steps).any():
            variables["step"] = (("run", "checkpoint"), np.array([steps]))
        for name, dims in VARIABLES.items():
            stacked = np.stack([row.scores[name] for row in rows])[None]
            variables[name] = (("run", "checkpoint", *dims), stacked)
        coords = {
            "checkpoint": np.arange(len(rows)),
            "revision": _texts(order),
            "commit": _texts([row.commit for row in rows]),
            "config_sha256": _texts([row.fingerprint.config_sha256 for row in rows]),
            "weight_files": _texts([row.fingerprint.files for row in rows]),
            "settings_json": _texts([row.fingerprint.settings_json for row in rows]),
            "checkpoint_flags": (("run", "checkpoint"), self.flags()[None]),
        }
        seconds = {name: (("run", "checkpoint"), [[row.seconds[name] for row in rows]]) for name in SECONDS}
        whole = self.static.assign(variables).assign_coords(coords)
        others = {name: _at(group, order) for name, group in self.others.items()}
        timing = others.get("timing", xr.Dataset())
        cube.write(whole, self.path, {**others, "timing": timing.assign(seconds)})


def _at(group: xr.Dataset, order: Sequence[str]) -> xr.Dataset:
    """Return a group at the checkpoints of an order; what it has not is missing."""
    if "checkpoint" not in group.dims:
        return group
    fill = {str(name): missing_value(str(name), v.dtype.kind) for name, v in group.data_vars.items()}
    return group.reindex(checkpoint=list(order), fill_value=fill).assign_coords(checkpoint=np.arange(len(order)))


def summary(scores: Mapping[str, NDArray[np.generic]]) -> float:
    """Return one number for the ``scores`` of a checkpoint, by which outliers are found.

    Mean bits per byte, or without held-out text mean log p(target word) in nats; NaN where there is neither.
    """
    for name in ("bits_per_byte", "translation_logprob"):
        values = np.asarray(scores[name], float)
        if np.isfinite(values).any():
            return float(values[np.isfinite(values)].mean())
    return np.nan


def _texts(values: Sequence[str]) -> tuple[tuple[str, str], NDArray[np.object_]]:
    return ("run", "checkpoint"), np.array([list(values)], object)
