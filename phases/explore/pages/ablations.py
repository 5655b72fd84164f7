"""Ablations: what breaks when heads are taken away, blocks are swapped between checkpoints, components are scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from calque.phases.explore.elements import note, one_of, picture, shown, table
from calque.phases.explore.pages.parts import PartsPage
from calque.phases.explore.pictures.cells import cell_map
from calque.phases.explore.pictures.losses import lines_picture
from calque.phases.series.probed import numbers

WHAT = {
    "swaps": "layer swaps: score of the hybrid", "swaps_interaction": "layer swaps: interaction",
    "scaling_change": "components scaled: change of the score", "allocation": "change of the loss by component",
    "head_ablation": "repeating without the strongest heads: change", "part_ablation": "answers without a part: change",
    "co_ablation": "further loss once the strongest heads are gone",
}  # fmt: skip
"""Variables of the group that are shown, and what is shown of each."""


class AblationsPage(PartsPage):
    """Swaps, scaling, allocation, heads."""

    key, group, probes = "ablations", "ablations", "ablations"
    title = "Ablations"
    about = (
        "What a model scores with parts taken away or exchanged. Other parts make up for what is missing, so that a "
        "small effect does not show that a part does nothing."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        super().build()
        self.measure, self.range = one_of("measure", {}, width=190), one_of("blocks", {}, width=150)

    @property
    def kept(self) -> dict[str, Any]:
        """Run, score, measure and range of blocks."""
        return {**super().kept, "measure": self.measure, "blocks": self.range} if self.scores() else {}

    def scores(self) -> dict[str, str]:
        """Return the ablations that the group holds."""
        return {} if self.data is None else {text: name for name, text in WHAT.items() if name in self.data}

    def offer(self) -> None:
        """Update runs, ablations, measures and ranges."""
        super().offer()
        if not self.scores() or self.data is None:
            return
        dims = self.data[self.score.value].dims
        of = next((dim for dim in ("measure", "repeating", "loss") if dim in dims), None)
        self._set(self.measure, {shown(n): n for n in self.labels(of)} if of else {}, "measure")
        of = next((dim for dim in ("range", "part") if dim in dims), None)
        self._set(self.range, {n: n for n in self.labels(of)} if of else {}, "blocks")

    def show(self) -> list[Any]:
        """Return the picture of what is chosen."""
        if not self.scores():
            return self.missing()
        if self.run.value is None:
            return [note("Of the chosen runs nothing was ablated: choose others at the left.")]
        at = self.probed(self.score.value)
        if not at:
            return [note("This was not computed for this run.")]
        kind = self.score.value.partition("_")[0]
        return {
            "swaps": self._swaps, "scaling": self._scaling, "allocation": self._allocation, "head": self._heads,
            "part": self._parts, "co": self._backups,
        }[kind](at)  # fmt: skip

    def _swaps(self, at: list[int]) -> list[Any]:
        data = self.of_run()[self.score.value].sel(measure=self.measure.value, range=self.range.value)
        values = numbers(data, "donor", "checkpoint")[:, at]
        around = 0.0 if self.score.value == "swaps_interaction" else None
        title = f"{shown(self.measure.value)} of {self.run.value} with {self.range.value} of a donor"
        made = cell_map(values, self.labels("donor"), self.named(at), title, "host, at training tokens", "donor",
                        score=shown(self.measure.value), around=around)  # fmt: skip
        said = (
            "Interaction: the hybrid and its counterpart minus host and donor; 0 where blocks and the rest add up."
            if around is not None else "On the diagonal a checkpoint is its own donor."
        )  # fmt: skip
        return [picture(made), note(said)]

    def _scaling(self, at: list[int]) -> list[Any]:
        data = self.of_run().isel(checkpoint=at[-1]).sel(measure=self.measure.value)
        change, low, high = (
            numbers(data[f"scaling_change{end}"], "component", "factor") for end in ("", "_low", "_high")
        )
        factors, names = np.asarray(self.of_run()["factor"], float), self.labels("component")
        order = np.argsort(factors)
        title = f"{shown(self.measure.value)} of {self.run.value}: change from the whole model"
        made = cell_map(change[:, order], names, [f"{f:g}" for f in factors[order]], title, "factor of its update",
                        "component", score="change", around=0.0)  # fmt: skip
        rows = [
            {"component": names[c], "factor": f"{factors[f]:g}", "change": float(f"{change[c, f]:.3g}"),
             "low": float(f"{low[c, f]:.3g}"), "high": float(f"{high[c, f]:.3g}")}
            for c, f in np.ndindex(change.shape) if factors[f] != 1
        ]  # fmt: skip
        said = "Factor 0 gives a component the weights of the first checkpoint, 1 leaves it as it is."
        return [picture(made), note(said), table(pd.DataFrame(rows), height=360)]

    def _allocation(self, at: list[int]) -> list[Any]:
        data = self.of_run()["allocation"].sel(loss=self.measure.value)
        title = f"loss of {shown(self.measure.value)} of {self.run.value}: change since the checkpoint before"
        made = cell_map(numbers(data, "component", "checkpoint")[:, at], self.labels("component"), self.named(at),
                        title, "training tokens", "component", score="nats", around=0.0)  # fmt: skip
        return [picture(made), note("Below 0 the component's update lowered the loss; the parts sum to the whole.")]

    def _heads(self, at: list[int]) -> list[Any]:
        data = self.of_run().sel(repeating=self.measure.value)
        tokens, pieces = self.study.tokens(self.run.value)[at], {}
        keep = (tokens > 0) | (not self.selection.log)
        for label, name in (("the strongest heads", "head_ablation"), ("as many others", "head_ablation_control")):
            y = numbers(data[name], "checkpoint")[at]
            pieces[label] = [pd.DataFrame({"x": tokens[keep], "y": y[keep], "of": label})]
        made = lines_picture(
            pieces, f"repeating ({shown(self.measure.value)}) of {self.run.value}: change without heads",
            "training tokens", "change", [("without", "of"), ("tokens", "x{0,0}"), ("change", "y{0.0000}")],
            log=self.selection.log,
        )  # fmt: skip
        return [picture(made), note("The strongest heads are those of the highest prefix matching, on other prompts.")]

    def _parts(self, at: list[int]) -> list[Any]:
        data = self.of_run().sel(part=self.range.value, measure=self.measure.value)
        title = f"{shown(self.measure.value)} of {self.run.value} without {self.range.value} of a block: change"
        made = cell_map(numbers(data["part_ablation"], "layer", "checkpoint")[:, at], self.labels("layer"),
                        self.named(at), title, "training tokens", "block", score="change", around=0.0)  # fmt: skip
        said = "Below 0 the part carries the score. Control: the same part of other blocks. At the last checkpoint:"
        return [picture(made), note(said), _compared(data.isel(checkpoint=at[-1]), "part_ablation", ("layer",))]

    def _backups(self, at: list[int]) -> list[Any]:
        data = self.of_run().sel(measure=self.measure.value).isel(checkpoint=at[-1])
        title = f"{shown(self.measure.value)} of {self.run.value}: further loss once the strongest heads are gone"
        made = cell_map(numbers(data["co_ablation"], "layer", "head"), self.labels("layer"), self.labels("head"), title,
                        "head", "layer", score="interaction", around=0.0)  # fmt: skip
        said = (
            "Effect of both minus that of each alone, at the last checkpoint: below 0 a head matters more once the "
            "strongest, grey, are gone. Control: other heads at random in their place."
        )
        return [picture(made), note(said), _compared(data, "co_ablation", ("layer", "head"))]


def _compared(data: Any, name: str, dims: tuple[str, ...]) -> Any:
    """Return a table of a variable with interval, control and adjusted p-value; what is missing is left out."""
    ends = {"change": "", "low": "_low", "high": "_high", "control": "_control", "p adjusted": "_p_adjusted"}
    values = {column: numbers(data[f"{name}{end}"], *dims) for column, end in ends.items()}
    rows = [
        {**{dim: int(data[dim].values[i]) for dim, i in zip(dims, place, strict=True)},
         **{column: float(f"{of[place]:.3g}") for column, of in values.items()}}
        for place in np.ndindex(values["change"].shape) if np.isfinite(values["change"][place])
    ]  # fmt: skip
    return table(pd.DataFrame(rows), height=360)
