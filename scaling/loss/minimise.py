"""Minimising an objective from thousands of starts at once, and for thousands of resamples at once.

Rows (starts or resamples) move together as arrays. A step solves ``(H + damp M) step = -gradient``: H is the Hessian of
the objective in the linearised residuals, M that of the parabolas above it (the matrix of iteratively reweighted
least squares). Heavily damped it descends surely, undamped it is Newton's step; each row keeps its own damping.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.processes import cores
from calque.scaling.loss.laws.base import LossLaw, Prepared
from calque.scaling.loss.objective import Objective

Array = NDArray[np.float64]
CHUNK = 200_000
"""Numbers in one array of derivatives: what stays in a core's cache."""
ROUNDS, PATIENCE, TINY, STIFF = 200, 3, 1e-9, 1e6
RIDGE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """Where rows ended.

    Attributes
    ----------
    theta : array, shape (k, p)
    value : array, shape (k,)
        The objective's weighted sum.
    settled : array of bool, shape (k,)
        Whether the last steps gained next to nothing.
    """

    theta: Array
    value: Array
    settled: NDArray[np.bool_]


def screen(law: LossLaw, prepared: Prepared, log_loss: Array, objective: Objective, starts: Array, keep: int) -> Array:
    """Return the ``keep`` best of ``starts`` (k, p) by their objective.

    Parameters
    ----------
    law : LossLaw
        The law.
    prepared : tuple of array
        What its ``prepare`` returned.
    log_loss : array, shape (m,)
        Observed ln loss.
    objective : Objective
        What is minimised.
    starts : array, shape (k, p)
        Starting values.
    keep : int
        How many are returned.
    """
    values = np.concatenate(
        [
            _values(law, prepared, log_loss, objective, starts[part], None)
            for part in _chunks(len(starts), log_loss.size, 1)
        ]
    )
    return starts[np.argsort(values, kind="stable")[:keep]]


def refine(
    law: LossLaw,
    prepared: Prepared,
    log_loss: Array,
    objective: Objective,
    theta: Array,
    weights: Array | None = None,
    fixed: NDArray[np.bool_] | None = None,
) -> Minimum:
    """Minimise from every row of ``theta`` (k, p).

    Parameters
    ----------
    law, prepared, log_loss, objective
        What is fitted to what.
    theta : array, shape (k, p)
        Starts.
    weights : array, shape (k, m), optional
        Of the points, a row each: resamples.
    fixed : array of bool, shape (k, p), optional
        Coordinates that stay, a row each: profiles.
    """
    parts = list(_chunks(len(theta), log_loss.size, theta.shape[1]))

    def one(part: slice) -> Minimum:
        w = None if weights is None else weights[part]
        held = None if fixed is None else fixed[part]
        at = theta[part]
        for stage in objective.stages():
            found = _descend(law, prepared, log_loss, stage, at, w, held)
            at = found.theta
        return found

    with ThreadPoolExecutor(cores()) as pool:
        found = list(pool.map(one, parts))
    return Minimum(
        theta=np.concatenate([f.theta for f in found]),
        value=np.concatenate([f.value for f in found]),
        settled=np.concatenate([f.settled for f in found]),
    )


def _descend(
    law: LossLaw,
    prepared: Prepared,
    log_loss: Array,
    objective: Objective,
    start: Array,
    weights: Array | None,
    fixed: NDArray[np.bool_] | None,
) -> Minimum:
    theta = start.copy()
    k, p = theta.shape
    damp, quiet = np.full(k, 1.0), np.zeros(k, int)
    value = _values(law, prepared, log_loss, objective, theta, weights)
    active = np.flatnonzero(np.isfinite(value))
    for _ in range(ROUNDS):
        if not active.size:
            break
        w = None if weights is None else weights[active]
        held = None if fixed is None else fixed[active]
        step = _step(law, prepared, log_loss, objective, theta[active], w, held, damp[active])
        trial = theta[active] + step
        new = _values(law, prepared, log_loss, objective, trial, w)
        gain = value[active] - new
        better = gain > 0
        rows = active[better]
        theta[rows], value[rows] = trial[better], new[better]
        damp[active] = np.clip(np.where(better, damp[active] / 6, damp[active] * 6), 1e-9, STIFF)
        quiet[active] += better & ~(gain > TINY * np.abs(value[active]))
        active = active[(quiet[active] < PATIENCE) & (damp[active] < STIFF)]
    settled = np.isfinite(value)
    settled[active] = False
    return Minimum(theta=theta, value=value, settled=settled)


def _step(
    law: LossLaw,
    prepared: Prepared,
    log_loss: Array,
    objective: Objective,
    theta: Array,
    weights: Array | None,
    fixed: NDArray[np.bool_] | None,
    damp: Array,
) -> Array:
    fitted, slopes = law.evaluate(theta, prepared)
    r = log_loss - fitted
    pull, (sharp, above) = objective.slope(r), objective.curvature(r)
    both = sharp + damp[:, None] * above
    if weights is not None:
        pull, both = pull * weights, both * weights
    gradient = (slopes @ pull[..., None])[..., 0]
    matrix = (slopes * both[:, None]) @ slopes.transpose(0, 2, 1)
    p = theta.shape[1]
    if fixed is not None:
        gradient = np.where(fixed, 0.0, gradient)
        matrix = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, matrix)
    diagonal = np.einsum("kii->ki", matrix)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300 + 1e-30 * diagonal.max(1, keepdims=True)))
    scale = np.where(diagonal > 0, scale, 0.0)
    unit = matrix * scale[:, :, None] * scale[:, None, :] + (RIDGE * (1 + damp))[:, None, None] * np.eye(p)
    empty = ~(diagonal > 0)
    unit += np.where(empty, 1.0, 0.0)[:, :, None] * np.eye(p)
    step = scale * np.linalg.solve(unit, (scale * gradient)[..., None])[..., 0]
    return np.where(np.isfinite(step), np.clip(step, -3.0, 3.0), 0.0)


def _values(
    law: LossLaw, prepared: Prepared, log_loss: Array, objective: Objective, theta: Array, weights: Array | None
) -> Array:
    part = objective.value(log_loss - law.evaluate(theta, prepared)[0])
    total = part.sum(1) if weights is None else (part * weights).sum(1)
    return np.where(np.isfinite(total), total, np.inf)


def _chunks(rows: int, m: int, p: int) -> Iterator[slice]:
    size = max(1, CHUNK // (m * p))
    for start in range(0, rows, size):
        yield slice(start, start + size)
