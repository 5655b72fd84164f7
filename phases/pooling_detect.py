"""Detection of every directed pair, a run and a source at a time: a study's pairs at once would fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from phases.detect import detect
from phases.metrics import STANDARD, item_mask
from phases.results import DetectionReport, Lag, Transition
from phases.settings import Settings

Progress = Callable[[int, int, str], None]


def detect_pairs(cube: xr.Dataset, settings: Settings, progress: Progress | None, name: str) -> DetectionReport:
    """Return the transitions and lags of ``detect(by=("pair",))``, holding the series of one source at a time.

    Measured: 20 MB a series with its curves, and a study of six runs has 432 pairs.
    """
    transitions: list[Transition] = []
    lags: list[Lag] = []
    sources = cube.sizes["source"]
    total = cube.sizes["run"] * sources
    if "source" not in cube.coords or "target" not in cube.coords:
        # the diagonal is known by position then, which a part of the sources would lose
        cube = cube.assign_coords({d: [str(i) for i in range(cube.sizes[d])] for d in ("source", "target")})
    for r in range(cube.sizes["run"]):
        run = cube.isel(run=[r])
        has = {m: _sources_with(run.isel(run=0), m) for m in settings.metrics or ()}
        for i in range(sources):
            metrics = tuple(m for m, there in has.items() if there[i])
            if progress is not None:
                what = f"pairs of {run['run'].item()} from {run['source'].values[i]}"
                progress(r * sources + i, total, what)
            if metrics:
                part = detect(run.isel(source=[i]), replace(settings, metrics=metrics, by=("pair",)), None, name)
                transitions += part.transitions
                lags += part.lags
    return DetectionReport(cube=name, settings={}, transitions=tuple(transitions), lags=tuple(lags))


def _sources_with(one: xr.Dataset, metric: str) -> np.ndarray:
    """Return which sources have something of a metric, over all its items: a part of them may choose others."""
    there = item_mask(one, metric) if metric in STANDARD else one[metric].notnull()
    return np.asarray(there.any([d for d in there.dims if d != "source"]))
