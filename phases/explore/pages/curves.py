"""Curves: any metric over tokens, by run, size, mix, language, pair or group of items, seeds overlaid."""

from __future__ import annotations

from typing import Any

import pandas as pd

from calque.data.quantities import ABSENT, format_count, format_p, plural
from calque.phases.explore.elements import PicturePlace, labelled, note, one_of, shown, switch, table
from calque.phases.explore.locate_button import LocateButton
from calque.phases.explore.located import SPLITS
from calque.phases.explore.page import Page
from calque.phases.explore.pictures.colours import palette
from calque.phases.explore.pictures.curves import MOST_BANDS
from calque.phases.explore.pictures.panels import CHOICES, PanelOfLines, arrange
from calque.phases.explore.pictures.side_by_side import SideBySide
from calque.phases.explore.series import WHOLE, ScoreLine, band_words
from calque.phases.results import Transition
from calque.phases.wording import delay_outcome, growth, location, without

MOST_LINES = 400
MOST_PANELS = 6


class CurvesPage(Page):
    """Curves with the transitions known of them."""

    key = "curves"
    title = "Curves"
    about = (
        "Scores over training. Runs that differ only in their seeds share a colour. Bars below the curves: takeoff "
        "with its interval, an arrow at an open end, a hollow point for an outcome other than found; point at one for "
        "whether growth started late."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        self.split = one_of("parts", labelled(self.study.splits), WHOLE, 150)
        self.colour = one_of("colours", CHOICES, width=110)
        self.beside = one_of("side by side", ["none", *CHOICES], "auto", 110)
        self.bands, self.strips = switch("binomial bands", True), switch("takeoffs", True)
        self.fits = switch("fitted shapes", False)
        self.locate = LocateButton(
            self.study.located,
            lambda: (self.selection.runs, self.selection.metrics, self.split.value),
            self.redraw,
        )
        self.pictures, self.place = SideBySide(), PicturePlace()

    @property
    def kept(self) -> dict[str, Any]:
        """Parts, colours, panels, bands, takeoffs, fitted shapes."""
        return {
            "parts": self.split, "colours": self.colour, "beside": self.beside, "bands": self.bands,
            "takeoffs": self.strips, "fits": self.fits,
        }  # fmt: skip

    @property
    def controls(self) -> list[Any]:
        """The widgets and the button."""
        return [*self.kept.values(), self.locate.view]

    def show(self) -> list[Any]:
        """Return the panels, then the verdicts as a table."""
        chosen, split = self.selection, self.split.value
        if not chosen.runs or not chosen.metrics:
            return [note("Nothing is chosen: choose a metric and a run at the left.")]
        series, read = self.study.many_lines(chosen.runs, chosen.metrics, split, MOST_LINES)
        if not series:
            return [note(f"None of the chosen metrics is known by {shown(split)}: choose other parts or metrics.")]
        panels = arrange(self.study, series, split, self.colour.value, self.beside.value)
        few = panels[:MOST_PANELS]
        drawn = self.pictures.draw(
            few, self.study.located, split, log=chosen.log, bands=self.bands.value, strips=self.strips.value,
            fits=self.fits.value, height=420 if len(few) == 1 else 320, colours=self._colours(few),
        )  # fmt: skip
        out, said = [self.place.show(drawn)], []
        runs = len(chosen.runs)
        left = [f"{runs - read} of the {plural(runs, 'run')}, as there are {MOST_LINES} lines already"] * (read < runs)
        left += [f"{len(panels) - MOST_PANELS} panels more than {MOST_PANELS}"] * (len(panels) > MOST_PANELS)
        if left:
            said.append(f"Not shown: {' and '.join(left)}; choose fewer runs, metrics or parts.")
        if self.bands.value and (shares := [s for s in series if s.share]):
            words = band_words(shares, self.study.items)
            said.append(f"Bands: {words}; left out of panels with more than {MOST_BANDS} lines.")
        if self.fits.value:
            here = self.study.located.fits
            known_here = sum((s.run, split, s.part, s.metric) in here for s in series)
            hint = "" if known_here == len(series) else f"; {self.locate.hint}"
            said.append(f"Fitted shapes, dashed: known of {known_here} of {plural(len(series), 'line')}{hint}.")
        return [*out, note(*said), *self._verdicts(series)]

    def _colours(self, panels: list[PanelOfLines]) -> dict[str, str]:
        labels = list(dict.fromkeys(label for panel in panels for label in panel.lines))
        sizes = self.study.runs["size"].unique().tolist() if "size" in self.study.runs else []
        ordered = bool(labels) and self.colour.value in ("auto", "size") and set(labels) <= set(sizes)
        named = {self.study.shown(m): m for m in self.selection.metrics}
        hues = palette([named.get(label, label) for label in labels], ordered)
        return {label: hues[named.get(label, label)] for label in labels}

    def _verdicts(self, series: list[ScoreLine]) -> list[Any]:
        rows = []
        for s in series:
            found = self.study.located.of(s.run, self.split.value, s.part, s.metric)
            if "takeoff" in found:
                rows.append(self._row(s, found))
                less = {k: one for k, t in found.items() if (one := without(t)) is not None}
                if less:
                    checkpoint = format_count(next(iter(less.values())).without_checkpoint)
                    rows.append(self._row(s, less) | {"metric": f"… without {checkpoint}"})
        if rows:
            frame = pd.DataFrame(rows)
            return [table(frame.drop(columns=["part"]) if not frame["part"].any() else frame)]
        if self.split.value in SPLITS:
            return [note(f"No transition is known of these yet: {self.locate.hint}.")]
        return []

    def _row(self, s: ScoreLine, found: dict[str, Transition]) -> dict[str, str]:
        delay = found.get("delay")
        why = found.get("takeoff", delay)
        return {
            "run": s.run,
            "part": s.part,
            "metric": self.study.shown(s.metric),
            "delayed start": ABSENT if delay is None else delay_outcome(delay),
            "p": format_p(None if delay is None else delay.p_value),
            "growth": growth(None if delay is None else delay.elasticity),
            "takeoff": location(found.get("takeoff")),
            "t50": location(found.get("t50")),
            "peak": location(found.get("peak")),
            "in words": "" if why is None else why.reason,
        }
