"""Whether an answer depends on a single checkpoint: an outlier is found, and the question asked again without it.

A checkpoint is an outlier by the rule of ``calque.data.outliers``, its deviation in units of the fitted noise. It is
never left out; where the answer without it differs, the row carries that answer beside its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from calque.data.outliers import LIMIT, outlying, running_median
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import FEWEST
from calque.phases.detection.judge import rows
from calque.phases.noise.noise import VARIANTS, Noise, amplitudes
from calque.phases.results import Outcome, Refusal, Transition
from calque.phases.series.trajectory import Trajectory

LEAST_SCALE = 0.3
"""Least robust standard deviation, in units of the fitted noise."""
STEEPER = 4.0
"""Of two neighbouring steps of a smooth curve at its end the outer one is no more times the inner one than this."""
ESTIMANDS = ("delay", "takeoff")


def largest_outlier(t: Trajectory, noise: Noise) -> int | None:
    """Return the checkpoint that is furthest from its neighbours, if that exceeds what the noise explains.

    The first and the last have neighbours on one side alone, and smooth curves are often steepest there: they count
    only where their step is many times the one beside it.

    Parameters
    ----------
    t : Trajectory
        The series.
    noise : Noise
        Its fitted noise.

    Returns
    -------
    int or None
        Position of the checkpoint in the series.
    """
    middle = running_median(t.y)
    k, _, variance, phi = noise.mean()
    white, shift = amplitudes(t, middle, VARIANTS[k])
    away = np.abs(t.y - middle) / np.sqrt(phi * (white + shift**2 * variance))
    # the noise was fitted with the outliers: it gives the profile over the run, the median gives the size
    far = outlying(away, LEAST_SCALE)
    for end, beside, next_but_one in ((0, 1, 2), (-1, -2, -3)):  # where a smooth curve is steepest is no outlier
        far[end] &= abs(t.y[end] - t.y[beside]) > STEEPER * abs(t.y[beside] - t.y[next_but_one])
    if t.counts:
        # at a floor of zeros, where most deviations are 0, a single success is no outlier
        share = np.clip(middle, 1 / t.effective_trials, 1 - 1 / t.effective_trials)
        far &= np.abs(t.y - middle) > LIMIT * np.sqrt(share * (1 - share) / t.effective_trials)
    return int(np.where(far, away, 0.0).argmax()) if far.any() else None


def without(t: Trajectory, i: int) -> Trajectory:
    """Return a trajectory without one checkpoint.

    Parameters
    ----------
    t : Trajectory
        The series.
    i : int
        Position of the checkpoint in the series.

    Returns
    -------
    Trajectory
        The others.
    """
    return t.subset(np.delete(np.arange(t.n), i))


def label_influence(
    a: Analysis | Refusal, found: Sequence[Transition], again: Callable[[Trajectory], Analysis | Refusal], level: float
) -> list[Transition]:
    """Return the rows of a series; a row that depends on one outlier carries what it is without that checkpoint.

    Parameters
    ----------
    a : Analysis or Refusal
        The series as analysed.
    found : sequence of Transition
        Its rows.
    again : callable
        Analyses a trajectory with the same settings.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    list of Transition
        The rows, some with the answer without the checkpoint.
    """
    if isinstance(a, Refusal):
        return list(found)
    original = a.trajectory if a.unit == 1.0 else replace(a.trajectory, y=a.origin + a.unit * a.trajectory.y)
    i = None if original.n <= FEWEST else largest_outlier(a.trajectory, a.fit.noise)
    if i is None:
        return list(found)
    less = again(without(original, i))
    if isinstance(less, Refusal) and less.outcome == Outcome.NOT_CONVERGED:
        return list(found)  # what a failed analysis would have said is not known
    other = {row.estimand: row for row in rows(less, level) if row.estimand in ESTIMANDS}
    out = []
    for row in found:
        one = other.get(row.estimand)
        if one is not None and _differs(row, one):
            row = replace(
                row, without_checkpoint=float(original.tokens[i]), without_outcome=one.outcome,
                without_tokens=one.tokens, without_low=one.low, without_high=one.high, without_p_value=one.p_value,
            )  # fmt: skip
        out.append(row)
    return out


def _differs(one: Transition, other: Transition) -> bool:
    """Whether two rows differ: another outcome, or a location outside the other's interval."""
    if one.outcome != other.outcome:
        return True
    if one.tokens is None or other.tokens is None:
        return False
    low, high = one.low or 0.0, one.high or np.inf
    return not low <= other.tokens <= high
