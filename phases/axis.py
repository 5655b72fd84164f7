"""The training axis: tokens, and the position x on which curves are drawn and fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Scale = Literal["log", "linear"]
LINEAR_SPAN = 2.0


@dataclass(frozen=True, eq=False)
class Axis:
    """Checkpoints of one series on the axis that shapes are defined on.

    ``x`` is log10 of tokens relative to the last checkpoint (so that units cancel exactly), or tokens stretched to
    ``[0, 2]`` on the linear scale. A checkpoint at 0 tokens is a valid observation of the floor: on the log scale it
    stands one typical early step (0.3 to 1 decade) before the first positive one, where shapes are at their start.

    Attributes
    ----------
    tokens, x : array, shape (n,)
        Position in training and on the axis, both strictly increasing.
    """

    tokens: Array
    x: Array
    scale: Scale

    @classmethod
    def of(cls, tokens: Array, scale: Scale = "log") -> Axis:
        """Build the axis of strictly increasing ``tokens`` >= 0, at least two of them."""
        tokens = np.asarray(tokens, float)
        if scale == "linear":
            return cls(tokens, LINEAR_SPAN * tokens / tokens[-1], scale)
        positive = tokens > 0
        x = np.round(np.log10(np.where(positive, tokens, tokens[-1]) / tokens[-1]), 12)
        if not positive[0]:
            step = x[2] - x[1] if len(x) > 2 else 0.3
            x[0] = x[1] - float(np.clip(step, 0.3, 1.0))
        return cls(tokens, x, scale)

    @property
    def n(self) -> int:
        """Number of checkpoints."""
        return len(self.tokens)

    @property
    def first(self) -> float:
        """Position of the first checkpoint that has a place on the axis of its own (tokens > 0 on the log scale)."""
        return float(self.x[1] if self.scale == "log" and self.tokens[0] == 0 else self.x[0])

    def to_tokens(self, x: Array | float) -> Array:
        """Return tokens at ``x`` (infinite where ``x`` is)."""
        x = np.asarray(x, float)
        if self.scale == "linear":
            return x * self.tokens[-1] / LINEAR_SPAN
        finite = np.isfinite(x)
        return np.where(finite, self.tokens[-1] * 10.0 ** np.where(finite, x, 0.0), np.where(x > 0, np.inf, 0.0))

    def bracket(self, x: float) -> tuple[float, float]:
        """Return the positions of the checkpoints on either side of ``x``."""
        i = int(np.clip(np.searchsorted(self.x, x), 1, self.n - 1))
        return float(self.x[i - 1]), float(self.x[i])

    def anchors(self, m: int, before: float = 0.0, after: float = 0.0) -> Array:
        """Return ``m`` positions to try shapes at: half evenly spaced on x, half following the checkpoints' density.

        ``before`` and ``after`` widen the range beyond the checkpoints, in units of x.
        """
        even = np.linspace(self.x[0] - before, self.x[-1] + after, m - m // 2)
        dense = np.interp(np.linspace(0, self.n - 1, m // 2 + 2)[1:-1], np.arange(self.n), self.x)
        return np.unique(np.round(np.concatenate([even, dense]), 9))

    def fine(self, m: int = 400) -> Array:
        """Return about ``m`` positions that include every checkpoint, for reading functionals off curves."""
        return np.unique(np.concatenate([np.linspace(self.x[0], self.x[-1], m), self.x]))
