"""The cube with the groups of probes: rewritten after each revision; what is probed is not probed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data import cube
from calque.data.cube.rows import joined_rows, parted_rows
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.config.probes import PROBES, done
from calque.sweeps.probe.checkpoints import with_checkpoint, with_revisions
from calque.sweeps.score.positions import Position

SECONDS = {"components": "probing_seconds", "ablations": "ablating_seconds"}
"""Variables of the group ``timing``, by group of probes."""


@dataclass(frozen=True, kw_only=True)
class ProbedRow:
    """The scores of one revision in one group.

    Attributes
    ----------
    sha256 : str
        Of its weights.
    scores : xarray.Dataset
        Without the dimensions run and checkpoint.
    seconds : float
        Its duration; NaN where it is not known.
    """

    sha256: str
    scores: xr.Dataset
    seconds: float = np.nan


Finish = Callable[[xr.Dataset], xr.Dataset]
"""Adds to a whole group what several checkpoints give together."""


class ProbeFile:
    """The cube at ``path``, rewritten atomically with every revision.

    Parameters
    ----------
    path : path
        A cube of the same model, such as ``sweeps score`` writes it, gains the groups and keeps all else. Where there
        is none, it is made.
    attributes : mapping of str to mapping
        Of each group that is asked for; the ``identity`` of one, a hash of what its scores depend on besides the
        weights, must be that of the existing group.
    finish : callable, optional
        Applied to the group ``ablations`` before it is written.

    Attributes
    ----------
    root : xarray.Dataset or None
        The cube's root; where the file is new, it is set before the first row.
    rows : dict of str to dict of str to ProbedRow
        By group and revision.

    Raises
    ------
    UserError
        When the existing file has a group of other settings, several runs, or is no cube.
    """

    def __init__(
        self, path: str | os.PathLike[str], attributes: Mapping[str, Mapping[str, Any]], finish: Finish | None = None
    ) -> None:
        self.path, self.finish = Path(path), finish
        self.attributes = {group: dict(said) for group, said in attributes.items()}
        self.root: xr.Dataset | None = None
        self.groups: dict[str, xr.Dataset] = {}
        self.rows: dict[str, dict[str, ProbedRow]] = {group: {} for group in PROBES}
        if self.path.exists():
            self.load()

    def load(self) -> None:
        """Read the file, to which scoring may have added checkpoints.

        Raises
        ------
        UserError
            When it has a group of other settings, several runs, or is no cube.
        """
        root = cube.read(self.path)
        if root.sizes["run"] != 1:
            raise UserError(
                f"{self.path} holds {plural(root.sizes['run'], 'run')}; expected the cube of one model: choose another "
                "`output`"
            )
        self.groups = cube.read_groups(self.path)
        self.root = with_revisions(root, str(self.path))
        for name in PROBES:
            group = self.groups.pop(name, None)
            if group is None:
                continue
            asked = self.attributes.get(name)
            if asked is not None and group.attrs.get("identity") != asked["identity"]:
                raise UserError(
                    f"{self.path} holds {name} of other prompts, settings or precision, of another model, or of an "
                    "earlier version of the probes; choose another `output`, or give the settings that it was made with"
                )
            self.attributes.setdefault(name, dict(group.attrs))
            self.adopt(name, group)

    def begin(self, root: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> None:
        """Set what a new file holds besides; rows of a group with the same settings, made in training, are taken over.

        Parameters
        ----------
        root : xarray.Dataset
            Of one run; where it has checkpoints, with their names.
        groups : mapping of str to xarray.Dataset
        """
        self.root, self.groups = root, dict(groups)
        for name in PROBES:
            made = self.groups.pop(name, None)
            asked = self.attributes.get(name)
            if made is not None and (asked is None or made.attrs.get("identity") == asked["identity"]):
                self.attributes.setdefault(name, dict(made.attrs))
                self.adopt(name, made)

    def adopt(self, name: str, group: xr.Dataset) -> None:
        """Take the rows of a ``group`` called ``name``, which has those of the root's checkpoints."""
        seconds = self.groups.get("timing", xr.Dataset()).get(SECONDS[name])
        for i, (revision, row) in enumerate(zip(self.order(), parted_rows(group, "sha256"), strict=True)):
            if row is not None:
                took = np.nan if seconds is None else float(seconds.values[0, i])
                sha256, scores = str(row["sha256"].item()), row.drop_vars("sha256")
                self.rows[name][revision] = ProbedRow(sha256=sha256, scores=scores, seconds=took)

    def order(self) -> list[str]:
        """Return the revisions of the file, in the order of training."""
        if self.root is None or "revision" not in self.root.variables:
            return []
        return [str(name) for name in self.root["revision"].values[0]]

    def having(self, probes: Sequence[str]) -> list[str]:
        """Return the revisions with scores of all of these ``probes``, in the order of training."""
        return [name for name in self.order() if set(probes) <= self.probed(name)]

    def probed(self, revision: str) -> set[str]:
        """Return the names of the probes that a ``revision`` has, of all groups."""
        return done(name for rows in self.rows.values() if revision in rows for name in rows[revision].scores)

    def check(self, sha256: Mapping[str, str]) -> None:
        """Refuse a file whose checkpoints have other weights than the model's.

        Parameters
        ----------
        sha256 : mapping of str to str
            Of revisions.

        Raises
        ------
        UserError
            Naming the first that differs.
        """
        if self.root is None or "checkpoint_sha256" not in self.root.variables:
            return
        for name, there in zip(self.order(), self.root["checkpoint_sha256"].values[0], strict=True):
            if sha256.get(name, there) != there and str(there):
                raise UserError(
                    f"{self.path} has '{name}' with other weights than the model; it is of another model, or they were "
                    "changed: choose another `output`"
                )

    def put(self, group: str, revision: str, row: ProbedRow, position: Position) -> None:
        """Set or replace a row, and write the file.

        Parameters
        ----------
        group : str
            Of its scores.
        revision : str
            A revision of the file; of a file that this made, any.
        row : ProbedRow
        position : Position
            Of the revision in training.

        Raises
        ------
        UserError
            When a cube that was there before does not have the revision, or the shape differs from that of the others.
        """
        assert self.root is not None, "the root is set before the first row"
        if revision not in self.order():
            self.root = with_checkpoint(self.root, revision, row.sha256, position, str(self.path))
        for other in self.rows[group].values():
            for dim, what in (("layer", "layer"), ("head", "head"), ("component", "component")):
                mine, theirs = row.scores.sizes.get(dim), other.scores.sizes.get(dim)
                if mine is not None and theirs is not None and mine != theirs:
                    shape = " of ".join(
                        plural(row.scores.sizes[d], d) for d in ("layer", "head") if d in row.scores.sizes
                    )
                    raise UserError(
                        f"'{revision}' has {shape or plural(mine, what)}, other revisions in {self.path} have not; "
                        "probe it into a cube of its own"
                    )
        self.rows[group][revision] = row
        self._write()

    def group(self, name: str) -> xr.Dataset:
        """Return the group called ``name``: every score with (run, checkpoint) before its dimensions."""
        assert self.root is not None and self.rows[name]
        rows = [self.rows[name].get(revision) for revision in self.order()]
        full = [None if row is None else row.scores.assign(sha256=((), row.sha256)) for row in rows]
        joined = joined_rows(full, str(self.root["run"].values[0]), self.attributes[name])
        return self.finish(joined) if name == "ablations" and self.finish is not None else joined

    def _write(self) -> None:
        assert self.root is not None
        order, timing = self.order(), self.groups.get("timing", xr.Dataset())
        if timing.sizes.get("checkpoint", len(order)) != len(order):  # of a file that this made, which has a row more
            timing = timing.drop_dims("checkpoint")
        groups = {name: self.group(name) for name, rows in self.rows.items() if rows}
        for name in groups:
            rows = [self.rows[name].get(revision) for revision in order]
            seconds = [[np.nan if row is None else row.seconds for row in rows]]
            timing = timing.assign({SECONDS[name]: (("run", "checkpoint"), np.array(seconds), {"units": "s"})})
        cube.write(self.root, self.path, {**self.groups, "timing": timing, **groups})
