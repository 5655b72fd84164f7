r"""Signal to noise of a metric: how far runs lie apart at their end, in units of how much each wanders there.

Signal is the standard deviation between runs of the mean over their last checkpoints; noise is the standard deviation
of the same checkpoints about a straight line, pooled over runs. A metric with little of the former and much of the
latter cannot tell runs apart, however many items it has. Source: Heineman et al., Signal and Noise (2025), arXiv
2508.13144; the trend within the last checkpoints is taken out here, and the interval is ours: for normal run means and
residuals the ratio of the variances over its true value is F distributed with R - 1 and R (n - 2) degrees of freedom,
the latter divided by (1 + r) / (1 - r) for residuals with autocorrelation r > 0 from one checkpoint to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f

from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

LAST = 0.2
"""Share of a run's checkpoints that are its end."""
FEWEST_CHECKPOINTS, FEWEST_RUNS = 4, 3


@dataclass(frozen=True, kw_only=True)
class SignalToNoise:
    """Signal and noise of one metric.

    Attributes
    ----------
    metric : str
    runs : int
        Runs that have enough checkpoints.
    signal, noise : float
        Standard deviations between runs, and within them, in the unit of the metric.
    ratio, low, high : float
        Signal over noise with its interval; infinite where there is no noise.
    ends : array, shape (runs,)
        Mean of each run over its last checkpoints.
    names : tuple of str
        The runs.
    """

    metric: str
    runs: int
    signal: float
    noise: float
    ratio: float
    low: float
    high: float
    ends: Array
    names: tuple[str, ...]


def signal_to_noise(series: Sequence[Trajectory], level: float = 0.95) -> SignalToNoise | None:
    """Return signal and noise of one metric over runs.

    Parameters
    ----------
    series : sequence of Trajectory
        The metric in each run.
    level : float
        Coverage of the interval.

    Returns
    -------
    SignalToNoise or None
        None where fewer than three runs have four checkpoints in their last fifth.
    """
    usable = [(t, n) for t in series if (n := int(np.ceil(LAST * t.n))) >= FEWEST_CHECKPOINTS]
    if len(usable) < FEWEST_RUNS:
        return None
    ends = np.array([t.y[-n:].mean() for t, n in usable])
    left = [_about_a_line(t.tokens[-n:], t.y[-n:]) for t, n in usable]
    squares, pairs = sum(float(e @ e) for e in left), sum(float(e[1:] @ e[:-1]) for e in left)
    freedom = sum(len(e) - 2 for e in left)
    signal, noise = float(ends.std(ddof=1)), float(np.sqrt(squares / freedom))
    lasting = min(max(pairs / squares, 0.0), 0.95) if squares > 0 else 0.0
    within = max(freedom * (1 - lasting) / (1 + lasting), 1.0)
    tail, between = (1 - level) / 2, len(ends) - 1
    ratio = signal / noise if noise > 0 else float("inf") if signal > 0 else 0.0
    low, high = (ratio / float(np.sqrt(f.ppf(q, between, within))) for q in (1 - tail, tail))
    return SignalToNoise(
        metric=series[0].metric, runs=len(ends), signal=signal, noise=noise, ratio=ratio, low=low, high=high, ends=ends,
        names=tuple(t.run for t, _ in usable),
    )  # fmt: skip


def _about_a_line(x: Array, y: Array) -> Array:
    """Return the residuals (n,) of a straight line."""
    basis = np.column_stack([np.ones(len(x)), (x - x.mean()) / max(float(np.ptp(x)), 1e-300)])
    return np.asarray(y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0])
