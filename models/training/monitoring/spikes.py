"""Steps whose loss or gradient norm lies far above its recent history."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray


class SpikeWatch:
    """Tells whether the loss or the gradient norm of a step lies far above those of the steps before.

    Far is more than ``deviations`` standard deviations above the mean of the last ``history`` steps with finite values,
    for loss or gradient norm. No step is judged before as many are known. Steps that were skipped belong to the
    history, so that a rise that lasts is soon part of it.

    Parameters
    ----------
    deviations : float
        0: no step is a spike.
    history : int
    """

    def __init__(self, deviations: float, history: int) -> None:
        self.deviations = deviations
        self.recent: deque[tuple[float, float]] = deque(maxlen=history)

    def is_spike(self, loss: float, norm: float) -> bool:
        """Return whether a step of ``loss`` and gradient ``norm``, both finite, is one; take it into the history."""
        far = False
        if self.deviations and len(self.recent) == self.recent.maxlen:
            known = np.array(self.recent)
            bound = known.mean(0) + self.deviations * known.std(0, ddof=1)
            far = loss > bound[0] or norm > bound[1]
        if self.deviations and math.isfinite(loss) and math.isfinite(norm):
            self.recent.append((loss, norm))
        return bool(far)

    def history(self) -> NDArray[np.float64]:
        """Return losses and norms of the history, shape (steps, 2), for a training state."""
        return np.array(self.recent, np.float64).reshape(-1, 2)

    def go_on_from(self, history: NDArray[np.float64]) -> None:
        """Go on from the ``history`` of a training state."""
        self.recent.clear()
        self.recent.extend((float(loss), float(norm)) for loss, norm in history)
