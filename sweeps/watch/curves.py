"""A run's curves so far, for eyes and trackers: loss, copying, false copying, translation, throughput over tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data import cube
from calque.data.metrics import HEADLINE
from calque.phases.series.metrics import available, trajectories


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure of one run: values at tokens, both of shape (n,)."""

    tokens: NDArray[np.float64]
    values: NDArray[np.float64]


def curves_of(path: Path) -> dict[str, Curve]:
    """Return the curves of a run's cube, by name; nothing of a run without a checkpoint.

    ``loss`` is the mean over languages (nats/token); the rates are those of ``phases``; ``tokens_per_second`` is that
    of training, without scoring.

    Parameters
    ----------
    path : Path
        The run's ``run.nc``.
    """
    if not path.exists():
        return {}
    one = cube.read(path)
    tokens = np.asarray(one["tokens"].values[0], float)
    found = {}
    if "loss" in one:
        found["loss"] = _curve(tokens, one["loss"].isel(run=0).mean("language").values)
    names = [name for name in HEADLINE if name in available(one.isel(run=0))]
    for t in trajectories(one, names) if names else ():
        found[t.metric] = _curve(t.tokens, t.y)
    if cube.has_group(path, "timing"):
        found["tokens_per_second"] = _rate(tokens, cube.read(path, "timing"))
    return found


def _curve(tokens: NDArray[np.float64], values: NDArray[np.float64]) -> Curve:
    known = np.isfinite(values)
    return Curve(tokens=tokens[known], values=np.asarray(values, float)[known])


def _rate(tokens: NDArray[np.float64], timing: xr.Dataset) -> Curve:
    """Return tokens/s since the checkpoint before; one that training began with, or went on from, has none."""
    seconds = np.asarray(timing["training_seconds"].values[0], float)
    n = min(len(tokens), len(seconds))  # the file may have got a row between the two readings
    tokens, seconds = tokens[:n], seconds[:n]
    trained = np.diff(tokens, prepend=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _curve(tokens, np.where(seconds > 0, trained / seconds, np.nan))
