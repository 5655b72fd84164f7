"""What the pages of a model's parts share: the group of the cube, its run, its checkpoints that were probed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from calque.phases.explore.elements import absent, one_of
from calque.phases.explore.page import Page
from calque.phases.series.probed import labels, named, probed


class PartsPage(Page):
    """A page of one run's group of the cube; ``group`` and ``probes`` name it, and what writes it."""

    group: str
    probes: str

    def build(self) -> None:
        """Make the page's widgets."""
        self.run = one_of("run", [], width=220)
        self.score = one_of("score", {}, width=260)

    @property
    def data(self) -> xr.Dataset | None:
        """The group; None where the cube has none."""
        return self.study.parts.get(self.group)

    @property
    def kept(self) -> dict[str, Any]:
        """Run and score."""
        return {"of": self.run, "score": self.score} if self.scores() else {}

    def scores(self) -> dict[str, str]:
        """Return the variables that the page shows, by what is shown of them."""
        return {}

    def labels(self, dim: str) -> list[str]:
        """Return the names along a dimension ``dim`` of the group."""
        assert self.data is not None
        return labels(self.data, dim)

    def offer(self) -> None:
        """Update runs and scores."""
        if self.data is None:
            return
        known = [str(run) for run in self.data["run"].values]
        self._set(self.run, {run: run for run in self.selection.runs if run in known}, "of")
        self._set(self.score, self.scores(), "score")

    def _set(self, widget: Any, options: dict[str, Any], name: str) -> None:
        """Let a widget offer options; what was chosen stays chosen if it still is one."""
        first = next(iter(options.values()), None)
        self.usual[name] = first
        if widget.options != options:
            value = widget.value if widget.value in options.values() else first
            widget.param.update(options=options, value=value)

    def of_run(self) -> xr.Dataset:
        """Return the group of the chosen run."""
        assert self.data is not None
        return self.data.isel(run=[str(run) for run in self.data["run"].values].index(self.run.value), drop=True)

    def probed(self, variable: str) -> list[int]:
        """Return the checkpoints of the chosen run that have numbers of a ``variable``."""
        return probed(self.of_run(), variable, self.study.tokens(self.run.value))

    def named(self, checkpoints: Sequence[int]) -> list[str]:
        """Return the positions of ``checkpoints`` in tokens, as names that differ."""
        return named(self.study.tokens(self.run.value)[list(checkpoints)])

    def missing(self) -> list[Any]:
        """Return the sentence that says what is not there."""
        what = f"Scores of {self.title.lower()}"
        return [absent(what, f"a cube with the group '{self.group}'", f"sweeps probe (probes {self.probes})")]
