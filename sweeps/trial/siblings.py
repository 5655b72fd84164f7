"""What smaller runs of the same results root say of a run's takeoff: their own takeoffs, extrapolated in size."""

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
FARTHER = 1.25
"""A sibling still in training is looked at again when it stands this many times further."""
SETTLED = 1.5
"""A takeoff stays as it is once the sibling stands this many times beyond it."""
ONE_SIZE_SD = 0.25
"""Standard deviation, in decades, of what one size says of a larger one: a guess, wide on purpose."""
SEEDS_SD = 0.12
"""The same of another seed of the same size."""
LEAST_SD = 0.06
LOG = logging.getLogger("calque")


@dataclass(frozen=True)
class _Looked:
    """What was found when a sibling stood at ``tokens``."""

    stamp: tuple[int, int]
    tokens: float
    found: Observation | None
    settled: bool


class Siblings:
    """The other runs of a results root that say when this one takes off; called at every planned checkpoint.

    Siblings have this run's corpus, mix, batch and context, and no more parameters; seeds may differ. A sibling that
    cannot be read is left out.

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
        self.looked: dict[Path, _Looked] = {}

    def __call__(self) -> Prior | None:
        """Return the forecast as of now, or None where no sibling has taken off yet."""
        found = []
        for path in sorted(self.results.glob("runs/*/run.nc")):
            if path.parent.name == self.config.name:
                continue
            try:
                seen = self._look(path)
            except Exception as error:  # whatever another run's file holds, this run goes on
                LOG.debug("%s is no help: %s", path, error)
                continue
            if seen is not None:
                found.append(seen)
        return forecast(found, self.n)

    def _look(self, path: Path) -> Observation | None:
        stat = path.stat()
        stamp, before = (stat.st_mtime_ns, stat.st_size), self.looked.get(path)
        if before is not None and (before.settled or before.stamp == stamp):
            return before.found
        one = cube.read(path)
        last = float(np.nanmax(one["tokens"].values))
        if before is not None and last < FARTHER * before.tokens:
            return before.found
        found = self._takeoff(one, last) if self._is_sibling(one) else None
        past = found is not None and found.high is not None and last > SETTLED * found.high
        self.looked[path] = _Looked(stamp, last, found, past)
        return found

    def _is_sibling(self, one: xr.Dataset) -> bool:
        if float(one["n_params_non_embedding"].values[0]) > self.n:
            return False
        theirs = RunConfig.from_dict(json.loads(str(one["config_json"].values[0])))
        return _kind(theirs) == _kind(self.config)

    def _takeoff(self, one: xr.Dataset, last: float) -> Observation | None:
        series = trajectories(one, [self.metric])[0]
        settings = Settings()
        analysis = analyse(series, rise=settings.rise, boot=BOOT, level=settings.level, seed=settings.seed)
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
    """Return the forecast for ``n`` non-embedding parameters from located takeoffs.

    The largest size's mean with a wide spread; with two sizes or more the power law of ``scaling``, where it says more.
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
