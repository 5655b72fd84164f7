r"""How many phases growth has: segments that one smooth wave leaves in its residuals.

With r the whitened residuals of the best curve of one wave, a second phase shows as a stretch of residuals of one sign.
The statistic is the range of their partial sums, :math:`(\max_t S_t - \min_t S_t)/\sqrt n`; its law comes from
replicates around that curve, each with its own best curve of one wave taken out. Where one phase is rejected, two are
tested in the same way.

Sources: Brown, Durbin and Evans (1975) for partial sums of residuals; Kuiper (1960) for their range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.dictionary.fit import Fit
from calque.phases.series.axis import Array


@dataclass(frozen=True)
class PhaseCount:
    """Number of phases, 3 meaning three or more, and the p-values of "one" and "at most two"."""

    count: int
    p_one: float
    p_two: float | None


def phase_count(fit: Fit, one: Fit, errors: Array, level: float) -> PhaseCount:
    """Count the phases of growth of a series.

    Parameters
    ----------
    fit, one : Fit
        Of all growing curves, and of those of one wave alone, with the same noise.
    errors : array, shape (n, B)
        Simulated noise, whitened, without the constant.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    """
    p_one = _p_value(one, errors)
    if p_one > 1 - level:
        return PhaseCount(1, p_one, None)
    p_two = _p_value(fit, errors)
    return PhaseCount(2 if p_two > 1 - level else 3, p_one, p_two)


def _p_value(fit: Fit, errors: Array) -> float:
    """Return p of "the candidates of this fit are all there is"."""
    g = fit.whiten(fit.candidates.columns)
    z = fit.whiten(fit.trajectory.y)
    centre = g[:, fit.best] * fit.amplitude[fit.best]
    simulated = errors + centre[:, None]
    rss, b = fit.against(simulated)
    of = rss.argmin(0)
    left = _range_of_sums(simulated - g[:, of] * b[of, np.arange(len(of))])
    return float((1 + (left >= _range_of_sums((z - centre)[:, None])[0]).sum()) / (1 + len(left)))


def _range_of_sums(residuals: Array) -> Array:
    """Return the range of the partial sums of each column (n, B), by the square root of n: (B,)."""
    sums = np.cumsum(residuals, axis=0)
    return np.asarray((np.maximum(sums.max(0), 0) - np.minimum(sums.min(0), 0)) / np.sqrt(len(residuals)))
