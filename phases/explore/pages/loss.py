"""Loss and compute: loss over tokens or FLOPs, isoFLOP profiles of the cube's own runs, throughput."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
from hvplot import hvPlot

from calque.data.metrics import LOSSES, METRICS
from calque.data.quantities import format_count
from calque.phases.explore.drawing import (
    LAYERS,
    LOOK,
    broken,
    finish,
    legend_place,
    palette,
    styled,
    token_ticks,
    words,
)
from calque.phases.explore.page import Page, drawing, note, picture, table
from calque.phases.report.figures import svg
from calque.phases.report.isoflop import IsoFlopProfile, profiles
from calque.phases.report.loss_pictures import isoflop_figure
from calque.phases.series.axis import Array

ALL = "mean of languages"


class LossPage(Page):
    """Losses against compute."""

    title = "Loss and compute"
    about = "Held-out loss of every run, at equal FLOPs against size, and how fast training went."

    def build(self) -> None:
        """Make the page's widgets."""
        cube = self.study.cube
        known = [name for name in LOSSES if name in cube.data_vars and {"run", "checkpoint"} <= set(cube[name].dims)]
        self.metric = pn.widgets.Select(label="loss", options={words(m): m for m in known}, width=130)
        several = bool(known) and "language" in cube[known[0]].dims and "language" in cube.coords
        languages = [str(v) for v in cube["language"].values] if several else []
        self.language = pn.widgets.Select(label="language", options=[ALL, *languages], width=170)
        self.against = pn.widgets.Select(label="against", options=["tokens", "FLOPs"], width=110)
        ladders = self.study.runs["ladder"].unique().tolist()
        self.ladder = pn.widgets.Select(label="isoFLOP over", options=ladders, width=190)

    @property
    def controls(self) -> list[Any]:
        """Loss, language, axis, ladder."""
        return [self.metric, self.language, self.against, self.ladder] if self.metric.options else []

    def show(self) -> list[Any]:
        """Return losses, the isoFLOP view, the fitted law's, and throughput."""
        runs = self.selection.runs
        if not runs:
            return [note("No run is chosen: choose one at the left.")]
        out: list[Any] = []
        if self.metric.options:
            out.append(picture(self._losses(runs)))
            out += self._isoflop()
        else:
            out.append(note("The cube holds neither loss nor bits_per_byte."))
        return [*out, *self._law(), *self._throughput(runs)]

    def _values(self, run: str) -> Array:
        """Return a run's loss (checkpoint,), the mean of the languages that have one unless one is chosen."""
        values = self.study.cube[self.metric.value].isel(run=self.study.position(run))
        if "language" in values.dims and self.language.value != ALL:
            values = values.sel(language=self.language.value)
        flat = np.asarray(values.transpose("checkpoint", ...), float).reshape(values.sizes["checkpoint"], -1)
        known = np.isfinite(flat)
        return np.where(known.any(1), np.where(known, flat, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)

    def _spent(self, run: str) -> Array:
        """Return a run's FLOPs (checkpoint,): the cube's, or 6 N D where it has none."""
        cube, at = self.study.cube, self.study.position(run)
        if "flops" in cube:
            return np.asarray(cube["flops"].isel(run=at), float)
        sizes = self.study.runs.get("n_params_non_embedding")
        if sizes is None:
            return np.full(cube.sizes["checkpoint"], np.nan)
        return 6 * float(sizes.iloc[at]) * self.study.tokens(run)

    def _losses(self, runs: list[str]) -> Any:
        flops = self.against.value == "FLOPs"
        pieces: dict[str, list[pd.DataFrame]] = {}
        for run in runs:
            x, y = self._spent(run) if flops else self.study.tokens(run), self._values(run)
            keep = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not (flops or self.selection.log)))
            frame = pd.DataFrame({"x": x[keep], "y": y[keep], "run": run, "condition": self.study.condition(run)})
            frame["at"] = [f"{v:.3g}" if flops else format_count(v) for v in frame["x"]]
            if len(frame):
                pieces.setdefault(self.study.condition(run), []).append(frame)
        if not pieces:
            return hv.Text(0.5, 0.5, f"no {self.metric.value} of {self.language.value} in the chosen runs")
        hues = palette(list(pieces), ordered=len(pieces) > 2 and self.study.runs["ladder"].nunique() == 1)
        log = flops or self.selection.log
        made = hvPlot(pd.concat([broken(frames) for frames in pieces.values()], ignore_index=True)).line(
            x="x", y="y", by="condition", color=[hues[c] for c in pieces], line_width=1.5, logx=log, height=360,
            xlabel="FLOPs so far" if flops else "training tokens", ylabel=METRICS[self.metric.value].label,
            title=f"{words(self.metric.value)}, {self.language.value}", hover_cols=["run", "at"],
            hover_tooltips=[("run", "@run"), ("FLOPs" if flops else "tokens", "@at"), ("loss", "@y{0.0000}")],
            **({} if flops else {"xformatter": token_ticks()}), **LOOK,
        )  # fmt: skip
        return styled(made, hooks=[finish(logx=log)], **_legend(len(pieces)))

    def _isoflop(self) -> list[Any]:
        table_ = self.study.runs
        if "n_params_non_embedding" not in table_:
            return [note("No isoFLOP view: the cube does not know its runs' sizes (n_params_non_embedding).")]
        runs = [r for r in self.selection.runs if table_["ladder"].iloc[self.study.position(r)] == self.ladder.value]
        n = np.array([table_["n_params_non_embedding"].iloc[self.study.position(run)] for run in runs], float)
        found = profiles(n, [self._spent(run) for run in runs], [self._values(run) for run in runs])
        if not found:
            return [note("IsoFLOP view: no number of FLOPs was passed by chosen runs of three sizes of one ladder.")]
        source = "" if "flops" in self.study.cube else " FLOPs are 6 N D."
        how = note(
            f"Loss at equal FLOPs, read within runs of {self.ladder.value}: taken before a run's learning rate has "
            f"fallen, it lies above what a run of that length would reach. Diamonds: lowest point of a parabola "
            f"through the sizes.{source}"
        )
        return [picture(_profiles_picture(found, runs, METRICS[self.metric.value].label)), how]

    def _law(self) -> list[Any]:
        loss = self.study.files.get("loss")
        if loss is None:
            return [note("For a fitted law of loss: 'scaling loss CUBE --language L --json F', then --loss F.")]
        out = [note(sentence) for sentence in loss.get("sentences") or []]
        made = isoflop_figure(loss)
        return [*out, drawing(svg(made, "explore-isoflop"))] if made is not None else out

    def _throughput(self, runs: list[str]) -> list[Any]:
        timing = self.study.timing
        if timing is None or "training_seconds" not in timing:
            return [note("The cube's group 'timing' holds no training_seconds: nothing is known of throughput.")]
        known = [str(run) for run in timing["run"].values]
        pieces, rows = [], []
        for run in (r for r in runs if r in known):
            at = known.index(run)
            seconds = np.asarray(timing["training_seconds"].isel(run=at), float)
            tokens = self.study.tokens(run)[: len(seconds)]
            speed = np.diff(tokens) / np.where(seconds[1 : len(tokens)] > 0, seconds[1 : len(tokens)], np.nan)
            keep = np.isfinite(speed)
            if not keep.any():
                continue
            pieces.append(pd.DataFrame({"x": tokens[1:][keep], "y": speed[keep], "run": run}))
            row = {
                "run": run, "tokens": format_count(float(np.nanmax(tokens))),
                "training hours": round(float(np.nansum(seconds)) / 3600, 3),
                "median tokens/s": format_count(float(np.median(speed[keep]))),
            }  # fmt: skip
            if "scoring_seconds" in timing:
                spent = np.asarray(timing["scoring_seconds"].isel(run=at), float)
                row["scoring hours"] = round(float(np.nansum(spent)) / 3600, 3)
            rows.append(row)
        if not pieces:
            return [note("Nothing is known of the chosen runs' throughput.")]
        many = len(pieces) > 15
        data = broken(pieces) if many else pd.concat(pieces, ignore_index=True)
        hues = list(palette([str(piece["run"].iloc[0]) for piece in pieces]).values())
        made = hvPlot(data).line(
            x="x", y="y", **({} if many else {"by": "run", "color": hues}), line_width=1.3,
            logx=self.selection.log, height=280, xlabel="training tokens", ylabel="tokens a second",
            title="throughput between checkpoints", xformatter=token_ticks(), yformatter=token_ticks(),
            hover_cols=["run"], hover_tooltips=[("run", "@run"), ("tokens/s", "@y{0,0}")], **LOOK,
        )  # fmt: skip
        legend = {} if many else _legend(len(pieces))
        return [
            picture(styled(made, hooks=[finish(logx=self.selection.log)], **legend)), table(pd.DataFrame(rows))
        ]  # fmt: skip


