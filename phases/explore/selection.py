"""The selection that all pages share: runs, metrics, the token axis; kept in the page's address."""

from __future__ import annotations

from typing import Any

from calque.data.metrics import HEADLINE
from calque.data.quantities import plural
from calque.phases.explore.elements import one_of, shown, some_of
from calque.phases.explore.study import Study

FIRST_RUNS = 16
FILTERS = ("cube", "size", "mix", "corpus", "template")


class Selection:
    """The widgets at the left; ``runs`` and ``metrics`` are the names selected.

    At first these are the shares of the standard set; with more than 16 runs, the runs of one mix.

    Parameters
    ----------
    study : Study
        Runs and metrics to select from.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        table = study.runs
        self.filters = {
            name: some_of(shown(name), table[name].unique().tolist(), empty="all")
            for name in FILTERS
            if name in table and table[name].nunique() > 1
        }
        self.chosen_runs = some_of("runs", table["run"].tolist(), empty="all that fit")
        shares = [m for m in study.metrics if m in HEADLINE]
        self.chosen_metrics = some_of("metrics", study.named(study.metrics), shares or study.metrics[:1])
        self.axis = one_of("token axis", ("log", "linear"), width=110)
        self._narrow()

    def _narrow(self) -> None:
        """Select the template, corpus and mix with most runs in a large study, so that the first picture is legible."""
        for name in ("template", "corpus", "mix"):
            if name in self.filters and len(self.runs) > FIRST_RUNS:
                left = self.study.runs[self.study.runs["run"].isin(self.runs)]
                self.filters[name].value = [left[name].value_counts(sort=True).index[0]]

    @property
    def kept(self) -> dict[str, Any]:
        """The widgets, in their order, by their names in the page's address."""
        return {"metrics": self.chosen_metrics, **self.filters, "runs": self.chosen_runs, "axis": self.axis}

    @property
    def runs(self) -> list[str]:
        """The runs that pass every filter, in the cube's order; if runs are selected by name, only these."""
        table = self.study.runs
        keep = table["run"].isin(self.chosen_runs.value or table["run"])
        for name, widget in self.filters.items():
            if widget.value:
                keep &= table[name].isin(widget.value)
        return table["run"][keep].tolist()

    def together(self) -> dict[str, list[str]]:
        """Return the sets of runs that a page can show as one, by name: the seeds of a condition, or a single run."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            found.setdefault(self.study.condition(run), []).append(run)
        seeds = {f"{name} ({plural(len(runs), 'run')})": runs for name, runs in found.items() if len(runs) > 1}
        return {**seeds, **{run: [run] for run in self.runs}}

    @property
    def metrics(self) -> list[str]:
        """The metrics chosen, in the cube's order."""
        return [m for m in self.study.metrics if m in self.chosen_metrics.value]

    @property
    def log(self) -> bool:
        """Whether the token axis is logarithmic."""
        return bool(self.axis.value == "log")
