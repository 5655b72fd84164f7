"""Training text: which language's text lowered or raised the loss of which pair, in which component."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from calque.phases.explore.elements import absent, note, one_of, picture, table
from calque.phases.explore.pages.parts import PartsPage
from calque.phases.explore.pictures.cells import cell_map
from calque.phases.series.probed import numbers

SUMS = {
    "all of training: text by pair": "pairs", "one pair: text over training": "training",
    "one pair: component by text": "components",
}  # fmt: skip


class TrainingTextPage(PartsPage):
    """Parts of the changes of losses, by class of training text."""

    key, group = "text", "attribution"
    title = "Training text"
    about = (
        "Parts of the text of each language in the changes of the losses of words, in nats: below 0 its updates "
        "lowered the loss. The parts of a pair sum to its change. A part says what the text did beside the others as "
        "they were, not what training without it would give."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        super().build()
        self.pair = one_of("pair", {}, width=150)

    @property
    def kept(self) -> dict[str, Any]:
        """Run, view and pair."""
        return {**super().kept, "pair": self.pair} if self.scores() else {}

    def scores(self) -> dict[str, str]:
        """Return the views; none where the cube has no parts."""
        return {} if self.data is None else SUMS

    def offer(self) -> None:
        """Update runs, views and pairs."""
        super().offer()
        if self.data is not None:
            self._set(self.pair, {name: name for name in self.labels("pair")}, "pair")

    def missing(self) -> list[Any]:
        """Return the sentence that says what is not there."""
        made = "sweeps run of a study with training: {attribution: {}}"
        return [absent("Parts of the training text", f"a cube with the group '{self.group}'", made)]

    def show(self) -> list[Any]:
        """Return the picture of what is chosen."""
        if not self.scores():
            return self.missing()
        if self.run.value is None or not (at := self.probed("attribution")):
            return [note("Of the chosen runs nothing was attributed: choose others at the left.")]
        data, text, of = self.of_run().isel(checkpoint=at), self.labels("trained_on"), f"of {self.run.value}"
        if self.score.value == "pairs":
            summed = data["attribution"].sum(("checkpoint", "component"), min_count=1)
            return [self._map(numbers(summed, "trained_on", "pair"), text, self.labels("pair"),
                              f"changes of the losses {of}", "pair: source-target", "training text")]  # fmt: skip
        data = data.sel(pair=self.pair.value)
        if self.score.value == "training":
            summed = data["attribution"].sum("component", min_count=1)
            made = self._map(numbers(summed, "trained_on", "checkpoint"), text, self.named(at),
                             f"change of the loss of {self.pair.value} {of} since the checkpoint before",
                             "training tokens", "training text")  # fmt: skip
            return [made, self._table(data["attribution_by_cluster"].sum(("component", "checkpoint"), min_count=1))]
        summed = data["attribution"].sum("checkpoint", min_count=1)
        return [self._map(numbers(summed, "component", "trained_on"), self.labels("component"), text,
                          f"change of the loss of {self.pair.value} {of}", "training text", "component")]  # fmt: skip

    def _map(self, values: Any, rows: list[str], columns: list[str], title: str, xlabel: str, ylabel: str) -> Any:
        return picture(cell_map(values, rows, columns, title, xlabel, ylabel, score="nats", around=0.0))

    def _table(self, by_cluster: Any) -> Any:
        """Return the parts over all of training with their intervals over clusters of concepts."""
        values = numbers(by_cluster, "trained_on", "cluster")
        mean, count = values.mean(1), values.shape[1]
        level = float(self.data.attrs.get("level", 0.95)) if self.data is not None else 0.95
        half = values.std(1, ddof=1) / np.sqrt(count) * stats.t.ppf((1 + level) / 2, count - 1)
        rows = [
            {"training text": name, "nats": float(f"{m:.3g}"), "low": float(f"{m - h:.3g}"),
             "high": float(f"{m + h:.3g}")}
            for name, m, h in zip(self.labels("trained_on"), mean, half, strict=True)
        ]  # fmt: skip
        return table(pd.DataFrame(rows), height=260)
