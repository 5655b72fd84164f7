"""Sizes and mixes: transitions against size, the law and its forecast, roll-outs, contrasts of mixes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from calque.data.quantities import ABSENT, format_count, format_interval, format_p
from calque.phases.explore.elements import absent, drawing, note, one_of, picture, shown, table
from calque.phases.explore.locate_button import LocateButton
from calque.phases.explore.page import Page
from calque.phases.explore.pictures.sizes import size_picture
from calque.phases.explore.series import WHOLE
from calque.phases.report.figures import svg
from calque.phases.report.forecast_pictures import rollout_figure
from calque.phases.results import Outcome
from calque.phases.wording import extent, location, outcome_words

ESTIMANDS = ("takeoff", "t10", "t50", "onset", "peak", "crossover")


class SizesPage(Page):
    """Transitions by size, with the results of ``scaling forecast`` and ``scaling mixes``."""

    key = "sizes"
    title = "Sizes and mixes"
    about = (
        "When the transition comes, by size: a dot a run with its interval, runs of one size set slightly apart; a "
        "hollow dot has another outcome than found, a triangle is an open end. Lines and band: the laws of a forecast."
    )

    def build(self) -> None:
        """Make the page's widgets."""
        metrics = self.study.metrics
        law = self.study.files.get("forecast", {}).get("metric")
        first = law if law in metrics else "translation" if "translation" in metrics else metrics[0]
        self.metric = one_of("metric", self.study.named(metrics), first)
        self.estimand = one_of("estimand", ESTIMANDS, width=110)
        self.locate = LocateButton(
            self.study.located, lambda: (self.selection.runs, [self.metric.value], WHOLE), self.redraw
        )

    @property
    def kept(self) -> dict[str, Any]:
        """Metric and estimand."""
        return {"metric": self.metric, "estimand": self.estimand}

    @property
    def controls(self) -> list[Any]:
        """The widgets and the button."""
        return [*self.kept.values(), self.locate.view]

    def show(self) -> list[Any]:
        """Return the transitions by size, the forecast with its roll-outs, and the contrasts of mixes."""
        out: list[Any] = []
        frame = self._transitions()
        forecast = self._law()
        if frame.empty and forecast is None:
            what = f"No {self.estimand.value} of {self.study.shown(self.metric.value)} is known of the chosen runs yet"
            out.append(note(f"{what}: {self.locate.hint}."))
        else:
            title = f"{self.estimand.value} of {self.study.shown(self.metric.value)}"
            out.append(picture(size_picture(frame, forecast, title)))
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

    def _forecast(self) -> list[Any]:
        forecast = self.study.files.get("forecast")
        if forecast is None:
            return [absent("Laws, and sizes that were not run,", "a forecast", "scaling forecast")]
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
            out.append(drawing(svg(rollouts, "explore-rollouts"), "forecasts of sizes left out"))
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
        metric = shown(mixes.get("metric") or "the metric")
        heading = note(f"Contrasts of mixes: ratios of takeoffs of {metric}, seeds as replicates.")
        return (
            [heading, table(frame.round(3))]
            if rows
            else [note("The contrasts of mixes are empty: the cube had one mix.")]
        )


def _interval(row: dict[str, Any]) -> str:
    return "–" if row.get("tokens") is None else format_interval(row.get("low"), row.get("high"))


def _ratio(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else math.exp(value)
