"""Runs: every run with its coordinates, and where the cube comes from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from calque.phases.explore.elements import folded, labelled, one_of, table
from calque.phases.explore.page import Page

LONG = ("study_yaml", "truth_json")


class RunsPage(Page):
    """A table of runs and the cube's provenance."""

    key = "runs"
    title = "Runs"
    about = "Every run of the cube, chosen or not, and where the cube comes from."

    def build(self) -> None:
        """Make the choice of the run whose configuration is shown."""
        self.run = one_of("configuration of", self.study.runs["run"].tolist(), width=220)

    @property
    def kept(self) -> dict[str, Any]:
        """The run whose configuration is shown."""
        return {"configuration": self.run} if "config_json" in self.study.cube.variables else {}

    def show(self) -> list[Any]:
        """Return the table, the cube's attributes, a run's configuration."""
        frame = self.study.runs.drop(columns=["condition", "ladder"]).copy()
        last = self._last_loss()
        if last is not None:
            frame["last loss"] = last
        frame = frame.apply(_whole)
        frame.columns = list(labelled(list(frame.columns)))
        out = [table(frame)]
        attributes = {str(k): str(v) for k, v in self.study.cube.attrs.items()}
        short = {k: v for k, v in attributes.items() if k not in LONG}
        if short:
            out.append(table(pd.DataFrame({"of the cube": list(short), "": list(short.values())})))
        out += [folded(k, attributes[k]) for k in LONG if k in attributes]
        if self.kept:
            text = str(self.study.cube["config_json"].values[self.study.position(self.run.value)])
            out.append(folded(f"configuration of {self.run.value}", _pretty(text)))
        return out

    def _last_loss(self) -> list[float] | None:
        cube = self.study.cube
        if "loss" not in cube or "checkpoint" not in cube["loss"].dims:
            return None
        values = np.asarray(cube["loss"].transpose("run", "checkpoint", ...), float)
        values = values.reshape(*values.shape[:2], -1)
        out = []
        for one in values:
            seen = np.flatnonzero(np.isfinite(one).any(1))
            out.append(round(float(np.nanmean(one[seen[-1]])), 4) if seen.size else np.nan)
        return out


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=1)
    except ValueError:
        return text


def _whole(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers as such, 10000000 for 10000000.0; absent ones stay absent."""
    if column.dtype.kind != "f" or not column.notna().any() or (column.dropna() % 1).any():
        return column
    return column.astype("Int64")
