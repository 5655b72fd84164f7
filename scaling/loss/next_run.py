"""The run that would narrow a predicted loss most (optimal design by the linearised fit)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from calque.scaling.loss.law import loss_law
from calque.scaling.loss.points import Points
from calque.scaling.loss.result import LossFit


@dataclass(frozen=True, kw_only=True)
class NextRun:
    """A further run.

    Attributes
    ----------
    n, d : float
        Its parameters and training tokens.
    remaining : float
        Share of the prediction's SD that would remain after it.
    """

    n: float
    d: float
    remaining: float


def next_run(fitted: LossFit, at: Points, budget: float | None = None) -> NextRun:
    """Return the best of a grid of runs, N and D from a quarter of the smallest to four times the largest.

    Parameters
    ----------
    fitted : LossFit
        The fit so far.
    at : Points
        The one point to be predicted; the run's other columns are taken from it.
    budget : float, optional
        FLOPs, 6 N D, at most; those of the largest run when not given. Without a limit the target is always best.
    """
    law, points = loss_law(fitted.law), fitted.points
    budget = budget or float((6 * points.n * points.d).max())
    slopes = law.evaluate(fitted.theta[None], law.prepare(points))[1][0]
    aim = law.evaluate(fitted.theta[None], law.prepare(at))[1][0][:, 0]
    information = slopes @ slopes.T
    ridge = 1e-9 * np.trace(information) / len(aim) * np.eye(len(aim))
    covariance = np.linalg.inv(information + ridge)
    axes = [np.geomspace(v.min() / 4, v.max() * 4, 25) for v in (points.n, points.d)]
    grid = np.array([(n, d) for n, d in product(*axes) if 6 * n * d <= budget * 1.001])
    one = at.take(np.zeros(len(grid), int))
    rows = law.evaluate(fitted.theta[None], law.prepare(replace(one, n=grid[:, 0], d=grid[:, 1])))[1][0]
    spread = covariance @ rows
    gain = (aim @ spread) ** 2 / (1 + (rows * spread).sum(0))
    best = int(np.argmax(gain))
    left = np.sqrt(max(1 - gain[best] / float(aim @ covariance @ aim), 0.0))
    return NextRun(n=float(grid[best, 0]), d=float(grid[best, 1]), remaining=float(left))