def _legend(labels: int) -> dict[str, Any]:
    return legend_place(labels) if labels > 1 else {}


def _profiles_picture(found: list[IsoFlopProfile], runs: list[str], unit: str) -> Any:
    labels = [f"{p.flops:.2g} FLOPs" for p in found]
    hues = palette(labels, ordered=True)
    layers: list[Any] = []
    best = []
    for label, profile in zip(labels, found, strict=True):
        frame = pd.DataFrame({"n": profile.n, "loss": profile.loss, "run": [runs[i] for i in profile.run]})
        means = frame.groupby("n", as_index=False)["loss"].mean()
        layers.append(hv.Curve(means, "n", "loss", label=label).opts(color=hues[label], line_width=1.6))
        layers.append(
            hv.Points(frame, ["n", "loss"], "run").opts(
                color=hues[label],
                size=6,
                tools=["hover"],
                show_legend=False,
                hover_tooltips=[("run", "@run"), ("", label), ("loss", "@loss{0.0000}")],
            )  # fmt: skip
        )
        if profile.best_n is not None:
            best.append((profile.best_n, profile.best_loss, label, format_count(profile.best_n)))
    if best:
        marks = hv.Points(best, ["n", "loss"], ["level", "lowest"], label="lowest")
        tips = [("lowest at", "@lowest parameters"), ("", "@level"), ("loss", "@loss{0.0000}")]
        layers.append(marks.opts(color="#1d2430", marker="diamond", size=11, tools=["hover"], hover_tooltips=tips))
    sizes = np.unique(np.concatenate([profile.n for profile in found]))
    ticks = {"xticks": [(n, format_count(n)) for n in sizes]} if len(sizes) <= 9 else {"xformatter": token_ticks()}
    return styled(
        hv.Overlay(layers), hooks=[finish(logx=True)], logx=True, height=360, xlabel="non-embedding parameters",
        ylabel=unit, title="loss against size at equal FLOPs", legend_position="right",
        xlim=(sizes[0] / 1.3, sizes[-1] * 1.3),
        **ticks, **LAYERS,
    )  # fmt: skip
