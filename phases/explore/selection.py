"""What is chosen for all pages alike: runs, metrics, the token axis; kept in the page's address."""

from __future__ import annotations

from typing import Any

import panel as pn

from phases.explore.drawing import words
from phases.explore.series import metrics_of
from phases.explore.study import Study

FIRST_RUNS = 16
FILTERS = ("size", "mix", "corpus", "template")


class Selection:
    """The widgets at the left; ``runs`` and ``metrics`` say what they come to.

    At first: as many whole conditions as give at most 16 runs, and the shares of the standard set.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        table = study.runs
        self.filters = {
            name: pn.widgets.MultiChoice(
                name=words(name), options=table[name].unique().tolist(), placeholder="all", sizing_mode="stretch_width"
            )
            for name in FILTERS
            if name in table and table[name].nunique() > 1
        }
        self.chosen_runs = pn.widgets.MultiChoice(
            name="runs", options=table["run"].tolist(), placeholder="all that fit", sizing_mode="stretch_width"
        )
        metrics = study.metrics
        shares = [m for m in metrics if m in ("copying", "false_copying", "translation")]
        self.chosen_metrics = pn.widgets.MultiChoice(
            name="metrics", options={words(m): m for m in metrics}, value=shares or metrics[:1],
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.axis = pn.widgets.RadioButtonGroup(name="token axis", options=["log", "linear"], value="log")
        if "condition" in table and len(table) > FIRST_RUNS:
            self._narrow()

    def _narrow(self) -> None:
        """Choose evenly spaced conditions of a large study, so that the first picture can be read."""
        sizes = self.study.runs.groupby("condition", sort=False)["run"].apply(list)
        keep = max(1, int(FIRST_RUNS / max(map(len, sizes))))
        step = max(1, -(-len(sizes) // keep))
        self.chosen_runs.value = [run for runs in sizes.iloc[::step] for run in runs][:FIRST_RUNS]

    @property
    def widgets(self) -> list[Any]:
        """The widgets, in their order."""
        return [self.chosen_metrics, *self.filters.values(), self.chosen_runs, self.axis]

    @property
    def runs(self) -> list[str]:
        """The runs that fit every filter, in the cube's order; those named, when some are."""
        table = self.study.runs
        keep = table["run"].isin(self.chosen_runs.value or table["run"])
        for name, widget in self.filters.items():
            if widget.value:
                keep &= table[name].isin(widget.value)
        return table["run"][keep].tolist()

    def together(self) -> dict[str, list[str]]:
        """Return what a page can show as one: the seeds of a condition, or a run, by how it is called."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            found.setdefault(self.study.condition(run), []).append(run)
        seeds = {f"{name} ({len(runs)} runs)": runs for name, runs in found.items() if len(runs) > 1}
        return {**seeds, **{run: [run] for run in self.runs}}

    @property
    def metrics(self) -> list[str]:
        """The metrics chosen, in the cube's order."""
        return [m for m in metrics_of(self.study.cube, self.study.items) if m in self.chosen_metrics.value]

    @property
    def log(self) -> bool:
        """Whether the token axis is logarithmic."""
        return bool(self.axis.value == "log")

    def address(self) -> dict[str, Any]:
        """Return widgets by their name in the page's address."""
        named = {"metrics": self.chosen_metrics, "runs": self.chosen_runs, "axis": self.axis}
        return {**named, **self.filters}
