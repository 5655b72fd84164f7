"""From a cube to the takeoffs of its runs: read, select one ladder, detect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr

from calque.data.cube.source import CubeLike, as_cube
from calque.phases.detection.detect import detect
from calque.phases.results import DetectionReport
from calque.phases.series.names import written_name
from calque.phases.settings import Settings
from calque.scaling.ladder import select, with_sizes
from calque.scaling.observations import Observation, observe

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class LadderTakeoffs:
    """The takeoffs of the runs of one ladder.

    Attributes
    ----------
    observations : tuple of Observation
        One for each run.
    note : str or None
        Which runs of the cube were left out, and why.
    cube_name : str
        The cube's path, or ``cube``.
    metric : str
        Whose takeoffs, as its name was written.
    """

    observations: tuple[Observation, ...]
    note: str | None
    cube_name: str
    metric: str


def detected(
    cube: xr.Dataset,
    metric: str,
    *,
    boot: int = 199,
    seed: int = 0,
    rise: float = 0.05,
    by: tuple[str, ...] = ("run",),
    progress: Progress | None = None,
) -> DetectionReport:
    """Return what ``phases detect`` finds of one metric.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated.
    metric : str
        Whose transitions.
    boot, seed : int
        Bootstrap draws for each series, and the seed.
    rise : float
        Height above the floor that defines takeoff.
    by : tuple of str
        What a series is of: ``run``, or ``target`` too.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When the metric is unknown or a setting is out of range.
    """
    return detect(cube, Settings(metrics=(metric,), boot=boot, seed=seed, rise=rise, by=by), progress)


def ladder_takeoffs(
    source: CubeLike,
    metric: str,
    *,
    where: Sequence[str] = (),
    params: Sequence[str] = (),
    boot: int = 199,
    seed: int = 0,
    rise: float = 0.05,
    progress: Progress | None = None,
) -> LadderTakeoffs:
    """Return the takeoff of every run of one ladder.

    Parameters
    ----------
    source : xarray.Dataset, path, or result with a cube
        With runs of several sizes.
    metric : str
        Whose takeoff.
    where, params : sequence of str
        See :func:`calque.scaling.ladder.select` and :func:`calque.scaling.ladder.with_sizes`.
    boot, seed, rise, progress
        See :func:`detected`.

    Raises
    ------
    UserError
        When the cube cannot be read, a condition or size is malformed, or no run has a takeoff.
    """
    cube, name = as_cube(source)
    cube, note = select(with_sizes(cube, params), where)
    metric = written_name(cube, metric)
    found = detected(cube, metric, boot=boot, seed=seed, rise=rise, progress=progress)
    observations = observe(cube, found.transitions, metric, found.likelihoods)
    return LadderTakeoffs(observations=observations, note=note, cube_name=name, metric=metric)
