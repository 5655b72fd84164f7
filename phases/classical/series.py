r"""A trajectory as regression data: where it stands, what was scored, and on which scale a model is linear.

===========  ========  ============================================  ====================================
score        link      model of the mean                             variance
===========  ========  ============================================  ====================================
count        logit     binomial, logit                               :math:`\varphi \mu(1-\mu)/n`
count        identity  linear probability                            :math:`\varphi / n`
proportion   logit     fractional (Papke and Wooldridge 1996)        :math:`\varphi \mu(1-\mu)`
otherwise    either    the score as it is: a logit needs [0, 1]      :math:`\varphi`
===========  ========  ============================================  ====================================

:math:`\varphi` is estimated from Pearson residuals, n counts effective trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.quantities import plural
from calque.phases.results import Outcome, Refusal
from calque.phases.series.axis import Array, Axis, Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Link

FEWEST = 8


@dataclass(frozen=True, eq=False)
class RegressionSeries:
    """What a classical model is fitted to.

    Attributes
    ----------
    axis : Axis
        Checkpoints that have a place on the axis; ``axis.x`` is the regressor.
    y : array, shape (n,)
        The score (negated where lower is better).
    weights : array, shape (n,)
        Effective trials of counts, else 1.
    index : array of int, shape (n,)
        Rank of the checkpoint within the run: distances of the noise.
    logit : bool
        Whether the mean is linear on the logit scale.
    counts : bool
        Whether ``weights`` are trials, so that the variance of sampling is known.
    notes : tuple of str
        What the reader must know about this series.
    """

    axis: Axis
    y: Array
    weights: Array
    index: NDArray[np.int64]
    logit: bool
    counts: bool
    notes: tuple[str, ...] = ()

    @property
    def x(self) -> Array:
        """Position of the checkpoints, shape (n,)."""
        return self.axis.x

    @property
    def n(self) -> int:
        """Number of checkpoints."""
        return len(self.y)

    @classmethod
    def of(cls, t: Trajectory, scale: Scale = "log", link: Link = "logit") -> RegressionSeries | Refusal:
        """Return the regression data of a trajectory, or why there is nothing to fit.

        Parameters
        ----------
        t : Trajectory
            The series.
        scale : {"log", "linear"}
            Axis of tokens.
        link : {"logit", "identity"}
            Scale on which the mean is linear; logit applies to proportions only.

        Returns
        -------
        RegressionSeries or Refusal
            The data, or the outcome and the reason.
        """
        notes = []
        keep = np.isfinite(t.y) & np.isfinite(t.tokens)
        if scale == "log" and np.any(t.tokens[keep] == 0):
            keep &= t.tokens > 0
            notes.append("the checkpoint at 0 tokens has no place on a log scale and was left out")
        n = int(keep.sum())
        if n < FEWEST:
            reason = f"{plural(n, 'checkpoint has', 'checkpoints have')} a value; at least {FEWEST} are needed"
            return Refusal(trajectory=t, outcome=Outcome.TOO_FEW_POINTS, reason=reason)
        y = t.y[keep]
        if np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
            reason = f"the score is {-y[0] if t.falls else y[0]:.3g} at every checkpoint"
            return Refusal(trajectory=t, outcome=Outcome.NONE, reason=reason)
        logit = link == "logit" and t.proportion
        if link == "logit" and not t.proportion:
            notes.append("a logit needs a proportion: the score was modelled as it is")
        weights = t.effective_trials[keep] if t.counts else np.ones(n)
        return cls(Axis.of(t.tokens[keep], scale), y, weights, t.index[keep], logit, t.counts, tuple(notes))

    @property
    def scores(self) -> Array:
        r"""The score on the scale of the link, shape (n,).

        The empirical logit :math:`\log\frac{k + 1/2}{n - k + 1/2}` of counts (Cox 1970); of proportions the logit, kept
        half of the smallest step away from 0 and 1.
        """
        if not self.logit:
            return self.y
        if self.counts:
            half = 0.5 / self.weights
        else:
            inside = np.minimum(self.y, 1 - self.y)
            half = np.full(self.n, 0.5 * float(inside[inside > 1e-9].min(initial=0.01)))
        return np.asarray(np.log((self.y + half) / (1 - self.y + half)))

    def mean(self, score: Array) -> Array:
        """Return scores on the scale of the link as expected scores."""
        from scipy.special import expit

        return np.asarray(expit(score)) if self.logit else score
