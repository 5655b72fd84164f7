"""Pairs: source by target at a position in training, their takeoffs, and the curves of one pair."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import panel as pn
from hvplot import hvPlot

from calque.data.metrics import ITEM_LOGPROBS
from calque.data.quantities import format_count
from calque.phases.explore.curves import draw_panel
from calque.phases.explore.drawing import SQUARE, finish, palette, words
from calque.phases.explore.locate_button import LOCATE, LocateButton
from calque.phases.explore.page import Page, note, picture
from calque.phases.explore.pairs import UNLIKE_FOUND, languages, positions, rate_table, takeoff_table
from calque.phases.explore.panels import arrange
from calque.phases.explore.series import PAIR, series_of

WRITTEN = 12
"""Most languages with which the cells show their numbers."""


class PairsPage(Page):
    """Heat maps of directed pairs; a click on a cell shows that pair's curves."""

    title = "Pairs"
    about = "Directed pairs of languages: prompts in the source, answers in the target; the diagonal repeats a word."
    hint = "Move through training with the slider; click a cell for the pair's curves below."

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = list(self.study.items.metrics)
        first = "translation" if "translation" in metrics else metrics[0] if metrics else None
        self.metric = pn.widgets.Select(label="metric", options={words(m): m for m in metrics}, value=first, width=170)
        self.run = pn.widgets.Select(label="runs", options=[], width=220)
        self.slider = pn.widgets.DiscreteSlider(label="training tokens", options={"0": 0.0}, value=0.0, width=330)
        self.pair: tuple[str, str] | None = None
        self.below = pn.Column(sizing_mode="stretch_width")
        self.locate = LocateButton(self.study.located, lambda: (self._runs(), [self.metric.value], PAIR), self.redraw)

    @property
    def controls(self) -> list[Any]:
        """Metric, run, position, and the button."""
        return [self.metric, self.run, self.slider, self.locate.view] if self.study.items.metrics else []

    def _runs(self) -> list[str]:
        return self.selection.together().get(self.run.value) or self.selection.runs[:1]

    def _offer(self) -> None:
        """Update the options of run and position from the common selection."""
        options = list(self.selection.together())
        if self.run.options != options:
            self.run.param.update(options=options, value=self.run.value if self.run.value in options else options[0])
        places = positions(self.study, self._runs()).tolist()
        if list(self.slider.options.values()) != places:
            last = self.slider.value == list(self.slider.options.values())[-1] or self.slider.value not in places
            value = places[-1] if last else self.slider.value
            self.slider.param.update(options={format_count(t) if t else "0": t for t in places}, value=value)

    def show(self) -> list[Any]:
        """Return both heat maps and the curves of a pair."""
        if not self.study.items.metrics:
            return [note("The cube holds no outcomes of single items, so there are no pairs of languages to show.")]
        if not self.selection.runs:
            return [note("No run is chosen: choose one at the left.")]
        self._offer()
        runs, metric = self._runs(), self.metric.value
        sources, targets = languages(self.study, runs, metric)
        if not sources:
            return [note(f"None of the chosen runs has an item of {words(metric)}.")]
        self.order = (
            [self.study.items.labels("source")[i] for i in sources],
            [self.study.items.labels("target")[i] for i in targets],
        )
        maps = [self._rates(runs, metric), self._takeoffs(runs, metric)]
        self._curves()
        return [pn.Row(*maps), self.below]

    def _rates(self, runs: list[str], metric: str) -> Any:
        frame = rate_table(self.study, runs, metric, float(self.slider.value))
        share = metric not in ITEM_LOGPROBS
        frame["value"] = frame["value"] * (100 if share else 1)
        title = f"{words(metric)} at {format_count(self.slider.value)} tokens{', %' if share else ', nats'}"
        made = self._map(frame, "value", title, (0, 100) if share else None, ["n"], "viridis")
        return self._clickable(made, frame)

    def _takeoffs(self, runs: list[str], metric: str) -> Any:
        frame = takeoff_table(self.study.located, self.study, runs, metric)
        if frame.empty:
            return note(
                f"Takeoffs of pairs are not known for {words(metric)} yet: {LOCATE} finds them, or start with --detect "
                "and the file of 'phases detect CUBE --by pair --json FILE'."
            )
        title = f"takeoff of {words(metric)}, tokens"
        if frame["shown"].str.endswith(UNLIKE_FOUND).any():
            title += f" ({UNLIKE_FOUND.strip()} not all found: point at it)"
        made = self._map(frame, "log", title, None, ["shown", "interval", "outcome"], "viridis_r")
        return self._clickable(made, frame)

    def _map(
        self, frame: Any, value: str, title: str, limits: tuple[float, float] | None, more: list[str], colours: str
    ) -> Any:
        # HoloViews cannot reshape pandas' own strings
        frame = frame.astype({name: object for name in frame if frame[name].dtype.kind not in "fi"})
        made = hvPlot(frame).heatmap(
            x="target", y="source", C=value, title=title, cmap=colours, colorbar=value == "value", clabel="",
            clim=limits, hover_cols=more, xlabel="target (answer)", ylabel="source (prompt)", **SQUARE,
        )  # fmt: skip
        made = made.opts(hv.opts.HeatMap(hooks=[finish()], default_tools=["save"], clipping_colors={"NaN": "#eef0f3"}))
        source, target = self.order
        made = made.redim.values(target=target, source=source[::-1])
        if max(len(source), len(target)) <= WRITTEN:
            low, high = limits or (frame[value].min(), frame[value].max())
            dark = (frame[value] - low) / max(high - low, 1e-9) < 0.55
            light = ~dark if colours.endswith("_r") else dark
            texts = frame.assign(hue=["#ffffff" if white else "#1d2430" for white in light])
            written = hv.Labels(texts, ["target", "source"], ["shown", "hue"])
            made = made * written.opts(text_color="hue", text_font_size="8pt")
        return made

    def _clickable(self, made: Any, frame: Any) -> Any:
        heat = made.get(0) if isinstance(made, hv.Overlay) else made
        stream = hv.streams.Tap(source=heat, x=None, y=None)
        known = set(zip(frame["source"], frame["target"], strict=True))

        def tapped(x: Any, y: Any) -> None:
            if (y, x) in known:
                self.pair = (str(y), str(x))
                self._curves()

        stream.add_subscriber(tapped)
        return pn.pane.HoloViews(made, linked_axes=False, margin=(4, 8), width=510, height=440)

    def _curves(self) -> None:
        """Draw the metrics of the pair clicked, by default the first one, over training."""
        sources, targets = self.order
        pair = self.pair
        if pair is None or pair[0] not in sources or pair[1] not in targets:
            pair = next(((s, t) for s in sources for t in targets if s != t), (sources[0], targets[0]))
        part = f"{pair[0]} → {pair[1]}"
        kind = self.metric.value in ITEM_LOGPROBS
        wanted = dict.fromkeys((*self.selection.metrics, self.metric.value))
        metrics = [m for m in wanted if m in self.study.items.metrics and (m in ITEM_LOGPROBS) == kind]
        found = [
            s
            for metric in metrics
            for run in self._runs()
            for s in series_of(self.study.cube, self.study.items, self.study.position(run), metric, PAIR)
            if s.part == part
        ]
        if not found:
            self.below.objects = [note(f"The chosen runs have no item of {part}.")]
            return
        panel = arrange(self.study, found, PAIR, "metric", "none")[0]
        hues = palette([m.replace(" ", "_") for m in panel.lines])
        drawn = draw_panel(
            panel, self.study.located, PAIR, log=self.selection.log, bands=len(self._runs()) == 1, strips=True,
            height=300, colours={m: hues[m.replace(" ", "_")] for m in panel.lines}, title=part,
        )  # fmt: skip
        self.below.objects = [picture(drawn)]
