"""A schedule of training: its changes, and steps and learning rate as functions of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.series.axis import Array

AT_PEAK = 0.999
"""A learning rate of at least this share of the highest is at its peak."""
DROP = 0.7
"""A learning rate that falls below this share of the one before it falls at once, if it hardly falls beside that."""
LEAST = 1e-3
"""Share of the highest learning rate below which training has ended: what happens there changes nothing."""
PLATEAU = 0.05
"""Share of the run that the learning rate stays at its peak for, where its decay has a beginning."""
WARM, DECAY, FALL = (
    "the warmup of the learning rate ends", "the learning rate begins to decay", "the learning rate drops",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """Something that changes in training: where, in tokens, and what in words."""

    tokens: float
    what: str


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is known of the schedule of a run.

    Attributes
    ----------
    changes : tuple of Change
        In order.
    tokens : array, shape (n,), optional
        Where the other two are known.
    learning_rate : array, shape (n,), optional
        Straight between these positions.
    batch : array, shape (n,), optional
        Tokens of a step from each position on.
    """

    changes: tuple[Change, ...] = ()
    tokens: Array | None = None
    learning_rate: Array | None = None
    batch: Array | None = None

    def steps(self, at: Array) -> Array | None:
        """Return the steps taken until ``at`` (m,) tokens; None where the batch is not known."""
        if self.tokens is None or self.batch is None:
            return None
        knots = np.concatenate([[0.0], self.tokens[1:]])  # what the first batch was before its position is the same
        before = np.concatenate([[0.0], np.cumsum(np.diff(knots) / self.batch[:-1])])
        i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, None)
        return np.asarray(before[i] + (at - knots[i]) / self.batch[i])

    def cumulative(self, at: Array, steps: Array) -> Array | None:
        """Return the learning rate summed over steps until ``at`` (m,), relative to the highest: steps at the peak.

        Parameters
        ----------
        at : array, shape (m,)
            Tokens, ascending.
        steps : array, shape (m,)
            Steps taken there.

        Returns
        -------
        array, shape (m,), or None
            None where the learning rate is not known.
        """
        if self.tokens is None or self.learning_rate is None:
            return None
        peak = float(self.learning_rate.max())
        start = np.union1d([0.0], at)
        grid = np.union1d(start, self.tokens[self.tokens < at[-1]])
        taken = np.interp(grid, np.concatenate([[0.0], at[at > 0]]), np.concatenate([[0.0], steps[at > 0]]))
        rate = np.interp(grid, self.tokens, self.learning_rate / peak)
        summed = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(taken))])
        return np.asarray(np.interp(at, grid, summed))


def changes_of(tokens: Array, learning_rate: Array | None, batch: Array | None) -> tuple[Change, ...]:
    """Return where a learning rate and a batch change.

    Parameters
    ----------
    tokens : array, shape (n,)
        Positions, ascending.
    learning_rate, batch : array, shape (n,), optional
        There.
    """
    found = []
    if learning_rate is not None:
        peak = np.flatnonzero(learning_rate >= AT_PEAK * learning_rate.max())
        first, last = int(peak[0]), int(peak[-1])
        if first > 0:
            found.append(Change(float(tokens[first]), WARM))
        if last < len(tokens) - 1 and tokens[last] - tokens[first] >= PLATEAU * tokens[-1]:
            found.append(Change(float(tokens[last]), DECAY))
        found += [Change(float(tokens[i]), FALL) for i in _drops(learning_rate) if i > last + 1]
    if batch is not None:
        for i in np.flatnonzero(np.abs(np.diff(batch)) > 0.01 * batch[:-1]) + 1:
            found.append(
                Change(float(tokens[i]), f"the batch changes from {batch[i - 1]:.3g} to {batch[i]:.3g} tokens")
            )
    return tuple(sorted(found, key=lambda c: c.tokens))


def _drops(learning_rate: Array) -> list[int]:
    """Return where a learning rate (n,) falls at once: by far more than from position to position beside it."""
    least = LEAST * learning_rate.max()
    fall = -np.diff(np.log(np.maximum(learning_rate, least)))
    beside = np.maximum(np.append(0.0, fall[:-1]), np.append(fall[1:], 0.0))
    far = (fall > -np.log(DROP)) & (beside < 0.25 * fall) & (learning_rate[1:] > least)
    return [int(i) for i in np.flatnonzero(far) + 1]
