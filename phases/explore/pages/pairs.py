"""Pairs: source by target at a position in training, their takeoffs, and the curves of one pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calque.data.metrics import ITEM_LOGPROBS
from calque.data.quantities import format_count
from calque.phases.explore.elements import PicturePlace, note, one_of, picture, row, slider
from calque.phases.explore.locate_button import LocateButton
from calque.phases.explore.page import Page
from calque.phases.explore.pairs import UNLIKE_FOUND, languages, positions, rate_table, takeoff_table
from calque.phases.explore.pictures.colours import palette
from calque.phases.explore.pictures.grid import pair_map
from calque.phases.explore.pictures.panels import arrange
from calque.phases.explore.pictures.side_by_side import SideBySide
from calque.phases.explore.series import PAIR, pair_label


class PairsPage(Page):
    """Heat maps of directed pairs, and the curves of the pair that is chosen, also by a click on its cell."""

    key = "pairs"
    title = "Pairs"
    about = "Directed pairs of languages: prompts in the source, answers in the target; the diagonal repeats a word."
    hint = "Move through training with the slider; choose a pair, or click its cell, for its curves below."

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = list(self.study.items.metrics)
        first = "translation" if "translation" in metrics else metrics[0] if metrics else None
        self.metric = one_of("metric", self.study.named(metrics), first)
        self.run = one_of("runs", [], width=220)
        self.slider = slider("training tokens")
        self.pair = one_of("pair", [], width=110)
        self.locate = LocateButton(self.study.located, lambda: (self._runs(), [self.metric.value], PAIR), self.redraw)
        self.pictures, self.place = SideBySide(), PicturePlace()

    @property
    def kept(self) -> dict[str, Any]:
        """Metric, run, position and pair."""
        if not self.study.items.metrics:
            return {}
        return {"metric": self.metric, "of": self.run, "tokens": self.slider, "pair": self.pair}

    @property
    def controls(self) -> list[Any]:
        """The widgets and the button."""
        return [*self.kept.values(), self.locate.view] if self.kept else []

    def _runs(self) -> list[str]:
        return self.selection.together().get(self.run.value) or self.selection.runs[:1]

    def offer(self) -> None:
        """Update the runs, the positions and the pairs that there are."""
        options = list(self.selection.together())
        if not self.kept or not options:
            return
        self.usual["of"] = options[0]
        if self.run.options != options:
            self.run.param.update(options=options, value=self.run.value if self.run.value in options else options[0])
        places = positions(self.study, self._runs()).tolist()
        self.usual["tokens"] = places[-1]
        if list(self.slider.options.values()) != places:
            last = self.slider.value == list(self.slider.options.values())[-1] or self.slider.value not in places
            value = places[-1] if last else self.slider.value
            self.slider.param.update(options={format_count(t) if t else "0": t for t in places}, value=value)
        self.order = self._languages()
        sources, targets = self.order
        pairs = [pair_label(s, t) for s in sources for t in targets]
        apart = next((pair_label(s, t) for s in sources for t in targets if s != t), pairs[0] if pairs else None)
        self.usual["pair"] = apart
        if self.pair.options != pairs:
            self.pair.param.update(options=pairs, value=self.pair.value if self.pair.value in pairs else apart)

    def _languages(self) -> tuple[list[str], list[str]]:
        sources, targets = languages(self.study, self._runs(), self.metric.value)
        names = self.study.items.labels("source"), self.study.items.labels("target")
        return [names[0][i] for i in sources], [names[1][i] for i in targets]

    def show(self) -> list[Any]:
        """Return both heat maps and the curves of a pair."""
        if not self.study.items.metrics:
            return [note("The cube holds no outcomes of single items, so there are no pairs of languages to show.")]
        if not self.selection.runs:
            return [note("No run is chosen: choose one at the left.")]
        runs, metric = self._runs(), self.metric.value
        if not self.order[0]:
            return [note(f"None of the chosen runs has an item of {self.study.shown(metric)}.")]
        return [row(self._rates(runs, metric), self._takeoffs(runs, metric)), self._curves(runs)]

    def _clicked(self, source: str, target: str) -> None:
        label = pair_label(source, target)
        if label in self.pair.options:
            self.pair.value = label

    def _rates(self, runs: list[str], metric: str) -> Any:
        frame = rate_table(self.study, runs, metric, float(self.slider.value))
        share = metric not in ITEM_LOGPROBS
        frame["value"] = frame["value"] * (100 if share else 1)
        unit, at = ", %" if share else ", nats", format_count(self.slider.value)
        return picture(
            pair_map(
                frame, "value", f"{self.study.shown(metric)} at {at} tokens{unit}", self.order,
                [("source", "source"), ("target", "target"), ("value", "value"), ("items", "n")], self._clicked,
                limits=(0, 100) if share else None, bar=True,
            )
        )  # fmt: skip

    def _takeoffs(self, runs: list[str], metric: str) -> Any:
        name = self.study.shown(metric)
        frame = takeoff_table(self.study.located, self.study, runs, metric)
        if frame.empty:
            return note(f"Takeoffs of pairs are not known for {name} yet: {self.locate.hint}.")
        rows = [(n, n) for n in ("source", "target")]
        rows += [("takeoff", "shown"), ("interval", "interval"), ("outcome", "outcome")]
        title = f"takeoff of {name}, tokens"
        if frame["shown"].str.endswith(UNLIKE_FOUND).any():
            title += f" ({UNLIKE_FOUND.strip()} not all found: point at it)"
        return picture(pair_map(frame, "log", title, self.order, rows, self._clicked, backwards=True))

    def _curves(self, runs: list[str]) -> Any:
        """Return the metrics of the pair chosen over training."""
        part = self.pair.value
        kind = self.metric.value in ITEM_LOGPROBS
        wanted = dict.fromkeys((*self.selection.metrics, self.metric.value))
        metrics = [m for m in wanted if m in self.study.items.metrics and (m in ITEM_LOGPROBS) == kind]
        found = [s for metric in metrics for run in runs for s in self.study.lines(run, metric, PAIR, part)]
        if not found:
            return note(f"The chosen runs have no item of {part}.")
        panel = replace(arrange(self.study, found, PAIR, "metric", "none")[0], title=part)
        hues = palette(metrics)
        drawn = self.pictures.draw(
            [panel], self.study.located, PAIR, log=self.selection.log, bands=len(runs) == 1, strips=True, height=300,
            colours={self.study.shown(m): hues[m] for m in metrics},
        )  # fmt: skip
        return self.place.show(drawn)
