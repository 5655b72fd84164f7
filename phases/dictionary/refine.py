"""Refining candidates: new members of each family around those that a series finds plausible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calque.phases.dictionary.candidates import Candidates, unit
from calque.phases.dictionary.fit import residuals, spread_of
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array, Axis
from calque.phases.shapes import FAMILIES, Family

PLAUSIBLE = 16.0
"""Candidates whose residual sum of squares exceeds the best one's by more can never enter an interval."""
KEPT = 260
"""Most members of a family."""
ROUNDS = (1.0, 0.4)
STRETCHES = np.array([0.3, 0.6, 1.0])
PROPOSALS = 110
"""New curves a round and family of up to three parameters; three times as many for larger ones."""


def refine(
    start: Candidates, whiten: Whitener, y: Array, rng: np.random.Generator, again: bool = False
) -> Candidates:  # fmt: skip
    """Return candidates around the plausible region of each family, on and off the grid.

    Parameters
    ----------
    start : Candidates
        Candidates to start from.
    whiten : Whitener
        Whitening of the noise.
    y : array, shape (n,)
        The series.
    rng : numpy.random.Generator
        Source of randomness for the proposals.
    again : bool
        Whether ``start`` has been refined before: families that are still far from the data are then left as they are.

    Returns
    -------
    Candidates
        Plausible members of each family.
    """
    axis = start.axis
    z = whiten(y)
    zz = float(z @ z)
    score = residuals(*whiten.project(start.columns, z), zz, start.extra)[0]
    best = float(score.min())
    spread = spread_of(best, len(y))
    members: dict[str, tuple[Array, Array]] = {}
    first = 0
    for name, theta in start.theta.items():
        mine = slice(first, first + len(theta))
        first += len(theta)
        family = FAMILIES[name]
        low, high = bounds(family, axis)
        keep = _plausible(score[mine], best, 2 * spread)
        theta, rss = theta[keep], score[mine][keep]
        # curves are gathered once, at the end: a copy a round costs as much as their evaluation
        columns = [start.columns[:, mine]]
        of = keep
        for shrink in ROUNDS:
            if (shrink < 1 or again) and rss.min() > best + 2 * PLAUSIBLE * spread:
                break  # no closer to the data: none of its members can enter an interval
            m = PROPOSALS * (1 if theta.shape[1] < 4 else 3)
            parents = rng.choice(len(theta), m, p=_preference(rss, float(rss.min()), spread))
            move = rng.uniform(-1, 1, (m, theta.shape[1])) * np.array(family.step) * shrink
            # half of them along the region's own extent: the difference of two plausible members
            along = np.arange(m) % 2 == 1
            two = rng.integers(0, max(1, int((rss <= best + PLAUSIBLE * spread).sum())), (2, m))
            stretch = rng.choice(STRETCHES, m)[:, None]
            move = np.where(along[:, None], stretch * (theta[two[0]] - theta[two[1]]) + 0.15 * move, move)
            new = np.clip(theta[parents] + move, low, high)
            born = unit(family, new, axis)
            found = residuals(*whiten.project(born, z), zz, np.full(m, family.extra))[0]
            before = sum(part.shape[1] for part in columns)
            columns.append(born)
            of = np.concatenate([of, np.arange(before, before + m)])
            theta, rss = np.vstack([theta, new]), np.concatenate([rss, found])
            best = min(best, float(rss.min()))
            keep = _plausible(rss, best, spread)
            theta, of, rss = theta[keep], of[keep], rss[keep]
        # a family far from the data keeps its best few: they may fit better under the next covariance
        fair = max(3, int((rss <= best + PLAUSIBLE * spread).sum()))
        members[name] = theta[:fair], _gathered(columns, of[:fair])
    return Candidates.stacked(axis, members)


def _gathered(columns: Sequence[Array], of: NDArray[np.intp]) -> Array:
    """Return the curves at some places of several arrays that stand side by side."""
    out = np.empty((len(columns[0]), len(of)))
    before = 0
    for part in columns:
        here = np.flatnonzero((of >= before) & (of < before + part.shape[1]))
        out[:, here] = part[:, of[here] - before]
        before += part.shape[1]
    return out


def bounds(family: Family, axis: Axis) -> tuple[Array, Array]:
    """Return the least and the largest parameters of a family on an axis."""
    low, high = np.array(family.low, float), np.array(family.high, float)
    for p in family.positions:
        low[p], high[p] = max(low[p], axis.x[0] - 1.5), min(high[p], axis.x[-1] + 2.0)
    return low, high


def _plausible(score: Array, best: float, spread: float) -> NDArray[np.intp]:
    """Return the plausible members by rank, at least the six best, at most ``KEPT`` spread evenly over the ranks."""
    near = np.flatnonzero(score < best + PLAUSIBLE * spread)
    if len(near) >= 6:
        order = near[np.argsort(score[near], kind="stable")]
    else:
        order = np.argsort(score, kind="stable")[:6]
    if len(order) > KEPT:
        order = order[np.unique(np.linspace(0, len(order) - 1, KEPT).astype(int))]
    return order


def _preference(score: Array, best: float, spread: float) -> Array:
    """Return probabilities to be varied: half by likelihood, half even."""
    p = np.exp(-0.25 * (score - best) / spread)
    return np.asarray(0.5 * p / p.sum() + 0.5 / len(p))
