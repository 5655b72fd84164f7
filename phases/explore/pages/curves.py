"""Curves: any metric over tokens, by run, size, mix, language, pair or group of items, seeds overlaid."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn

from calque.data.quantities import ABSENT, format_count, format_p
from calque.phases.explore.curves import MOST_BANDS, draw_panel
from calque.phases.explore.drawing import palette, words
from calque.phases.explore.locate_button import LOCATE, LocateButton
from calque.phases.explore.located import SPLITS
from calque.phases.explore.page import Page, note, picture, table
from calque.phases.explore.panels import CHOICES, arrange
from calque.phases.explore.series import BAND, WHOLE, ScoreLine, many
from calque.phases.results import Transition
from calque.phases.wording import growth, location, outcome_words, without

MOST_LINES = 400
MOST_PANELS = 6


class CurvesPage(Page):
    """Curves with the transitions known of them."""

    title = "Curves"
    about = (
        "Scores over training. Runs that differ only in their seeds share a colour. Bars below the curves: takeoff "
        "with its interval, an arrow at an open end, a hollow point for an outcome other than found; point at one for "
        "whether growth started late."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        self.split = pn.widgets.Select(
            label="parts", options={words(s): s for s in self.study.splits}, value=WHOLE, width=150
        )
        self.colour = pn.widgets.Select(label="colours", options=list(CHOICES), width=110)
        self.beside = pn.widgets.Select(label="side by side", options=["none", *CHOICES], value="auto", width=110)
        self.bands = pn.widgets.Checkbox(label="binomial bands", value=True)
        self.strips = pn.widgets.Checkbox(label="takeoffs", value=True)
        self.locate = LocateButton(
            self.study.located,
            lambda: (self.selection.runs, self.selection.metrics, self.split.value),
            self.redraw,
        )

    @property
    def controls(self) -> list[Any]:
        """Parts, colours, panels, bands, takeoffs, and the button."""
        return [self.split, self.colour, self.beside, self.bands, self.strips, self.locate.view]

    def show(self) -> list[Any]:
        """Return the panels, then the verdicts as a table."""
        chosen, split = self.selection, self.split.value
        if not chosen.runs or not chosen.metrics:
            return [note("Nothing is chosen: choose a metric and a run at the left.")]
        positions = [self.study.position(run) for run in chosen.runs]
        series, cut = many(self.study.cube, self.study.items, positions, chosen.metrics, split, MOST_LINES)
        if not series:
            return [note(f"None of the chosen metrics is known by {words(split)}: choose other parts or metrics.")]
        panels = arrange(self.study, series, split, self.colour.value, self.beside.value)
        labels = list(dict.fromkeys(label for panel in panels for label in panel.lines))
        ordered = bool(labels) and self.colour.value in ("auto", "size") and set(labels) <= set(_sizes(self))
        hues = palette([label.replace(" ", "_") for label in labels], ordered)
        colours = {label: hues[label.replace(" ", "_")] for label in labels}
        shown = panels[:MOST_PANELS]
        drawn = [
            picture(
                draw_panel(
                    panel,
                    self.study.located,
                    split,
                    log=chosen.log,
                    bands=self.bands.value,
                    strips=self.strips.value,
                    height=420 if len(shown) == 1 else 320,
                    colours=colours,
                )  # fmt: skip
            )
            for panel in shown
        ]
        out = [*drawn] if len(drawn) == 1 else [pn.GridBox(*drawn, ncols=2, sizing_mode="stretch_width")]
        left = [f"{cut} lines more than {MOST_LINES}"] * bool(cut)
        left += [f"{len(panels) - MOST_PANELS} panels more than {MOST_PANELS}"] * (len(panels) > MOST_PANELS)
        if left:
            out.append(note(f"Not shown: {' and '.join(left)}; choose fewer runs, metrics or parts."))
        if self.bands.value and any(s.share for s in series):
            out.append(note(f"Bands: {BAND}; left out of panels with more than {MOST_BANDS} lines."))
        return [*out, *self._verdicts(series)]

    def _verdicts(self, series: list[ScoreLine]) -> list[Any]:
        rows = []
        for s in series:
            known = self.study.located.of(s.run, self.split.value, s.part, s.metric)
            if "takeoff" in known:
                rows.append(_row(s, known))
                less = {k: one for k, t in known.items() if (one := without(t)) is not None}
                if less:
                    checkpoint = format_count(next(iter(less.values())).without_checkpoint)
                    rows.append(_row(s, less) | {"metric": f"… without {checkpoint}"})
        if rows:
            frame = pd.DataFrame(rows)
            return [table(frame.drop(columns=["part"]) if not frame["part"].any() else frame)]
        if self.split.value in SPLITS:
            return [note(f"No transition is known of these yet: {LOCATE} finds them, or start with --detect FILE.")]
        return []


def _row(s: ScoreLine, known: dict[str, Transition]) -> dict[str, str]:
    delay = known.get("delay")
    why = known.get("takeoff", delay)
    return {
        "run": s.run,
        "part": s.part,
        "metric": words(s.metric),
        "delayed start": ABSENT if delay is None else outcome_words(delay.outcome),
        "p": format_p(None if delay is None else delay.p_value),
        "growth": growth(None if delay is None else delay.elasticity),
        "takeoff": location(known.get("takeoff")),
        "t50": location(known.get("t50")),
        "peak": location(known.get("peak")),
        "in words": "" if why is None else why.reason,
    }


def _sizes(page: CurvesPage) -> list[str]:
    return page.study.runs["size"].unique().tolist() if "size" in page.study.runs else []
