r"""Values that stand several times in a row: held between evaluations, or one checkpoint listed several times.

A score that is evaluated at every fourth logged row and carried forward shows each value four times. Read as four
checkpoints, they look like a score without noise that moves in steps. Two patterns are told from chance:

regular
    All changes fall on every k-th row. With C changes among P pairs of neighbours, of which S lie where a block of k
    rows begins, chance alone has this happen with probability :math:`\binom{S}{C} / \binom{P}{C}`, whatever the
    chance of a tie is, for pairs inside and between blocks lie beside each other.
irregular
    There are more ties than the lattice of values allows. In units of the least distance between two values of the
    series, neighbours that differ do so by m on average; for differences of a two-sided geometric law (a law with
    more ties than the normal one of that mean) a tie then has probability :math:`1/(2m - 1)`. m is taken locally,
    for a score near its floor moves by less.

Ties at a bound (0 or 1 of a proportion, the least or the largest value of another score), and of the value that stands
for most rows, are evidence of neither: a score may truly stay where it is.

equal checkpoints
    Where all metrics of a run have the values of the row before, and chance would not have all of them tie at once,
    the same weights were scored twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calque.phases.series.trajectory import Array, Trajectory

CHANCE = 1e-5
"""Probability by chance below which repeats are taken for such."""
FEWEST_CHANGES = 5
"""Changes of a series, and values that are repeated, that a pattern needs."""
NEAR = 10
"""Neighbours that differ, nearest to a pair, from which its chance of a tie is taken."""
LONGER = 4
"""Times the usual number of rows beyond which a value truly stays."""
DOUBT = 1.5
"""Factor on the expected number of ties, for m is an estimate."""
SAME = 1e-9
"""Share of the range by which equal values may differ."""


Pattern = Literal["regular", "irregular", "equal"]


@dataclass(frozen=True, eq=False)
class Repeats:
    """Which rows of a series are values of their own.

    Attributes
    ----------
    kept : array of int, shape (m,)
        Positions of the rows to analyse, increasing.
    times : int
        How many rows a value is held for; the median where that varies.
    pattern : {"regular", "irregular", "equal"}
        Whether each value is held for the same number of rows, or for several, or whole checkpoints are equal.
    """

    kept: NDArray[np.int64]
    times: int
    pattern: Pattern


@dataclass(frozen=True, eq=False)
class Ties:
    """Neighbouring rows of a series.

    Attributes
    ----------
    tied : array of bool, shape (n - 1,)
        Whether two neighbours have the same value.
    inside : array of bool, shape (n - 1,)
        Whether they are no tie at a bound.
    telling : array of bool, shape (n - 1,)
        Whether they are no tie at a bound or at the value that stands for most rows.
    chance : array, shape (n - 1,)
        Probability of a tie by chance; 1 where nothing is known.
    """

    tied: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    telling: NDArray[np.bool_]
    chance: Array

    @classmethod
    def of(cls, t: Trajectory) -> Ties:
        """Compare the neighbours of a series of two rows or more.

        Parameters
        ----------
        t : Trajectory
            The series, n rows.
        """
        y, near = t.y, SAME * max(float(np.ptp(t.y)), 1e-300)
        step = np.abs(np.diff(y))
        tied = step <= near
        low, high = (0.0, 1.0) if t.proportion else (float(y.min()), float(y.max()))
        inside = ~(tied & ((y[1:] <= low + near) | (y[1:] >= high - near)))
        held = tied & (np.abs(y[1:] - _most_held(y, tied)) <= near)
        return cls(tied, inside, inside & ~held, _chance(y, step, tied, near))


def repeats(t: Trajectory) -> Repeats | None:
    """Return which rows of a series are values of their own; None where repeats are no more than chance has it.

    Parameters
    ----------
    t : Trajectory
        The series.
    """
    if t.n < 2 * FEWEST_CHANGES or t.constant:
        return None
    ties = Ties.of(t)
    return _regular(t, ties) or _irregular(ties)


def equal_checkpoints(series: Sequence[Trajectory]) -> NDArray[np.int64]:
    """Return the checkpoints at which all metrics of a run have the values of the checkpoint before.

    Parameters
    ----------
    series : sequence of Trajectory
        All series of one run.

    Returns
    -------
    array of int
        Their ranks within the run (:attr:`Trajectory.index`), increasing; none where the run has one series alone.
    """
    rows = np.unique(np.concatenate([t.index for t in series])) if series else np.zeros(0, np.int64)
    if len(series) < 2 or len(rows) < 2:
        return np.zeros(0, np.int64)
    known, different, log_chance = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    for t in series:
        if t.n < 2:
            continue
        at = np.searchsorted(rows, t.index)
        beside, ties = np.diff(at) == 1, Ties.of(t)
        later = at[1:][beside]
        known[later] += 1
        different[later] += ~ties.tied[beside]
        log_chance[later] += np.where(ties.inside, np.log(ties.chance), 0.0)[beside]
    equal = (known > 1) & (different == 0) & (log_chance < 0)
    expected = DOUBT * float(np.exp(log_chance[(known > 1) & (log_chance < 0)]).sum())
    return np.asarray(rows[equal] if _beyond_chance(int(equal.sum()), expected) else rows[:0])


def without_repeats(t: Trajectory, found: Repeats) -> Trajectory:
    """Return a series without its repeats; the noise counts values and not rows.

    Parameters
    ----------
    t : Trajectory
        The series.
    found : Repeats
        Of the same series.
    """
    part = t.subset(found.kept)
    if t.places is not None:
        return part
    places = part.index / found.times if found.pattern == "regular" else np.arange(part.n)
    return replace(part, places=np.asarray(places, float))


def _regular(t: Trajectory, ties: Ties) -> Repeats | None:
    beside = np.diff(t.index) == 1
    changes = t.index[1:][~ties.tied & beside]
    if len(changes) < FEWEST_CHANGES:
        return None
    k = int(np.gcd.reduce(np.diff(changes)))
    if k < 2:
        return None
    first = int(changes[0]) % k
    begins = t.index % k == first
    counted = beside & ties.telling
    pairs, slots = int(counted.sum()), int((counted & begins[1:]).sum())
    # of k spacings and their k offsets one was chosen after the fact
    if 2 * math.log(k) + _log_choose(slots, len(changes)) - _log_choose(pairs, len(changes)) > math.log(CHANCE):
        return None
    block = (t.index - first) // k
    return Repeats(np.flatnonzero(np.diff(block, prepend=block[0] - 1) > 0), k, "regular")


def _irregular(ties: Ties) -> Repeats | None:
    evidence = ties.tied & ties.telling
    lengths, starts = _runs(ties.tied)
    telling = np.array(
        [length > 1 and bool(ties.telling[start]) for length, start in zip(lengths, starts, strict=True)]
    )
    expected = DOUBT * float(ties.chance[ties.telling].sum())
    if telling.sum() < FEWEST_CHANGES or not _beyond_chance(int(evidence.sum()), expected):
        return None
    times = math.ceil(float(np.median(lengths[telling])))
    # a value that stands for far longer, or at a bound, was evaluated more than once in that time
    stays = (lengths > LONGER * times) | ((lengths > 1) & ~ties.inside[np.minimum(starts, len(ties.inside) - 1)])
    kept = [
        start + np.arange(0, length, times if stay else length)
        for length, start, stay in zip(lengths, starts, stays, strict=True)
    ]
    return Repeats(np.concatenate(kept), times, "irregular")


def _runs(tied: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows each value stands for, and its first row."""
    starts = np.concatenate([[0], np.flatnonzero(~tied) + 1])
    return np.diff(np.append(starts, len(tied) + 1)), starts


def _most_held(y: Array, tied: NDArray[np.bool_]) -> float:
    lengths, starts = _runs(tied)
    return float(y[starts[lengths.argmax()]])


def _chance(y: Array, step: Array, tied: NDArray[np.bool_], near: float) -> Array:
    moved = np.flatnonzero(~tied)
    values = np.sort(y)
    apart = np.diff(values)
    apart = apart[apart > near]
    if not len(moved) or not len(apart):
        return np.ones(len(step))
    most = min(NEAR, len(moved))
    first = np.clip(np.searchsorted(moved, np.arange(len(step))) - most // 2, 0, len(moved) - most)
    total = np.concatenate([[0.0], np.cumsum(step[moved])])
    m = np.maximum((total[first + most] - total[first]) / most / float(apart.min()), 1.0)
    return np.asarray(1 / (2 * m - 1))


def _beyond_chance(ties: int, expected: float) -> bool:
    """Return whether there are more ties than chance has it."""
    from scipy.stats import poisson

    return bool(poisson.sf(ties - 1, expected) < CHANCE)


def _log_choose(n: int, k: int) -> float:
    """Return ln of n choose k; minus infinity where k exceeds n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if k <= n else -math.inf
