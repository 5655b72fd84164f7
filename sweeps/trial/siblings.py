"""Forecast of a run's takeoff from smaller runs of the same results root: their takeoffs, extrapolated in size."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data import cube
from calque.data.errors import UserError
from calque.phases.adaptive.rule import Prior
from calque.phases.detection.analyse import analyse
from calque.phases.detection.judge import rows
from calque.phases.series.metrics import trajectories
from calque.phases.settings import Settings
from calque.scaling.laws.fit import fit
from calque.scaling.observations import SAME_SIZE, Observation, observation, sizes
from calque.sweeps.study.run_config import CORPORA, RunConfig

BOOT = 39
"""Bootstrap replicates of a sibling's takeoff: enough for a forecast."""
LAW = "power"
REREAD_RATIO = 1.25
"""A sibling still in training is analysed again when it has this many times the tokens of the last time."""
SETTLED_RATIO = 1.5
"""A takeoff is final once the sibling has this many times the tokens of its upper limit."""
ONE_SIZE_SD = 0.25
"""Standard deviation, in decades, of what one size says of a larger one: a guess, wide on purpose."""
SEEDS_SD = 0.12
"""The same of another seed of the same size."""
LEAST_SD = 0.06
BROKEN = (UserError, OSError, KeyError, ValueError, ArithmeticError)
"""What a cube raises that is damaged, of another version or without the metric, and an analysis that fails on it."""
LOG = logging.getLogger("calque")


@dataclass(frozen=True)
class _Analysed:
    """The takeoff of a sibling, or None, as of ``tokens``; ``stamp`` is of its file."""

    stamp: tuple[int, int]
    tokens: float
    takeoff: Observation | None
    settled: bool


class Siblings:
    """The other runs of a results root that say when this one takes off; called at every planned checkpoint.

    Siblings have this run's corpus, mix, batch and context, and no more parameters; seeds may differ. A sibling whose
    cube cannot be read or analysed is left out, with a warning that names the file and the reason.

    Parameters
    ----------
    config : RunConfig
        With ``checkpoints.adaptive``.
    n : int
        The run's non-embedding parameters.
    results : Path
        The results root.
    """

    def __init__(self, config: RunConfig, n: int, results: Path) -> None:
        assert config.checkpoints.adaptive is not None
        self.config, self.n, self.results = config, n, results
        self.metric = config.checkpoints.adaptive.metric
        self.analysed: dict[Path, _Analysed] = {}
        self.warned: set[tuple[Path, str]] = set()

    def __call__(self) -> Prior | None:
        """Return the forecast as of now, or None where no sibling has taken off yet."""
        found = []
        for path in sorted(self.results.glob("runs/*/run.nc")):
            if path.parent.name == self.config.name:
                continue
            try:
                takeoff = self._read(path)
            except BROKEN as error:
                self._warn(path, error)
                continue
            if takeoff is not None:
                found.append(takeoff)
        return forecast(found, self.n)

    def _warn(self, path: Path, error: Exception) -> None:
        """Name a broken file and the reason, each once."""
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it has no {reason}"
        if (path, reason) not in self.warned:
            self.warned.add((path, reason))
            LOG.warning("%s cannot help to forecast the takeoff of run '%s': %s", path, self.config.name, reason)

    def _read(self, path: Path) -> Observation | None:
        stat = path.stat()
        stamp, before = (stat.st_mtime_ns, stat.st_size), self.analysed.get(path)
        if before is not None and (before.settled or before.stamp == stamp):
            return before.takeoff
        one = cube.read(path)
        last = float(np.nanmax(one["tokens"].values))
        if before is not None and last < REREAD_RATIO * before.tokens:
            return before.takeoff
        takeoff = self._takeoff(one, last) if self._is_sibling(one) else None
        settled = takeoff is not None and takeoff.high is not None and last > SETTLED_RATIO * takeoff.high
        self.analysed[path] = _Analysed(stamp, last, takeoff, settled)
        return takeoff

    def _is_sibling(self, one: xr.Dataset) -> bool:
        if float(one["n_params_non_embedding"].values[0]) > self.n:
            return False
        theirs = RunConfig.from_dict(json.loads(str(one["config_json"].values[0])))
        return _kind(theirs) == _kind(self.config)

    def _takeoff(self, one: xr.Dataset, last: float) -> Observation | None:
        series = trajectories(one, [self.metric])
        if not series:
            return None
        settings = Settings()
        analysis = analyse(series[0], rise=settings.rise, boot=BOOT, level=settings.level, seed=settings.seed)
        row = next(row for row in rows(analysis, settings.level) if row.estimand == "takeoff")
        size, n = str(one["size"].values[0]), float(one["n_params_non_embedding"].values[0])
        seen = observation(str(one["run"].values[0]), size, n, row, last)
        return seen if seen.kind == "located" else None


def _kind(config: RunConfig) -> dict[str, Any]:
    """Return what siblings share."""
    values = config.to_dict()
    corpus = {name: values[name] for name in CORPORA if name in values}
    return {
        "mix": values["mix"],
        "batch": config.training.tokens_per_step,
        "context": config.training.context,
        **corpus,
    }


def forecast(found: Sequence[Observation], n: float) -> Prior | None:
    """Return the forecast of a run's takeoff from those of smaller runs.

    The largest size's mean with a wide spread; with two sizes or more the power law of ``calque.scaling``, where its
    spread is smaller.

    Parameters
    ----------
    found : sequence of Observation
        Located takeoffs.
    n : float
        The run's non-embedding parameters.

    Returns
    -------
    Prior or None
        None without any takeoff.
    """
    if not found:
        return None
    names = tuple(sorted(one.run for one in found))
    largest = max(one.n for one in found)
    nearest = [math.log10(one.tokens) for one in found if one.tokens and one.n > (1 - SAME_SIZE) * largest]
    middle = float(np.mean(nearest))
    sd = SEEDS_SD if largest > (1 - SAME_SIZE) * n else ONE_SIZE_SD
    if len(sizes(found)) > 1:
        fitted = fit(found, LAW, need=2, quick=True, draws=1000)
        if fitted.converged:
            drawn, scatter = fitted.log_time(n), np.exp(fitted.draws[:, -1])
            spread = float(np.sqrt(drawn.var() + np.mean(scatter**2))) / math.log(10)
            if spread < sd:
                middle, sd = float(np.median(drawn)) / math.log(10), spread
    return Prior(log10_tokens=round(middle, 6), sd=round(max(sd, LEAST_SD), 6), runs=names)
