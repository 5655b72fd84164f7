"""Loss and compute: loss over tokens or FLOPs, isoFLOP profiles of the cube's own runs, throughput."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from calque.data.metrics import LOSSES, METRICS
from calque.data.quantities import format_count
from calque.phases.explore.elements import absent, drawing, note, one_of, picture, table
from calque.phases.explore.page import Page
from calque.phases.explore.pictures.figure import token_ticks
from calque.phases.explore.pictures.losses import lines_picture, profile_picture
from calque.phases.report.figures import svg
from calque.phases.report.isoflop import profiles
from calque.phases.report.loss_pictures import isoflop_figure
from calque.phases.series.axis import Array

ALL = "mean of languages"


class LossPage(Page):
    """Losses against compute."""

    key = "loss"
    title = "Loss and compute"
    about = "Held-out loss of every run, at equal FLOPs against size, and how fast training went."

    def build(self) -> None:
        """Make the page's widgets."""
        cube = self.study.cube
        known = [name for name in LOSSES if name in cube.data_vars and {"run", "checkpoint"} <= set(cube[name].dims)]
        self.metric = one_of("loss", self.study.named(known), width=130)
        several = bool(known) and "language" in cube[known[0]].dims and "language" in cube.coords
        languages = [str(v) for v in cube["language"].values] if several else []
        self.language = one_of("language", [ALL, *languages])
        self.against = one_of("against", ["tokens", "FLOPs"], width=110)
        self.ladder = one_of("isoFLOP over", self.study.runs["ladder"].unique().tolist(), width=190)

    @property
    def kept(self) -> dict[str, Any]:
        """Loss, language, axis, ladder."""
        if not self.metric.options:
            return {}
        return {"loss": self.metric, "language": self.language, "against": self.against, "isoflop": self.ladder}

    def show(self) -> list[Any]:
        """Return losses, the isoFLOP view, the fitted law's, and throughput."""
        runs = self.selection.runs
        if not runs:
            return [note("No run is chosen: choose one at the left.")]
        out: list[Any] = []
        if self.metric.options:
            out += [self._losses(runs), *self._isoflop()]
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
        name = self.study.shown(self.metric.value)
        if not pieces:
            return note(f"The chosen runs have no {name} of {self.language.value}.")
        return picture(
            lines_picture(
                pieces, f"{name}, {self.language.value}", "FLOPs so far" if flops else "training tokens",
                METRICS[self.metric.value].label,
                [("run", "run"), ("FLOPs" if flops else "tokens", "at"), ("loss", "y{0.0000}")],
                log=flops or self.selection.log, plain=flops,
                ordered=len(pieces) > 2 and self.study.runs["ladder"].nunique() == 1,
            )
        )  # fmt: skip

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
        return [picture(profile_picture(found, runs, METRICS[self.metric.value].label)), how]

    def _law(self) -> list[Any]:
        loss = self.study.files.get("loss")
        if loss is None:
            return [absent("Fitted laws of loss", "one", "scaling loss")]
        out = [note(sentence) for sentence in loss.get("sentences") or []]
        made = isoflop_figure(loss)
        return [*out, drawing(svg(made, "explore-isoflop"), "isoFLOP of the fitted law")] if made is not None else out

    def _throughput(self, runs: list[str]) -> list[Any]:
        timing = self.study.timing
        if timing is None or "training_seconds" not in timing:
            return [note("The cube's group 'timing' holds no training_seconds: nothing is known of throughput.")]
        known = [str(run) for run in timing["run"].values]
        rows = []
        pieces: dict[str, list[pd.DataFrame]] = {}
        for run in (r for r in runs if r in known):
            at = known.index(run)
            seconds = np.asarray(timing["training_seconds"].isel(run=at), float)
            tokens = self.study.tokens(run)[: len(seconds)]
            speed = np.diff(tokens) / np.where(seconds[1 : len(tokens)] > 0, seconds[1 : len(tokens)], np.nan)
            keep = np.isfinite(speed)
            if not keep.any():
                continue
            keep &= (tokens[1:] > 0) | (not self.selection.log)
            pieces[run] = [pd.DataFrame({"x": tokens[1:][keep], "y": speed[keep], "run": run})]
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
        made = lines_picture(
            pieces, "throughput between checkpoints", "training tokens", "tokens a second",
            [("run", "run"), ("tokens/s", "y{0,0}")], log=self.selection.log, height=280,
        )  # fmt: skip
        token_ticks(made.yaxis)
        return [picture(made), table(pd.DataFrame(rows))]
