r"""The rule of adaptive checkpoints: a schedule that becomes denser around a takeoff while a run is trained.

At every planned checkpoint the **rule** takes the curve so far and the forecast from smaller runs, and places a part of
its remaining budget before the next planned checkpoint.

1. The takeoff's posterior. Curves are a floor plus :math:`\min(m (x - c)_+, h)` in x = log10 tokens, with corner c,
   slope m and height h on a grid; they take off at :math:`\tau = c + r/m`. The prior of :math:`\tau` is a normal around
   the forecast (:class:`Prior`), mixed with one that is even in log tokens; without a forecast it is the latter alone.
   The likelihood is normal, tempered for autocorrelation.
2. A checkpoint at x is useful when it lies within ``AROUND`` of the takeoff. With u(x) the posterior probability of
   that, the share :math:`\int_{next} u / \int_{next\,and\,later} u` of the remaining budget is spent before the next
   planned checkpoint, so that the whole budget is spent, most of it where the takeoff is expected, and none after it.

The rule is deterministic: the same curve gives the same checkpoints. It uses past scores alone, so the positions carry
no information about the curve beyond the scores, and the likelihood given the positions is the likelihood. (The
distribution of a statistic over repetitions does change: ``calque.phases.calibration.adaptive``.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.series.axis import Array

AROUND = 0.1
"""Decades to either side of the takeoff within which a score is informative about it: before and during the rise."""
DOUBT = 0.15
"""Prior probability that the forecast from smaller runs does not apply to this run."""
BEYOND = 0.3
"""Decades after the end of the run up to which the posterior has takeoffs."""
SHIFT = 0.4
"""Standard deviation of a score on the logit scale, besides that of its trials."""
TEMPER = 0.5
"""Power of the likelihood: neighbouring scores are autocorrelated."""
CORNERS = 0.03
SLOPES = (0.15, 0.4, 1.0, 2.5, 6.0)
"""Points of score (of 1) a decade of tokens."""
HEIGHTS = (2.0, 5.0, 20.0)
"""In units of the rise that defines takeoff."""
FINE = 0.004


@dataclass(frozen=True, kw_only=True)
class Prior:
    """A forecast of the takeoff, normal in log10 tokens with ``sd`` in decades, and the ``runs`` it is made from."""

    log10_tokens: float
    sd: float
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The curve so far: tokens, ascending, scores between 0 and 1, and effective trials, each of shape (n,)."""

    tokens: Array
    score: Array
    trials: Array


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision at a planned checkpoint.

    Attributes
    ----------
    tokens : int
        Position of the checkpoint.
    extra : tuple of int
        Tokens of the additional checkpoints before the next planned one.
    low, median, high : float
        5, 50 and 95 % points of the takeoff's posterior at that time, in tokens; infinite beyond the run.
    prior : Prior, optional
        Forecast from smaller runs at that time.
    """

    tokens: int
    extra: tuple[int, ...]
    low: float
    median: float
    high: float
    prior: Prior | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule of one run.

    Attributes
    ----------
    planned : tuple of int
        Tokens of the planned checkpoints, ascending; the first may be 0.
    grain : int
        Tokens of an optimizer step: checkpoints stand at multiples of it.
    budget : int
        Additional checkpoints in all.
    rise : float
        Height above the floor that defines takeoff.
    most : int
        Largest number of additional checkpoints between two planned ones: closer scores add little information.
    """

    planned: tuple[int, ...]
    grain: int
    budget: int
    rise: float = 0.05
    most: int = 8

    def decide(self, at: int, seen: Seen, left: int, prior: Prior | None = None) -> Decision:
        """Decide at the planned checkpoint of ``at`` tokens.

        Parameters
        ----------
        at : int
            One of ``planned``.
        seen : Seen
            The scores up to here; a checkpoint without one is left out.
        left : int
            Additional checkpoints left of the budget.
        prior : Prior, optional
            Forecast from smaller runs; None without any.
        """
        end = self.planned[-1]
        takeoff, weight = self._posterior(seen, prior)
        order = np.argsort(takeoff)
        below = np.cumsum(weight[order])
        low, median, high = (
            _tokens(takeoff[order[min(int(np.searchsorted(below, q)), len(order) - 1)]], end) for q in (0.05, 0.5, 0.95)
        )
        extra: tuple[int, ...] = ()
        later = [tokens for tokens in self.planned if tokens > at]
        if left > 0 and at > 0 and len(later) > 0:
            share = _share(takeoff[order], below, np.log10(at / end), np.log10(later[0] / end))
            extra = self._within(at, later[0], min(left, self.most, int(left * share + 0.5)))
        return Decision(tokens=at, extra=extra, low=low, median=median, high=high, prior=prior)

    def _posterior(self, seen: Seen, prior: Prior | None) -> tuple[Array, Array]:
        """Return takeoffs (k,), log10 of the share of the run, and their weights, which sum to 1."""
        end = self.planned[-1]
        first = float(np.log10(next(tokens for tokens in self.planned if tokens > 0) / end))
        corner, slope, height = (
            v.ravel()
            for v in np.meshgrid(
                np.arange(first - CORNERS, BEYOND, CORNERS), SLOPES, self.rise * np.array(HEIGHTS), indexing="ij"
            )
        )
        takeoff = corner + self.rise / slope
        here = (takeoff >= first) & (takeoff <= BEYOND)
        corner, slope, height, takeoff = corner[here], slope[here], height[here], takeoff[here]
        even = np.full(len(takeoff), 1 / (BEYOND - first))
        expected = even
        if prior is not None:
            z = (takeoff - (prior.log10_tokens - np.log10(end))) / prior.sd
            expected = DOUBT * even + (1 - DOUBT) * np.exp(-0.5 * z * z) / (prior.sd * np.sqrt(2 * np.pi))
        if not len(seen.tokens):
            return takeoff, expected / expected.sum()
        x = np.where(seen.tokens > 0, np.log10(np.maximum(seen.tokens, 1) / end), first - 9)
        risen = np.minimum(slope[:, None] * np.maximum(x - corner[:, None], 0.0), height[:, None])
        w = 1 / _variance(seen)
        y, total = seen.score, float(w.sum())
        # the floor is the weighted mean of y - risen: take the residual sum of squares about it
        square = (w * y * y).sum() - 2 * risen @ (w * y) + (risen * risen) @ w
        mean = (w * y).sum() - risen @ w
        log = np.log(expected) - 0.5 * TEMPER * (square - mean * mean / total)
        weight = np.exp(log - log.max())
        return takeoff, weight / weight.sum()

    def _within(self, start: int, stop: int, count: int) -> tuple[int, ...]:
        """Return ``count`` positions strictly between two planned ones, evenly in log tokens, as whole steps."""
        even = np.geomspace(start, stop, count + 2)[1:-1]
        steps = np.unique(np.round(even / self.grain).astype(np.int64))
        inside = steps[(steps * self.grain > start) & (steps * self.grain < stop)]
        return tuple(int(step) * self.grain for step in inside)


def _variance(seen: Seen) -> Array:
    """Return the variance of each score: binomial, and a shift of the logit, at the mean of five neighbours."""
    padded = np.pad(seen.score, 2, mode="edge")
    p = np.clip(np.convolve(padded, np.full(5, 0.2), mode="valid"), 0.02, 0.98)
    v = p * (1 - p)
    return np.asarray(v / seen.trials + (SHIFT * v) ** 2)


def _share(takeoff: Array, below: Array, now: float, following: float) -> float:
    """Return the share of the usefulness after ``now`` that lies before the ``following`` planned checkpoint."""
    x = np.arange(now, FINE, FINE)

    def cdf(at: Array) -> Array:
        return np.concatenate([[0.0], below])[np.searchsorted(takeoff, at, side="right")]

    useful = cdf(x + AROUND) - cdf(x - AROUND)
    total = float(useful.sum())
    return float(useful[x < following].sum()) / total if total > 1e-12 else 0.0


def _tokens(x: float, end: int) -> float:
    return float("inf") if x > 0 else float(end * 10**x)
