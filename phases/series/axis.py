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
    end : float
        Tokens that x is relative to: those of the last checkpoint of the series.
    """

    tokens: Array
    x: Array
    scale: Scale
    end: float

    @classmethod
    def of(cls, tokens: Array, scale: Scale = "log") -> Axis:
        """Build the axis of strictly increasing ``tokens`` >= 0, at least two of them.

        Parameters
        ----------
        tokens : array, shape (n,)
            Increasing, >= 0.
        scale : {"log", "linear"}
            Axis that shapes live on.
        """
        tokens = np.asarray(tokens, float)
        if scale == "linear":
            return cls(tokens, np.round(LINEAR_SPAN * tokens / tokens[-1], 12), scale, float(tokens[-1]))
        positive = tokens > 0
        x = np.round(np.log10(np.where(positive, tokens, tokens[-1]) / tokens[-1]), 12)
        if not positive[0]:
            step = x[2] - x[1] if len(x) > 2 else 0.3
            x[0] = x[1] - float(np.clip(step, 0.3, 1.0))
        return cls(tokens, x, scale, float(tokens[-1]))

    def until(self, n: int) -> Axis:
        """Return the axis of the first ``n`` checkpoints; positions keep their x."""
        return Axis(self.tokens[:n], self.x[:n], self.scale, self.end)

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
            return x * self.end / LINEAR_SPAN
        finite = np.isfinite(x)
        return np.where(finite, self.end * 10.0 ** np.where(finite, x, 0.0), np.where(x > 0, np.inf, 0.0))

    def to_x(self, tokens: Array) -> Array:
        """Return positions of positive ``tokens``."""
        if self.scale == "linear":
            return np.asarray(tokens * LINEAR_SPAN / self.end)
        return np.asarray(np.log10(tokens / self.end))

    def widened(self, low: float, high: float) -> tuple[float, float]:
        """Return the checkpoints next to an interval, on its outside; ends beyond the checkpoints stay.

        Parameters
        ----------
        low : float
            Lower end, a position on the axis.
        high : float
            Upper end.
        """
        i = int(np.searchsorted(self.x, low + 1e-9, side="right")) - 1
        j = int(np.searchsorted(self.x, high - 1e-9, side="left"))
        return (float(self.x[i]) if i >= 0 else low), (float(self.x[j]) if j < self.n else high)

    def anchors(self, m: int, before: float = 0.0, after: float = 0.0) -> Array:
        """Return ``m`` positions to try shapes at: half evenly spaced on x, half following the checkpoints' density.

        ``before`` and ``after`` widen the range beyond the checkpoints, in units of x.
        """
        even = np.linspace(self.x[0] - before, self.x[-1] + after, m - m // 2)
        dense = np.interp(np.linspace(0, self.n - 1, m // 2 + 2)[1:-1], np.arange(self.n), self.x)
        return np.unique(np.round(np.concatenate([even, dense]), 9))

    def between(self, step: float = 0.012) -> Array:
        """Return positions that fill every gap between checkpoints wider than ``step`` (a share of the range)."""
        widest = step * (self.x[-1] - self.x[0])
        pieces = [
            np.linspace(a, b, int(np.ceil((b - a) / widest)) + 1)[1:-1]
            for a, b in zip(self.x[:-1], self.x[1:], strict=True)
            if b - a > widest
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def dense(self) -> Array:
        """Return the checkpoints and the positions of :meth:`between`, in order."""
        return np.sort(np.concatenate([self.x, self.between()]))
