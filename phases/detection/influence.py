r"""Whether an answer hangs on a single checkpoint: a wild evaluation is found, and the question asked without it.

A checkpoint is wild when it lies further than seven robust standard deviations from the median of the five
checkpoints around it: the identifier of Hampel (1974) in units of the fitted noise, its scale 1.4826 times the median
absolute deviation of the series from its running median. It is never taken out; where the answer without it differs,
the sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from calque.data.quantities import format_count
from calque.phases.detection.analyse import FEWEST, Analysis
from calque.phases.detection.judge import rows
from calque.phases.noise.noise import VARIANTS, Noise, amplitudes
from calque.phases.results import Transition
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

HALF = 2
"""Checkpoints on either side of the one in question."""
WILD = 7.0
LEAST_SCALE = 0.3
"""Of the deviations, in units of the fitted noise."""
ESTIMANDS = ("delay", "takeoff")


def wildest(t: Trajectory, noise: Noise) -> int | None:
    """Return the position of the checkpoint furthest from its neighbours, if that is further than noise goes."""
    middle = running_median(t.y)
    k, _, variance, phi = noise.mean()
    white, shift = amplitudes(t, middle, VARIANTS[k])
    away = np.abs(t.y - middle) / np.sqrt(phi * (white + shift**2 * variance))
    # the noise was fitted to wild checkpoints too: its profile over the run is taken from it, its size from the median
    far = away > WILD * max(1.4826 * float(np.median(away)), LEAST_SCALE)
    if t.counts:
        # at a floor of zeros, where most deviations are 0, a single success is not wild
        share = np.clip(middle, 1 / t.effective_trials, 1 - 1 / t.effective_trials)
        far &= np.abs(t.y - middle) > WILD * np.sqrt(share * (1 - share) / t.effective_trials)
    return int(np.where(far, away, 0.0).argmax()) if far.any() else None


def running_median(y: Array) -> Array:
    """Return the median of each value (n,) and of those up to ``HALF`` to either side, as many as there are."""
    padded = np.pad(y, HALF, constant_values=np.nan)
    return np.asarray(np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * HALF + 1), axis=1))


def without(t: Trajectory, i: int) -> Trajectory:
    """Return a trajectory that lacks the checkpoint at position ``i``."""
    keep = np.arange(t.n) != i
    return replace(
        t, tokens=t.tokens[keep], y=t.y[keep], index=t.index[keep],
        trials=None if t.trials is None else t.trials[keep],
    )  # fmt: skip


def hanging(
    a: Analysis, found: Sequence[Transition], again: Callable[[Trajectory], Analysis], level: float
) -> list[Transition]:
    """Return the rows of a series, those that a wild checkpoint decides labelled with what they are without it.

    Parameters
    ----------
    found : sequence of Transition
        The rows of ``a``.
    again : callable
        Analyses a trajectory as the series itself was.
    """
    original = a.trajectory if a.unit == 1.0 else replace(a.trajectory, y=a.origin + a.unit * a.trajectory.y)
    i = None if a.fit is None or original.n <= FEWEST else wildest(a.trajectory, a.fit.noise)
    if i is None:
        return list(found)
    other = {row.estimand: row for row in rows(again(without(original, i)), level) if row.estimand in ESTIMANDS}
    where = format_count(float(original.tokens[i]))
    out = []
    for row in found:
        one = other.get(row.estimand)
        if one is not None and _differs(row, one):
            place = f" at {format_count(one.tokens)} tokens" if one.tokens is not None else ""
            row = replace(
                row, reason=f"{row.reason}; hangs on one checkpoint: without {where} it is {one.outcome}{place}"
            )
        out.append(row)
    return out


def _differs(one: Transition, other: Transition) -> bool:
    """Whether two rows say different things: another outcome, or a location outside the other's interval."""
    if one.outcome != other.outcome:
        return True
    if one.tokens is None or other.tokens is None:
        return False
    low, high = one.low or 0.0, one.high or np.inf
    return not low <= other.tokens <= high
