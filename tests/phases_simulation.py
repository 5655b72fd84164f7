"""Simulated series of known truth for the tests of phases, on a small run whose first checkpoint is at 0 tokens.

Noise is drawn by calque.phases.calibration.draws, curves are those of calque.phases.calibration.curves as functions
of tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from calque.phases.calibration import curves
from calque.phases.calibration.draws import ar1, centring, clustered_items, counts
from calque.phases.series.axis import Array

__all__ = ["Array", "ar1", "centring", "clustered_items", "counts"]
END = 5e6
Score = Callable[[Array], Array]


def schedule(kind: str, n: int = 45, end: float = END) -> Array:
    """Checkpoints: log then linear with 0 ("mixed"), "linear", or "log"."""
    if kind == "linear":
        return np.linspace(end / n, end, n)
    if kind == "log":
        return np.geomspace(end / 500, end, n)
    early = int(0.4 * n)
    log = np.geomspace(end / 250, 0.2 * end, early)
    return np.concatenate([[0.0], log, np.linspace(0.2 * end, end, n - early)[1:]])


def onset(tau: float, scale: float, kappa: float = 1.0, top: float = 0.5, floor: float = 0.02) -> Score:
    """A score that leaves its floor at ``tau`` tokens; ``scale`` in decades."""
    return _of_tokens(curves.onset(tau, scale, kappa, top, floor))


def logistic(middle: float, scale: float, top: float = 0.5, floor: float = 0.02) -> Score:
    return _of_tokens(curves.logistic(middle, scale, top, floor))


def hump(rise: float, fall: float, high: float = 0.5, low: float = 0.15) -> Score:
    """False copying: rises at ``rise`` tokens, falls from ``high`` to ``low`` around ``fall`` tokens."""
    return _of_tokens(curves.hump(rise, fall, high, low, 0.02))


def _of_tokens(score: Score) -> Score:
    return lambda tokens: score(np.maximum(tokens, 1.0))


NULLS: dict[str, Score] = {
    "flat": lambda t: np.full_like(t, 0.2),
    "linear": lambda t: 0.03 + 0.5 * t / END,
    "saturating": lambda t: 0.03 + 0.5 * -np.expm1(-t / (0.2 * END)),
    "fast_saturating": lambda t: 0.03 + 0.5 * -np.expm1(-t / (0.03 * END)),
    "rational": lambda t: 0.03 + 0.55 * t / (t + 0.1 * END),
    "log_linear": lambda t: 0.03 + 0.1 * np.log1p(t / (0.005 * END)),
    "square_root": lambda t: 0.03 + 0.5 * np.sqrt(t / END),
}
"""Concave in tokens: never a delayed start."""


def crossing(curve: Score, tokens: Array, rise: float = 0.05) -> float:
    """True takeoff: tokens at which ``curve`` is ``rise`` above its value at the first checkpoint."""
    grid = np.geomspace(max(tokens[tokens > 0][0] / 2, 1.0), tokens[-1], 200_001)
    above = curve(grid) >= curve(tokens[:1])[0] + rise
    return float(grid[above.argmax()]) if above.any() else np.inf


def overtaking(first: Score, second: Score, tokens: Array) -> float:
    """Tokens at which ``second`` overtakes ``first`` for good; inf when it does not."""
    grid = np.geomspace(tokens[tokens > 0][0], tokens[-1], 200_001)
    above = second(grid) > first(grid)
    if not above[-1] or above.all():
        return np.inf
    return float(grid[len(grid) - above[::-1].argmin()])
