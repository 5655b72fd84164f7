r"""Level shifts: a mean that is constant between breaks (Bai and Perron 1998, 2003).

.. math:: z_i = \mu_j + e_i, \qquad T_{j-1} < i \le T_j, \qquad e \text{ AR}(1)

z is the score on the scale of the link, i counts checkpoints; :math:`T_j` is **the last checkpoint of the old level**.

*Search.* Least squares, exact for each number of breaks (``ruptures``' kernel search with a linear kernel, which is the
L2 cost).

*Number of breaks.* sup F(l + 1 | l) in sequence, up to five breaks. Its law comes from AR(1) series without a further
break, without which autocorrelation alone gives breaks (Romano, Rigaill, Runge and Fearnhead 2022). :math:`\rho` is
that of the residuals with l + 1 or l + 2 breaks, the smaller, each replicate drawing its own within the standard error
:math:`\sqrt{(1 - \rho^2)/n}`.

*Interval.* Bai (1997): :math:`\hat T - T` behaves like the argmax of :math:`\omega_k W(s) / |\Delta| - |s| / 2`, a
two-sided Brownian motion whose long-run standard deviation :math:`\omega_k` is that of the segment on either side
(``calque.phases.classical.argmax``). A bootstrap of a jump's place is not used: it is inconsistent (Seijo and Sen
2011).

*Assumes* levels that jump. Growth of any shape, a straight line too, is approximated by steps: there the test rejects
always, and the breaks say where steps fit best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.classical.argmax import argmax_interval
from calque.phases.classical.autocorrelation import LARGEST, first_order
from calque.phases.classical.series import RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.axis import Array

TRIM = 0.1
"""Least share of checkpoints between breaks."""
MOST = 5


@dataclass(frozen=True)
class Break:
    """One break: the last checkpoint of the old level, its interval (None where open), and the levels (link scale)."""

    last: int
    low: int | None
    high: int | None
    before: float
    after: float


@dataclass(frozen=True)
class Levels:
    """Breaks in order of time, with their test.

    Attributes
    ----------
    p_value : float
        Of one break against none.
    rho : float
        Autocorrelation under which breaks were tested.
    """

    outcome: Outcome
    reason: str
    breaks: tuple[Break, ...] = ()
    p_value: float = np.nan
    rho: float = 0.0

    def scores(self, s: RegressionSeries) -> Array:
        """Return the level at every checkpoint, on the scale of the link.

        Parameters
        ----------
        s : RegressionSeries
            The series that was fitted.

        Returns
        -------
        array, shape (n,)
            Levels.
        """
        ends = [b.last + 1 for b in self.breaks]
        return np.concatenate([np.full(len(p), p.mean()) for p in np.split(s.scores, ends)])


def fit_levels(s: RegressionSeries, rng: np.random.Generator, level: float = 0.95, boot: int = 199) -> Levels:
    """Find the level shifts of a series.

    Parameters
    ----------
    s : RegressionSeries
        The series.
    rng : numpy.random.Generator
        Source of randomness for the replicates.
    level : float
        Coverage of the intervals; tests reject at 1 - level.
    boot : int
        Replicates of each test.

    Returns
    -------
    Levels
        Breaks in order, with outcome and reason.
    """
    z = s.scores
    shortest = max(3, int(np.ceil(TRIM * s.n)))
    most = min(MOST, s.n // shortest - 1)
    ends: list[int] = []
    first_p = first_rho = np.nan
    while len(ends) < most:
        tried = [partition(z, m, shortest) for m in range(len(ends) + 1, min(len(ends) + 2, most) + 1)]
        rho = min(first_order(_residuals(z, e), s.index, 2 * len(e) + 1, always=True) for e in tried)
        p = _one_more(z, ends, shortest, ar1_noise(rng, s.n, boot, rho))
        if not ends:
            first_p, first_rho = p, rho
        if p > 1 - level:
            break
        ends = tried[0]
    if not ends:
        return Levels(Outcome.NONE, f"one level suffices (sup F, p = {first_p:.2g})", (), first_p, first_rho)
    return Levels(Outcome.FOUND, "", _breaks(s, z, ends, level), first_p, first_rho)


def partition(z: Array, breaks: int, shortest: int) -> list[int]:
    """Return the breaks of the least-squares partition: index of the first checkpoint of each new level.

    Parameters
    ----------
    z : array, shape (n,)
        The series.
    breaks : int
        Number of breaks.
    shortest : int
        Checkpoints that a level has at least.

    Returns
    -------
    list of int
        Indices, increasing.
    """
    import ruptures

    found = ruptures.KernelCPD(kernel="linear", min_size=shortest).fit(z[:, None]).predict(n_bkps=breaks)
    return [int(e) for e in found[:-1]]


def ar1_noise(rng: np.random.Generator, n: int, replicates: int, rho: float) -> Array:
    """Return stationary AR(1) series of unit variance, each with its own autocorrelation drawn around ``rho``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    n : int
        Length of a series.
    replicates : int
        Number of series.
    rho : float
        Estimated autocorrelation.

    Returns
    -------
    array, shape (n, replicates)
        The series.
    """
    drawn = rho + rng.standard_normal(replicates) * np.sqrt((1 - rho**2) / n)
    drawn = np.clip(drawn, 0.0, LARGEST)
    e = rng.standard_normal((n, replicates))
    e[1:] *= np.sqrt(1 - drawn**2)
    for i in range(1, n):
        e[i] += drawn * e[i - 1]
    return e


def _residuals(z: Array, ends: list[int]) -> Array:
    return np.concatenate([p - p.mean() for p in np.split(z, ends)])


def _one_more(z: Array, ends: list[int], shortest: int, noise: Array) -> float:
    """Return the p-value of a further break in the best place, by series with the breaks ``ends`` and no more."""
    seen = further_break(z[:, None], ends, shortest)[0]
    null = further_break(noise, ends, shortest)
    return float((1 + (null >= seen).sum()) / (1 + len(null)))


def further_break(z: Array, ends: list[int], shortest: int) -> Array:
    """Return sup F of one further break within any level.

    Parameters
    ----------
    z : array, shape (n, B)
        Series, one a column.
    ends : list of int
        Indices of the first checkpoint of each new level.
    shortest : int
        Checkpoints that a level has at least.

    Returns
    -------
    array, shape (B,)
        Of each series the gain over the remaining residual sum of squares, which is proportional to F.
    """
    rss, gain = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for part in np.split(z, ends):
        m = len(part)
        e = part - part.mean(0)
        rss += (e**2).sum(0)
        k = np.arange(shortest, m - shortest + 1)
        if len(k):
            left = np.cumsum(e, axis=0)[k - 1]
            gain = np.maximum(gain, (left**2 * (m / (k * (m - k)))[:, None]).max(0))
    return np.asarray(gain / np.maximum(rss - gain, 1e-300))


def _breaks(s: RegressionSeries, z: Array, ends: list[int], level: float) -> tuple[Break, ...]:
    parts = np.split(z, ends)
    rho = first_order(_residuals(z, ends), s.index, len(parts))
    long_run = (1 + rho) / (1 - rho)
    variance = [max(float((p - p.mean()) @ (p - p.mean())) / max(len(p) - 1, 1), 1e-12) * long_run for p in parts]
    out = []
    for j, end in enumerate(ends):
        shift = float(parts[j + 1].mean() - parts[j].mean())
        left, right = (np.sqrt(v) / max(abs(shift), 1e-12) for v in (variance[j], variance[j + 1]))
        before, after = argmax_interval(float(left), float(right), level)
        low, high = end - 1 - (int(after) + 1), end - 1 + int(before) + 1
        out.append(Break(
            end - 1, low if low >= 0 else None, high if high < s.n else None,
            float(parts[j].mean()), float(parts[j + 1].mean()),
        ))  # fmt: skip
    return tuple(out)
