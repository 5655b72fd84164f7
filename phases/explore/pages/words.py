"""Words: which concepts are acquired first, and how each grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from calque.data.quantities import format_count
from calque.phases.explore.concepts import ASKED, concept_table, shares
from calque.phases.explore.elements import note, one_of, picture, table
from calque.phases.explore.page import Page
from calque.phases.explore.pictures.grid import concept_map

SHOWN = 40


class WordsPage(Page):
    """A row a concept, the first acquired on top."""

    key = "words"
    title = "Words"
    about = (
        "Which words first: a row a concept, sorted by the tokens at which half of its items (its pairs of languages) "
        "were acquired: answered correctly at three checkpoints in a row. "
        "What explains the order is a question for 'acquisition' (see the documentation)."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = [m for m in self.study.items.metrics if m in ASKED]
        first = "translation" if "translation" in metrics else metrics[0] if metrics else None
        self.metric = one_of("metric", self.study.named(metrics), first)
        self.run = one_of("runs", [], width=220)
        self.which = one_of("words", [f"first {SHOWN}", f"last {SHOWN}", "all"], width=110)

    @property
    def kept(self) -> dict[str, Any]:
        """Metric, runs, and which words."""
        return {"metric": self.metric, "of": self.run, "words": self.which} if self.metric.options else {}

    def offer(self) -> None:
        """Update the runs that there are."""
        options = list(self.selection.together())
        if not options:
            return
        self.usual["of"] = options[0]
        if self.run.options != options:
            self.run.param.update(options=options, value=self.run.value if self.run.value in options else options[0])

    def show(self) -> list[Any]:
        """Return the words' shares over training as a map, then their times as a table."""
        if not self.metric.options:
            return [note("The cube holds no outcomes of single items, so there are no words to show.")]
        together = self.selection.together()
        if not together:
            return [note("No run is chosen: choose one at the left.")]
        runs, metric = together[self.run.value], self.metric.value
        frame = concept_table(self.study, runs, metric)
        part = {"first": slice(0, SHOWN), "last": slice(-SHOWN, None)}.get(self.which.value.split()[0], slice(None))
        shown = frame.iloc[part]
        listed = frame.drop(columns="position")
        for name in ("half by", "half after"):
            listed[name] = [format_count(v) if np.isfinite(v) else "not by the end" for v in listed[name]]
        listed.insert(0, "rank", range(1, len(listed) + 1))
        listed["acquired"] = (100 * listed["acquired"]).round(0).astype(int)
        listed = listed.rename(columns={"acquired": "acquired by the end, %"}).round(2)
        return [self._map(runs, metric, shown), table(listed, height=420)]

    def _map(self, runs: list[str], metric: str, shown: Any) -> Any:
        places, values = shares(self.study, runs, metric)
        log = self.selection.log
        keep = places > 0 if log else np.ones(len(places), bool)
        title = f"{self.study.shown(metric)}, % of each word's items; red: half of them acquired"
        values = 100 * values[keep][:, shown["position"].to_numpy()]
        return picture(
            concept_map(places[keep], values, shown["concept"].tolist(), shown["half by"].to_numpy(), title, log)
        )
