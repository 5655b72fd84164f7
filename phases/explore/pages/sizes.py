"""Sizes and mixes: transitions against size, the law and its forecast, roll-outs, contrasts of mixes."""

from __future__ import annotations

import math
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn

from calque.data.quantities import ABSENT, format_count, format_interval, format_p
from calque.phases.explore.drawing import LAYERS, finish, palette, styled, token_ticks, words
from calque.phases.explore.locate_button import LOCATE, LocateButton
from calque.phases.explore.page import Page, drawing, note, picture, table
from calque.phases.explore.series import WHOLE
from calque.phases.report.figures import svg
from calque.phases.report.forecast_pictures import law_layers, rollout_figure
from calque.phases.results import Outcome
from calque.phases.wording import extent, location, outcome_words

ESTIMANDS = ("takeoff", "t10", "t50", "onset", "peak", "crossover")
MARKED = 9
APART = 0.05
"""Runs of one size are set this far apart, in ln size."""


class SizesPage(Page):
    """Transitions by size, with the results of ``scaling forecast`` and ``scaling mixes``."""

    title = "Sizes and mixes"
    about = (
        "When the transition comes, by size: a dot a run with its interval, runs of one size set slightly apart; a "
        "hollow dot has another outcome than found, a triangle is an open end. Lines and band: the laws of --forecast."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = self.study.metrics
        law = self.study.files.get("forecast", {}).get("metric")
        first = law if law in metrics else "translation" if "translation" in metrics else metrics[0]
        self.metric = pn.widgets.Select(label="metric", options={words(m): m for m in metrics}, value=first, width=170)
        self.estimand = pn.widgets.Select(label="estimand", options=list(ESTIMANDS), width=110)
        self.locate = LocateButton(
            self.study.located, lambda: (self.selection.runs, [self.metric.value], WHOLE), self.redraw
        )

    @property
    def controls(self) -> list[Any]:
        """Metric, estimand, and the button."""
        return [self.metric, self.estimand, self.locate.view]

    def show(self) -> list[Any]:
        """Return the transitions by size, the forecast with its roll-outs, and the contrasts of mixes."""
        out: list[Any] = []
        frame = self._transitions()
        forecast = self._law()
        if frame.empty and forecast is None:
            out.append(
                note(
                    f"No {self.estimand.value} of {words(self.metric.value)} is known of the chosen runs: {LOCATE} "
                    "finds them, or start with --detect FILE."
                )
            )
        else:
            out.append(picture(self._picture(frame, forecast)))
        out += self._forecast()
        return [*out, *self._mixes()]

    def _transitions(self) -> pd.DataFrame:
        runs = self.study.runs.set_index("run")
        rows = []
        for run in self.selection.runs:
            found = self.study.located.of(run, WHOLE, "", self.metric.value).get(self.estimand.value)
            if found is None:
                continue
            tokens = self.study.tokens(run)
            ends = extent(
                found.tokens, found.low, found.high, float(tokens[tokens > 0].min()), float(np.nanmax(tokens))
            )
            if ends is None:
                continue
            n = float(runs["n_params_non_embedding"].get(run, np.nan)) if "n_params_non_embedding" in runs else np.nan
            rows.append(
                {
                    "run": run,
                    "n": n,
                    "ladder": runs["ladder"][run],
                    "tokens": np.nan if ends.at is None else ends.at,
                    "found": found.outcome == Outcome.FOUND,
                    "low": ends.low,
                    "high": ends.high,
                    "open_low": ends.open_low,
                    "open_high": ends.open_high,
                    "shown": location(found),
                }  # fmt: skip
            )
        columns = ["run", "n", "ladder", "tokens", "found", "low", "high", "open_low", "open_high", "shown"]
        frame = pd.DataFrame(rows, columns=columns)
        if len(frame) and not np.isfinite(frame["n"]).all():
            conditions = [self.study.condition(run) for run in frame["run"]]
            frame["n"] = pd.Series(pd.factorize(np.array(conditions))[0], dtype=float)
            frame["named"] = conditions
        return frame

    def _law(self) -> dict[str, Any] | None:
        forecast = self.study.files.get("forecast")
        same = forecast is not None and forecast.get("metric") == self.metric.value and self.estimand.value == "takeoff"
        return forecast if same and (forecast or {}).get("curves") else None

    def _picture(self, frame: pd.DataFrame, forecast: dict[str, Any] | None) -> Any:
        named = "named" in frame
        ladders = frame["ladder"].unique().tolist()
        hues = {ladders[0]: "#3a4252"} if len(ladders) == 1 else palette(ladders)  # laws have the colours then
        rank = frame.groupby("n").cumcount() - (frame.groupby("n")["n"].transform("size") - 1) / 2
        frame = frame.assign(x=frame["n"] + APART * rank if named else frame["n"] * np.exp(APART * rank))
        layers: list[Any] = [] if forecast is None else law_layers(forecast)
        tips = [("run", "@run"), ("tokens", "@shown")]
        extra = ["run", "shown"]
        hover: dict[str, Any] = {"tools": ["hover"], "hover_tooltips": tips, "size": 8}
        for ladder in ladders:
            mine = frame[frame["ladder"] == ladder].assign(x1=lambda f: f["x"])
            layers.append(
                hv.Segments(mine, ["x", "low", "x1", "high"], extra).opts(color=hues[ladder], line_width=2, alpha=0.6)
            )
            dots = mine[mine["tokens"].notna()]
            kinds: tuple[tuple[pd.DataFrame, str, str, dict[str, Any]], ...] = (
                (dots[dots["found"]], "tokens", ladder, {}),
                (dots[~dots["found"]], "tokens", f"{ladder}: not found", {"fill_alpha": 0.0}),
                (mine[mine["open_high"]], "high", f"{ladder}: or later", {"marker": "triangle", "fill_alpha": 0.0}),
                (mine[mine["open_low"]], "low", f"{ladder}: or earlier",
                 {"marker": "inverted_triangle", "fill_alpha": 0.0}),
            )  # fmt: skip
            for some, at, name, marker in kinds:
                if len(some):
                    layers.append(
                        hv.Points(some, ["x", at], extra, label=name).opts(color=hues[ladder], **hover, **marker)
                    )
        what = f"{self.estimand.value} of {words(self.metric.value)}"
        axis = _named_axis(frame) if named else _size_axis(frame, forecast)
        return styled(
            hv.Overlay(layers), hooks=[finish(logx=not named, logy=True)], logx=not named, logy=True, height=430,
            show_legend=True, ylabel=f"tokens at {what}", title=what, legend_position="right", yformatter=token_ticks(),
            **axis, **LAYERS,
        )  # fmt: skip

    def _forecast(self) -> list[Any]:
        forecast = self.study.files.get("forecast")
        if forecast is None:
            return [
                note("For laws and a size not run: 'scaling forecast CUBE --size SIZE --json F', then --forecast F.")
            ]
        out = [note(sentence) for sentence in forecast.get("sentences") or []]
        rows = [
            {
                "law": row.get("law"), "tokens": format_count(row.get("tokens")), "interval": _interval(row),
                "outcome": outcome_words(row.get("outcome") or ABSENT), "typical miss, ln T": row.get("rollout_rms"),
                "why": row.get("reason") or "",
            }
            for row in forecast.get("rows") or []
        ]  # fmt: skip
        if rows:
            out.append(table(pd.DataFrame(rows).round(3)))
        rollouts = rollout_figure(forecast)
        if rollouts is not None:
            out.append(drawing(svg(rollouts, "explore-rollouts")))
        return out

    def _mixes(self) -> list[Any]:
        mixes = self.study.files.get("mixes")
        if mixes is None:
            return []
        rows = [row for kind in ("contrasts", "languages") for row in mixes.get(kind) or []]
        frame = pd.DataFrame(
            [
                {
                    "contrast": f"{row['second']} / {row['first']}",
                    "language": row.get("language") or "all",
                    "ratio of tokens": _ratio(row, "log_ratio"),
                    "low": _ratio(row, "low"),
                    "high": _ratio(row, "high"),
                    "p": format_p(row.get("p_value")),
                    "p adjusted": format_p(row.get("p_adjusted")),
                    "outcome": outcome_words(row.get("outcome") or ABSENT),
                    "in words": row.get("reason") or "",
                }  # fmt: skip
                for row in rows
            ]
        )
        metric = words(mixes.get("metric") or "the metric")
        heading = note(f"Contrasts of mixes: ratios of takeoffs of {metric}, seeds as replicates.")
        return [heading, table(frame.round(3))] if rows else [note("--mixes holds no contrast: the cube had one mix.")]


def _named_axis(frame: pd.DataFrame) -> dict[str, Any]:
    ticks = dict(zip(frame["n"], frame["named"], strict=True))
    return {"xlabel": "", "xticks": list(ticks.items()), "xlim": (-0.5, len(ticks) - 0.5)}


def _size_axis(frame: pd.DataFrame, forecast: dict[str, Any] | None) -> dict[str, Any]:
    """Return an axis marked at the sizes run and the one forecast, with some room at both ends."""
    sizes = sorted({*frame["n"], *([forecast["n_params_non_embedding"]] if forecast is not None else [])})
    ticks = {"xticks": [(n, format_count(n)) for n in sizes]} if len(sizes) <= MARKED else {"xformatter": token_ticks()}
    return {"xlabel": "non-embedding parameters", "xlim": (sizes[0] / 1.3, sizes[-1] * 1.3), **ticks}


def _interval(row: dict[str, Any]) -> str:
    return "–" if row.get("tokens") is None else format_interval(row.get("low"), row.get("high"))


def _ratio(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else math.exp(value)
