"""IsoFLOP profiles of a cube's own runs: loss against size where runs had spent equally many FLOPs, and the minima.

As approach 2 of Hoffmann et al. (2022), but read within runs: each run's loss is interpolated in ln FLOPs, so points of
a run that goes on are taken before its learning rate has fallen and lie above what a run of that length would reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calque.phases.series.axis import Array

FEWEST_SIZES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class IsoFlopProfile:
    """Loss against size at one number of FLOPs.

    Attributes
    ----------
    flops : float
    n, loss : array, shape (m,)
        Parameters of the runs that passed that many FLOPs, and their loss there.
    run : tuple of int
        Which runs, as positions in the input.
    best_n, best_loss : float or None
        Vertex of the parabola of loss in ln n through the sizes' means; None where it opens downwards or lies beyond
        the sizes.
    """

    flops: float
    n: Array
    loss: Array
    run: tuple[int, ...]
    best_n: float | None = None
    best_loss: float | None = None


def profiles(n: Array, flops: Sequence[Array], loss: Sequence[Array], levels: int = 6) -> list[IsoFlopProfile]:
    """Return up to ``levels`` profiles, evenly spaced in ln FLOPs where runs of three sizes or more overlap.

    Parameters
    ----------
    n : array, shape (run,)
        Parameters.
    flops, loss : sequences of array, shape (checkpoint,)
        Of every run; checkpoints without FLOPs above 0 or a finite loss are left out.
    """
    curves = []
    for spent, value in zip(flops, loss, strict=True):
        keep = np.isfinite(spent) & np.isfinite(value) & (spent > 0)
        curves.append((np.log(spent[keep]), value[keep]))
    ends = [x[i] for x, _ in curves if len(x) for i in (0, -1)]
    if not ends:
        return []
    candidates = np.linspace(min(ends), max(ends), 241)
    wide = [at for at in candidates if len({float(n[i]) for i in _passing(curves, at)}) >= FEWEST_SIZES]
    if not wide:
        return []
    chosen = [wide[i] for i in np.unique(np.linspace(0, len(wide) - 1, levels).round().astype(int))]
    return [_profile(float(at), n, curves) for at in chosen]


def _passing(curves: Sequence[tuple[Array, Array]], at: float) -> list[int]:
    return [i for i, (x, _) in enumerate(curves) if len(x) and x[0] <= at + 1e-12 and at - 1e-12 <= x[-1]]


def _profile(at: float, n: Array, curves: Sequence[tuple[Array, Array]]) -> IsoFlopProfile:
    run = _passing(curves, at)
    sizes = n[run].astype(float)
    values = np.array([float(np.interp(at, *curves[i])) for i in run])
    distinct = np.unique(sizes)
    means = np.array([values[sizes == size].mean() for size in distinct])
    best = _vertex(np.log(distinct), means)
    return IsoFlopProfile(
        flops=float(np.exp(at)), n=sizes, loss=values, run=tuple(run),
        best_n=None if best is None else float(np.exp(best[0])), best_loss=None if best is None else best[1],
    )  # fmt: skip


def _vertex(x: Array, y: Array) -> tuple[float, float] | None:
    """Return the lowest point of the least-squares parabola, None where it is none within the sizes."""
    middle = float(x.mean())
    a, b, c = np.polyfit(x - middle, y, 2)
    if not a > 1e-12:
        return None
    at = float(-b / (2 * a))
    if not x[0] <= at + middle <= x[-1]:
        return None
    return at + middle, float(c - b * b / (4 * a))
