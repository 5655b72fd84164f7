"""Whether an answer depends on a single checkpoint: an outlier is found, and the question asked again without it.

A checkpoint is an outlier by the rule of ``calque.data.outliers``, its deviation in units of the fitted noise. It is
never left out. The answer depends on it where that without it differs, and no curve that the other checkpoints find
plausible comes near it: where a smooth curve is steep, leaving out any checkpoint moves a precise location, and the
first checkpoint sets the floor. The row then carries the other answer beside its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from calque.data.outliers import LIMIT, outlying, running_median
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import FEWEST
from calque.phases.detection.judge import rows
from calque.phases.noise.noise import Noise
from calque.phases.noise.variants import VARIANTS, amplitudes
from calque.phases.results import Outcome, Refusal, Transition
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory

LEAST_SCALE, LEAST_SCALE_CONTINUOUS = 0.3, 0.1
"""Least robust standard deviation, in units of the fitted noise: the noise of counts has a known part."""
STEEPER = 4.0
"""Of two neighbouring steps of a smooth curve at its end the outer one is no more times the inner one than this."""
ESTIMANDS = ("delay", "takeoff")
PLAUSIBLE = 6.0
"""Excess residual sum of squares up to which a curve is plausible for the other checkpoints."""
EXPECTED = 4.0
"""Standard deviations of the noise within which a plausible curve predicts a checkpoint."""


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
    # without its trend, by which an early outlier explains itself
    white, shift = amplitudes(t, middle, replace(VARIANTS[k], trend=0.0))
    away = np.abs(t.y - middle) / np.sqrt(phi * (white + shift**2 * variance))
    # the noise was fitted with the outliers: it gives the profile over the run, the median gives the size
    far = outlying(away, LEAST_SCALE if t.counts else LEAST_SCALE_CONTINUOUS)
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


def predicted(t: Trajectory, i: int, less: Analysis) -> bool:
    """Return whether a curve that the other checkpoints find plausible comes near the one that was left out.

    Parameters
    ----------
    t : Trajectory
        The whole series, as it was given.
    i : int
        Position of the checkpoint that was left out.
    less : Analysis
        Of the series without it.
    """
    fit = less.fit
    moved = float(fit.axis.to_x(t.tokens[-1])) if fit.axis.scale == "log" else 0.0  # without the last checkpoint
    x = Axis.of(t.tokens, fit.axis.scale).x[i] + moved
    near = np.flatnonzero(fit.excess <= PLAUSIBLE)
    floors = np.array([fit.curve_of(int(j))[0] for j in near])
    scores = floors + fit.amplitude[near] * fit.candidates.at(np.array([x]), near)[0]
    k, _, variance, phi = fit.noise.mean()
    value = (t.y[i] - less.origin) / less.unit
    for score in scores:
        white, shift = amplitudes(t, np.full(t.n, score), VARIANTS[k])
        if abs(value - score) <= EXPECTED * np.sqrt(phi * (white[i] + shift[i] ** 2 * variance)):
            return True
    return False


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
    whole = a.trajectory if a.dip is None else a.dip.whole
    original = whole if a.unit == 1.0 else replace(whole, y=a.origin + a.unit * whole.y)
    i = None if original.n <= FEWEST else largest_outlier(whole, a.fit.noise)
    if i is None:
        return list(found)
    less = again(without(original, i))
    if isinstance(less, Refusal) and less.outcome == Outcome.NOT_CONVERGED:
        return list(found)  # what a failed analysis would have said is not known
    if isinstance(less, Analysis) and predicted(original, i, less):
        return list(found)
    other = {row.estimand: row for row in rows(less, level) if row.estimand in ESTIMANDS}
    out = []
    for row in found:
        one = other.get(row.estimand)
        if one is not None and _differs(row, one, floor=i == 0):
            row = replace(
                row, without_checkpoint=float(original.tokens[i]), without_outcome=one.outcome,
                without_tokens=one.tokens, without_low=one.low, without_high=one.high, without_p_value=one.p_value,
            )  # fmt: skip
        out.append(row)
    return out


def _differs(one: Transition, other: Transition, *, floor: bool) -> bool:
    """Whether two rows differ: another outcome, or a location outside the other's interval.

    Without the first checkpoint, the ``floor``, heights are above another one: then only a rise or none is compared.
    """
    if floor:
        return (one.outcome == Outcome.NONE) != (other.outcome == Outcome.NONE)
    if one.outcome != other.outcome:
        return True
    if one.tokens is None or other.tokens is None:
        return False
    low, high = one.low or 0.0, one.high or np.inf
    return not low <= other.tokens <= high
