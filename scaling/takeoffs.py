"""From a cube to the takeoffs of its runs: read, select one ladder, detect."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import xarray as xr

from calque.data import cube as cubes
from calque.phases.detection.detect import detect
from calque.phases.results import Transition
from calque.phases.settings import Settings
from calque.scaling.ladder import select, with_sizes
from calque.scaling.observations import Observation, observe

Progress = Callable[[int, int, str], None]
Source = xr.Dataset | str | os.PathLike[str]
"""A cube, or the path of its file."""


def open_cube(source: Source) -> xr.Dataset:
    """Return a validated cube.

    Parameters
    ----------
    source : xarray.Dataset or path
        A dataset is left as it is.

    Raises
    ------
    UserError
        When the file cannot be read or the dataset is no cube.
    """
    return cubes.validate(source.copy()) if isinstance(source, xr.Dataset) else cubes.read(source)


def source_name(source: object) -> str | None:
    """Return the path that a source was named by, or None for a dataset in memory."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None


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
    source: Source,
    metric: str,
    *,
    where: Sequence[str] = (),
    params: Sequence[str] = (),
    boot: int = 199,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[tuple[Observation, ...], str | None]:
    """Return the takeoff of every run of one ladder, and a sentence when runs were left out.

    Parameters
    ----------
    source : xarray.Dataset or path
        The cube.
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
    cube, note = select(with_sizes(open_cube(source), params), where)
    return observe(cube, transitions(cube, metric, boot=boot, seed=seed, progress=progress), metric), note
