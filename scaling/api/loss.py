"""Fitting a law of held-out loss to a file or cube: the function behind ``scaling loss``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError, nearest
from calque.data.quantities import plural
from calque.scaling.checks import LEAST_BOOT, check_count, check_level
from calque.scaling.loss.fit import fit_loss
from calque.scaling.loss.isoflop import isoflop_view
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points, cube_points, read_points
from calque.scaling.loss.prediction import describe
from calque.scaling.loss.result import LossReport
from calque.scaling.named_sizes import parse_amount, parse_size
from calque.scaling.takeoffs import Progress


@checked
def loss(
    source: CubeLike,
    *,
    law: str = "chinchilla",
    loss: str = "huber",
    delta: float = 1e-3,
    tau: float = 0.5,
    at: str | None = None,
    language: str | None = None,
    drop_highest: int = 0,
    boot: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    progress: Progress | None = None,
) -> LossReport:
    """Fit a law of held-out loss: thousands of starts, runs resampled whole, every parameter's profile.

    Where the points leave a parameter open no prediction is given, but the run that would narrow it most.

    Parameters
    ----------
    source : xarray.Dataset, path, or result with a cube
        A cube, or a CSV with columns n, d, loss (and run, share, unique, other, language).
    law : str
        ``chinchilla``, ``share``, ``repeated``, ``transfer``, ``broken`` or ``broken:K``.
    loss : str
        What is minimised: ``huber``, ``lad``, ``gaussian`` or ``quantile``, of ln loss.
    delta : float
        Residual of ln loss at which Huber's loss becomes linear.
    tau : float
        The quantile, for ``quantile``.
    at : str, optional
        Predict the loss of a run of N parameters and D tokens, ``N,D`` such as ``1.7b,37b``.
    language : str, optional
        Keep this language's rows.
    drop_highest : int
        Leave out this many rows of highest loss.
    boot : int
        Resamples of whole runs.
    level : float
        Of the intervals, 0.5 to 1.
    seed : int
        The same seed gives the same numbers.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When the points cannot be read, lack what the law needs, or a setting is out of range.
    """
    check_level(level)
    check_count("boot", boot, LEAST_BOOT)
    check_count("drop_highest", drop_highest, 0)
    objective = Objective(kind=loss, delta=delta, tau=tau)  # type: ignore[arg-type]
    points, name = _points(source)
    points = _selected(points, language, drop_highest)
    target = None if at is None else _target(at, points)
    fitted = fit_loss(points, law, objective=objective, level=level, boot=boot, seed=seed, progress=progress)
    sentences, prediction = describe(fitted, target)
    return LossReport(fit=fitted, sentences=sentences, prediction=prediction, isoflop=isoflop_view(fitted), source=name)


def _points(source: CubeLike) -> tuple[Points, str]:
    """Return the points of a CSV or cube, and its name."""
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in (".csv", ".txt"):
        return read_points(Path(source)), os.fspath(source)
    cube, name = as_cube(source)
    return cube_points(cube), name


def _selected(points: Points, language: str | None, drop_highest: int) -> Points:
    """Return the rows of one language, without those of highest loss."""
    if language is not None:
        known = [] if points.language is None else np.unique(points.language).tolist()
        if points.language is None or language not in known:
            expected = ", ".join(known) or "a column 'language' first"
            raise UserError(f"`language` '{language}': no such rows; expected {expected}{nearest(language, known)}")
        points = points.take(points.language == language)
    if drop_highest:
        if drop_highest >= len(points):
            raise UserError(f"`drop_highest` is {drop_highest}: there are {plural(len(points), 'row')}; expected fewer")
        points = points.take(np.sort(np.argsort(points.loss, kind="stable")[: len(points) - drop_highest]))
    return points


def _target(at: str, points: Points) -> Points:
    """Return the run that ``at`` names, with the other columns of the largest run."""
    n, comma, d = at.partition(",")
    if not comma:
        raise UserError(f"`at` {at!r} is no run; expected parameters and tokens as 1.7b,37b")
    largest = points.take(np.array([int(np.argmax(points.n * points.d))]))
    return replace(largest, n=np.array([parse_size(n, "at")]), d=np.array([parse_amount(d, "at")]))
