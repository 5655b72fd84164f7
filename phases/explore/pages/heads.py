"""Heads: a map of layers and heads at a checkpoint, the heads of a type, and how both grew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from calque.phases.explore.elements import note, picture, shown, slider, table
from calque.phases.explore.pages.parts import PartsPage
from calque.phases.explore.pictures.cells import cell_map
from calque.phases.explore.pictures.losses import lines_picture
from calque.phases.series.components import scores_of_heads
from calque.phases.series.head_types import described, of_type
from calque.phases.series.probed import numbers

HIGHEST = 10
"""Heads that the table lists."""


class HeadsPage(PartsPage):
    """Layer by head."""

    key, group, probes = "heads", "components", "heads"
    title = "Heads"
    about = (
        "What each head does, measured on other prompts than those that decide what a head is. A pattern of attention "
        "does not show that a head carries what the model does."
    )
    hint = "Move through training with the slider."

    def build(self) -> None:
        """Make the page's widgets."""
        super().build()
        self.slider = slider("training tokens")

    @property
    def kept(self) -> dict[str, Any]:
        """Run, score and checkpoint."""
        return {**super().kept, "tokens": self.slider} if self.scores() else {}

    def scores(self) -> dict[str, str]:
        """Return the scores of heads."""
        if self.data is None:
            return {}
        return {shown(name): name for name in scores_of_heads(self.data)}

    def offer(self) -> None:
        """Update runs, scores and checkpoints."""
        super().offer()
        if not self.scores() or self.run.value is None:
            return
        at = self.probed(self.score.value)
        tokens = self.study.tokens(self.run.value)[at]
        options = dict(zip(self.named(at), map(float, tokens), strict=True)) or {"0": 0.0}
        if self.slider.options != options:
            last = self.slider.value in (list(self.slider.options.values())[-1], None)
            chosen = self.slider.value if not last and self.slider.value in options.values() else None
            value = list(options.values())[-1] if chosen is None else chosen
            self.slider.param.update(options=options, value=value)
        self.usual["tokens"] = list(options.values())[-1]

    def show(self) -> list[Any]:
        """Return the map, the type, the highest heads, and the means over training."""
        if not self.scores():
            return self.missing()
        if self.run.value is None:
            return [note("Of the chosen runs no heads were probed: choose others at the left.")]
        name, at = self.score.value, self.probed(self.score.value)
        if not at:
            return [note("This run was not probed for this score.")]
        tokens = self.study.tokens(self.run.value)
        checkpoint = next((i for i in at if tokens[i] == self.slider.value), at[-1])
        data, text = self.of_run(), f"{shown(name)} of {self.run.value}"
        values = numbers(data[name].isel(checkpoint=checkpoint), "layer", "head")
        [where] = self.named([checkpoint])
        made = cell_map(values, self.labels("layer"), self.labels("head"), f"{text} at {where} tokens", "head", "layer",
                        score=shown(name))  # fmt: skip
        return [picture(made), note(self._type(name)), self._means(name, at, text), self._highest(name, checkpoint)]

    def _place(self) -> int:
        assert self.data is not None
        return [str(run) for run in self.data["run"].values].index(self.run.value)

    def _type(self, name: str) -> str:
        assert self.data is not None
        return f"{described(self.data, name, self._place()).sentence()}."

    def _means(self, name: str, at: list[int], text: str) -> Any:
        """Return the mean over the heads of the type, and over all others, over training."""
        assert self.data is not None
        chosen, values = (
            of_type(self.data, name, self._place()),
            numbers(self.of_run()[name], "checkpoint", "layer", "head"),
        )
        tokens, pieces = self.study.tokens(self.run.value)[at], {}
        for label, which in (("heads of the type", chosen), ("other heads", ~chosen)):
            if which.any():
                y, keep = values[at][:, which].mean(1), (tokens > 0) | (not self.selection.log)
                pieces[label] = [pd.DataFrame({"x": tokens[keep], "y": y[keep], "of": label})]
        return picture(lines_picture(
            pieces, f"{text}: mean over the heads of the type at the last checkpoint, and over others",
            "training tokens", shown(name), [("", "of"), ("tokens", "x{0,0}"), ("score", "y{0.0000}")],
            log=self.selection.log, height=280,
        ))  # fmt: skip

    def _highest(self, name: str, checkpoint: int) -> Any:
        data = self.of_run().isel(checkpoint=checkpoint)
        score = numbers(data[name], "layer", "head")
        order = np.argsort(-np.nan_to_num(score, nan=-np.inf), axis=None)[:HIGHEST]
        rows = []
        for place in order:
            layer, head = np.unravel_index(place, score.shape)
            row: dict[str, Any] = {"layer": int(layer), "head": int(head)}
            for column, end in (("score", ""), ("low", "_low"), ("high", "_high"), ("control", "_control"),
                                ("p adjusted", "_p_adjusted")):  # fmt: skip
                value = float(data[f"{name}{end}"].isel(layer=layer, head=head))
                row[column] = float(f"{value:.3g}")
            rows.append(row)
        return table(pd.DataFrame(rows))
