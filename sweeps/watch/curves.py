"""A run's curves so far, for eyes and trackers: loss, copying, false copying, translation, throughput over tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data import cube
from calque.data.cube.run_file import NAME
from calque.data.errors import UserError
from calque.data.json_files import read_json_if_there, write_json
from calque.data.metrics import HEADLINE
from calque.phases.series.metrics import available, trajectories

FILE = "curves.json"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure of one run: values at tokens, both of shape (n,)."""

    tokens: NDArray[np.float64]
    values: NDArray[np.float64]


def curves_from(one: xr.Dataset, timing: xr.Dataset | None = None) -> dict[str, Curve]:
    """Return the curves of a run's cube, by name.

    ``loss`` is the mean over languages (nats/token); the rates are those of ``phases``; ``tokens_per_second`` is that
    of training, without scoring.

    Parameters
    ----------
    one : xarray.Dataset
        The cube of one run.
    timing : xarray.Dataset, optional
        Its group ``timing``, of the same rows.
    """
    tokens = np.asarray(one["tokens"].values[0], float)
    found = {}
    if "loss" in one:
        found["loss"] = _curve(tokens, one["loss"].isel(run=0).mean("language").values)
    names = [name for name in HEADLINE if name in available(one.isel(run=0))]
    for t in trajectories(one, names) if names else ():
        found[t.metric] = _curve(t.tokens, t.y)
    if timing is not None:
        found["tokens_per_second"] = _rate(tokens, timing)
    return found


def write_curves(folder: Path, curves: Mapping[str, Curve]) -> None:
    """Write a run's curves beside its cube: a page of many runs then opens no cube.

    Parameters
    ----------
    folder : Path
        The run's.
    curves : mapping of str to Curve
        By name.
    """
    values = {name: [curve.tokens.tolist(), curve.values.tolist()] for name, curve in curves.items()}
    write_json(folder / FILE, values, indent=None)


def curves_of(folder: Path) -> dict[str, Curve]:
    """Return the curves of a run so far, by name (see :func:`curves_from`); none of a run without a checkpoint.

    Parameters
    ----------
    folder : Path
        The run's.

    Raises
    ------
    UserError
        When there is no file of curves, as of older runs, and the cube is damaged.
    """
    written, rows = folder / FILE, folder / NAME
    if _changed(written) >= _changed(rows):  # curves are written after the rows that they are of
        kept = read_json_if_there(written, dict[str, tuple[list[float], list[float]]])
        if kept is not None and all(len(tokens) == len(values) for tokens, values in kept.values()):
            return {name: Curve(tokens=np.array(t), values=np.array(v)) for name, (t, v) in kept.items()}
    return curves_from(*cube.read_with(rows, "timing")) if rows.exists() else {}


class CurveReader:
    """Reads a run's curves again only when its files have changed."""

    def __init__(self) -> None:
        self.known: dict[Path, tuple[tuple[int, int], dict[str, Curve]]] = {}

    def __call__(self, folder: Path) -> dict[str, Curve]:
        """Return the curves of the run in ``folder``; none of one whose cube is damaged."""
        changed = _changed(folder / FILE), _changed(folder / NAME)
        if folder not in self.known or self.known[folder][0] != changed:
            try:
                self.known[folder] = (changed, curves_of(folder))
            except UserError:  # damaged, or on its way here
                return {}
        return self.known[folder][1]


def _changed(path: Path) -> int:
    """Return when a file was changed, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _curve(tokens: NDArray[np.float64], values: NDArray[np.float64]) -> Curve:
    known = np.isfinite(values)
    return Curve(tokens=tokens[known], values=np.asarray(values, float)[known])


def _rate(tokens: NDArray[np.float64], timing: xr.Dataset) -> Curve:
    """Return tokens/s since the checkpoint before; one that training began with, or went on from, has none."""
    seconds = np.asarray(timing["training_seconds"].values[0], float)
    trained = np.diff(tokens, prepend=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _curve(tokens, np.where(seconds > 0, trained / seconds, np.nan))
