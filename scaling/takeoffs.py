"""From a cube to the takeoffs of its runs: read, select one ladder, detect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr

from calque.data.cube.source import CubeLike, as_cube
from calque.phases.detection.detect import detect
from calque.phases.results import Transition
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


def transitions(
    cube: xr.Dataset,
    metric: str,
    *,
    boot: int = 199,
    seed: int = 0,
    by: tuple[str, ...] = ("run",),
    progress: Progress | None = None,
) -> tuple[Transition, ...]:
    """Return what ``phases detect`` finds of one metric.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated.
    metric : str
        Whose transitions.
    boot, seed : int
        Bootstrap draws for each series, and the seed.
    by : tuple of str
        What a series is of: ``run``, or ``target`` too.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When the metric is unknown or a setting is out of range.
    """
    settings = Settings(metrics=(metric,), boot=boot, seed=seed, by=by)
    return tuple(detect(cube, settings, progress).transitions)


def ladder_takeoffs(
    source: CubeLike,
    metric: str,
    *,
    where: Sequence[str] = (),
    params: Sequence[str] = (),
    boot: int = 199,
    seed: int = 0,
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
    boot, seed, progress
        See :func:`transitions`.

    Raises
    ------
    UserError
        When the cube cannot be read, a condition or size is malformed, or no run has a takeoff.
    """
    cube, name = as_cube(source)
    cube, note = select(with_sizes(cube, params), where)
    metric = written_name(cube, metric)
    found = transitions(cube, metric, boot=boot, seed=seed, progress=progress)
    return LadderTakeoffs(observations=observe(cube, found, metric), note=note, cube_name=name, metric=metric)
