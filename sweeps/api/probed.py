"""What ``calque.probe`` returns: scores of the parts of a model, or of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xarray as xr

from calque.data.cube import read, read_groups
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.result import Result, Rows
from calque.models.config.probes import ABLATIONS, COMPONENTS, HEADS, WORD_HEADS, of_group, scores_of_heads
from calque.models.huggingface.config_file import brief
from calque.sweeps.api.probed_ablations import ablation_rows, ablation_tables, instead_note
from calque.sweeps.api.probed_heads import head_map, highest, rows_of
from calque.sweeps.probe.probing import ProbeResult
from calque.sweeps.score.notes import left_out_note

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProbedModel(Result):
    """The scores of one model.

    Attributes
    ----------
    groups : dict of str to xarray.Dataset
        By the group of a cube that would hold them: ``components``, ``ablations``.
    probes : tuple of str
        Names of the probes.
    """

    groups: dict[str, xr.Dataset] = field(default_factory=dict)
    probes: tuple[str, ...]

    @property
    def components(self) -> xr.Dataset:
        """The scores of heads; none of them where none were asked for."""
        return self.groups.get(COMPONENTS, xr.Dataset())

    @property
    def ablations(self) -> xr.Dataset:
        """What ablations change."""
        return self.groups.get(ABLATIONS, xr.Dataset())

    @property
    def heads(self) -> tuple[str, ...]:
        """The probes of heads that were asked for."""
        return tuple(name for name in self.probes if name in (*HEADS, *WORD_HEADS))

    def to_dict(self) -> dict[str, Any]:
        """Return the scores of all heads, and what ablations change, as JSON-ready values."""
        level = next(iter(self.groups.values())).attrs.get("level")
        found = {"schema": 1, "level": level, "heads": list(rows_of(self.components, scores_of_heads(self.heads)))}
        one = self.ablations.expand_dims(run=1, checkpoint=1)
        return found | ({"ablations": list(ablation_rows(one, [None]))} if ABLATIONS in self.groups else {})

    def tables(self) -> dict[str, Rows]:
        """Return ``heads``, a row a head and probe, and ``ablations``, a row a measure."""
        found = self.to_dict()
        heads = {"heads": Rows(found["heads"], ("probe", "layer", "head"))} if self.heads else {}
        return heads | ({"ablations": Rows(found["ablations"], ("probe",))} if "ablations" in found else {})

    def renderables(self) -> Sequence[RenderableType]:
        """Return the highest heads of each probe, how many are above their control, and what ablations change."""
        from rich.text import Text

        heads = highest(self.components, scores_of_heads(self.heads), "") if self.heads else []
        noted = map(Text, instead_note(self.ablations.attrs.get("instead", "")))
        return [*noted, *heads, *ablation_tables(self.to_dict().get("ablations", []))]

    def plot(self, probe: str | None = None, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the score of every head as a map of layers and heads.

        Parameters
        ----------
        probe : str, optional
            Its name; the first of heads when None.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.HeatMap

        Raises
        ------
        UserError
            When the probe was not asked for, or the back end is none.
        """
        return head_map(self.components, _drawn(probe, self.heads), ax, backend)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProbedCheckpoints(Result):
    """Checkpoints that were probed into a cube.

    Attributes
    ----------
    probed : ProbeResult
        The cube's file, and the revisions that could not be probed.
    probes : tuple of str
        Names of the probes.
    left_out : tuple of str
        Revisions whose names tell no position in training.
    final : str, optional
        Name of the model that a Trainer leaves beside its checkpoints.
    """

    probed: ProbeResult
    probes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    final: str | None = None

    @property
    def failed(self) -> dict[str, str]:
        """Revisions that could not be probed, and why."""
        return self.probed.failed

    @cached_property
    def cube(self) -> xr.Dataset:
        """The cube, read from its file."""
        return read(self.probed.file.path)

    @cached_property
    def groups(self) -> dict[str, xr.Dataset]:
        """The groups of the cube's file, ``components`` or ``ablations`` among them."""
        return read_groups(self.probed.file.path)

    @property
    def components(self) -> xr.Dataset:
        """The scores of heads, with dimensions (run, checkpoint, layer, head)."""
        return self.groups[COMPONENTS]

    @property
    def ablations(self) -> xr.Dataset:
        """What ablations change, with dimensions (run, checkpoint, ...)."""
        return self.groups[ABLATIONS]

    @property
    def heads(self) -> tuple[str, ...]:
        """The probes of heads that were asked for."""
        return tuple(name for name in self.probes if name in (*HEADS, *WORD_HEADS))

    def having(self) -> list[str]:
        """Return the revisions with one at least of the probes, in the order of training."""
        file = self.probed.file
        return [name for name in file.order() if file.probed(name) & set(self.probes)]

    def last(self) -> tuple[str, xr.Dataset]:
        """Return the last revision that has all probes of heads, and its scores."""
        name = self.probed.file.having(self.heads)[-1]
        return name, self.probed.file.rows[COMPONENTS][name].scores

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps probe --json`` writes: the checkpoints, the heads of the last one, and ablations."""
        file = self.probed.file
        assert file.root is not None
        tokens = dict(zip(file.order(), file.root["tokens"].values[0].tolist(), strict=True))
        sha256 = {name: row.sha256 for rows in file.rows.values() for name, row in rows.items()}
        found: dict[str, Any] = {
            "schema": 1, "cube": str(file.path), "level": next(iter(file.attributes.values()))["level"],
            "checkpoints": [{"revision": one, "tokens": tokens[one], "sha256": sha256[one]} for one in self.having()],
        }  # fmt: skip
        if self.heads and file.having(self.heads):
            name, scores = self.last()
            found |= {"last": name, "heads": list(rows_of(scores, scores_of_heads(self.heads)))}
        if file.rows[ABLATIONS] and of_group(ABLATIONS, self.probes):
            rows = ablation_rows(file.group(ABLATIONS), file.order())
            found["ablations"] = [row for row in rows if row["probe"] in self.probes]
        return found | {"failed": [{"revision": one, "reason": why} for one, why in self.failed.items()]}

    def tables(self) -> dict[str, Rows]:
        """Return ``heads`` of the last checkpoint, ``ablations``, ``checkpoints``, a row each, and ``failed``."""
        found, keys = self.to_dict(), {"heads": ("probe", "layer", "head"), "ablations": ("probe", "checkpoint")}
        return {
            **{name: Rows(found[name], key) for name, key in keys.items() if name in found},
            "checkpoints": Rows(found["checkpoints"], ("revision",)), "failed": Rows(found["failed"], ("revision",)),
        }  # fmt: skip

    def doubts(self) -> list[str]:
        """Return what a person should know, a line each: what was left out or not probed."""
        failed = (f"'{brief(revision, 60)}' was not probed: {why}" for revision, why in self.failed.items())
        said = self.probed.file.attributes.get(ABLATIONS, {}).get("settings_json", "{}")
        noted = instead_note(json.loads(said).get("ablations", {}).get("instead", ""))
        return [*left_out_note(self.left_out, self.final), *noted, *failed]

    def renderables(self) -> Sequence[RenderableType]:
        """Return the doubts, the highest heads at the last checkpoint, and what ablations change."""
        from rich.text import Text

        lines: list[RenderableType] = [Text(line) for line in self.doubts()]
        if self.heads and self.probed.file.having(self.heads):
            name, scores = self.last()
            where = f" at '{brief(name, 40)}', the last of {plural(len(self.having()), 'checkpoint')}"
            lines += highest(scores, scores_of_heads(self.heads), where)
        return [*lines, *ablation_tables(self.to_dict().get("ablations", []))]

    def plot(self, probe: str | None = None, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the score of every head at the last checkpoint, as :meth:`ProbedModel.plot` does.

        Parameters
        ----------
        probe : str, optional
            Its name; the first of heads when None.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.HeatMap

        Raises
        ------
        UserError
            When the probe was not asked for, or the back end is none.
        """
        drawn = _drawn(probe, self.heads)
        return head_map(self.last()[1], drawn, ax, backend)


def _drawn(probe: str | None, heads: Sequence[str]) -> str:
    if not heads:
        raise UserError("`probes` has none of heads; their map is all that is drawn here, the rest by phases explore")
    return probe or heads[0]
