"""Words: which concepts are acquired first, and how each grows."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import panel as pn

from calque.data.quantities import format_count
from calque.phases.explore.concepts import ASKED, concept_table, shares
from calque.phases.explore.drawing import LOOK, edges, finish, styled, token_ticks, words
from calque.phases.explore.page import Page, note, picture, table

SHOWN = 40


class WordsPage(Page):
    """A row a concept, the first acquired on top."""

    title = "Words"
    about = (
        "Which words first: a row a concept, sorted by the tokens at which half of its items (its pairs of languages) "
        "were acquired: answered correctly at three checkpoints in a row. "
        "What explains the order: 'phases acquisition CUBE'."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = [m for m in self.study.items.metrics if m in ASKED]
        first = "translation" if "translation" in metrics else metrics[0] if metrics else None
        self.metric = pn.widgets.Select(label="metric", options={words(m): m for m in metrics}, value=first, width=170)
        self.run = pn.widgets.Select(label="runs", options=[], width=220)
        self.which = pn.widgets.Select(label="words", options=[f"first {SHOWN}", f"last {SHOWN}", "all"], width=110)

    @property
    def controls(self) -> list[Any]:
        """Metric, runs, and which words."""
        return [self.metric, self.run, self.which] if self.metric.options else []

    def show(self) -> list[Any]:
        """Return the words' shares over training as a map, then their times as a table."""
        if not self.metric.options:
            return [note("The cube holds no outcomes of single items, so there are no words to show.")]
        together = self.selection.together()
        if not together:
            return [note("No run is chosen: choose one at the left.")]
        if self.run.options != list(together):
            value = self.run.value if self.run.value in together else next(iter(together))
            self.run.param.update(options=list(together), value=value)
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
        rows = shown["position"].to_numpy()[::-1]
        values = 100 * values[keep][:, rows]
        x = edges(places[keep], log)
        y = np.arange(len(rows) + 1) - 0.5
        names = shown["concept"].tolist()[::-1]
        mesh = hv.QuadMesh((x, y, values.T), ["tokens", "concept"], "share")
        at = np.minimum(shown["half by"].to_numpy()[::-1], np.inf)
        reached = np.isfinite(at) & (at > 0)
        marks = hv.Points((at[reached], np.flatnonzero(reached)), ["tokens", "concept"])
        ticks = list(enumerate(names)) if len(names) <= 120 else 0
        made = mesh.opts(
            cmap="viridis", clim=(0, 100), colorbar=True, clabel="", line_alpha=0, tools=["hover"],
            hover_tooltips=[("tokens", "@tokens"), ("share, %", "@share")], clipping_colors={"NaN": "#eef0f3"},
        ) * marks.opts(color="#ff5d5d", marker="dash", angle=90, size=12, line_width=3)  # fmt: skip
        return picture(
            styled(
                made,
                hooks=[finish(logx=log)],
                logx=log,
                xlabel="training tokens",
                ylabel="",
                yticks=ticks,
                xformatter=token_ticks(),
                height=max(260, min(14 * len(rows) + 90, 1800)),
                responsive=True,
                title=f"{words(metric)}, % of each word's items; red: half of them acquired",
                fontsize={**LOOK["fontsize"], "yticks": 8 if len(names) <= 60 else 6},
            )  # fmt: skip
        )
