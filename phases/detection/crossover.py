"""Two metrics of one run: where one overtakes the other for good, with a percentile interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.detection.analyse import Analysis
from calque.phases.detection.lag import joint_errors
from calque.phases.dictionary.fit import Fit
from calque.phases.generators import generator
from calque.phases.series.axis import Array


@dataclass(frozen=True)
class Crossing:
    """Tokens at which the second curve overtakes the first; infinite or zero ends are open."""

    tokens: float
    low: float
    high: float
    share: float


def crossover(first: Analysis, second: Analysis, *, boot: int, level: float, seed: int) -> Crossing | None:
    """Return where ``second`` overtakes ``first`` for the last time, with a percentile interval; None if it never does.

    ``share`` is the share of replicates in which it does.

    Parameters
    ----------
    first : Analysis
        Of the metric that is overtaken.
    second : Analysis
        Of the metric that overtakes.
    boot : int
        Bootstrap replicates.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    seed : int
        Generators follow from it and from names.
    """
    rng = generator(seed, "crossover", first.trajectory.key, second.trajectory.key)
    ea, eb, _ = joint_errors(first, second, boot, rng)
    axis = first.fit.axis
    x = axis.dense()
    tokens = axis.to_tokens(x)
    fa, ga = _level_curves(first.fit, ea, tokens)
    fb, gb = _level_curves(second.fit, eb, tokens)
    at = float(_overtakes(x, (fb - fa)[:, None])[0])
    if not np.isfinite(at):
        return None
    draws = _overtakes(x, gb - ga)
    tail = (1 - level) / 2
    ends = np.quantile(np.nan_to_num(draws, posinf=1e9), [tail, 1 - tail])
    low, high = (float(end) if end <= x[-1] else np.inf for end in ends)
    ends = axis.to_tokens(np.array([at, *axis.widened(min(low, at), max(high, at))]))
    return Crossing(float(ends[0]), float(ends[1]), float(ends[2]), float(np.isfinite(draws).mean()))


def _level_curves(fit: Fit, errors: Array, tokens: Array) -> tuple[Array, Array]:
    """Return the best curve at ``tokens`` (f,) for the data, and for each replicate (f, B)."""
    x = fit.axis.to_x(np.maximum(tokens, 1e-300)) if fit.axis.end != tokens[-1] else fit.axis.dense()
    y = np.column_stack([errors + fit.curve[:, None], fit.trajectory.y])
    rss, b = fit.against(fit.whiten(y))
    best = rss.argmin(0)
    chosen, of = np.unique(best, return_inverse=True)
    amplitude = b[best, np.arange(len(best))]
    level = fit.whiten.level(y - fit.candidates.columns[:, best] * amplitude)
    curves = level + fit.candidates.at(x, chosen)[:, of] * amplitude
    return curves[:, -1], curves[:, :-1]


def _overtakes(x: Array, difference: Array) -> Array:
    """Return where each ``difference`` (f, B) turns positive for good; inf where it is not positive at the end."""
    positive = difference > 0
    since = positive[::-1].argmin(0)
    never_below = positive.all(0)
    i = np.clip(len(x) - since, 1, len(x) - 1)
    column = np.arange(difference.shape[1])
    before, after = difference[i - 1, column], difference[i, column]
    step = np.where(after - before > 1e-15, after - before, 1.0)
    at = x[i - 1] + np.clip(-before / step, 0, 1) * (x[i] - x[i - 1])
    return np.where(positive[-1], np.where(never_below, x[0], at), np.inf)
