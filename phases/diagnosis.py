"""What is known of the fit of one series: its residuals, the tests of them, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from calque.phases.series.axis import Array

MISFIT = 0.01
"""p-value of the goodness of fit below which a model clearly does not fit."""


@dataclass(frozen=True, kw_only=True)
class FamilyWeight:
    """How much a family of shapes counts in what is averaged over the dictionary.

    Attributes
    ----------
    family : str
        One of ``calque.phases.shapes.FAMILIES``.
    weight : float
        Share of exp(-excess/2) that its curves have, 0 to 1; a family with more curves in the dictionary counts more.
    excess : float
        Residual sum of squares of its best curve above that of the best of all, whitened, in units of the residuals'
        scale: 0 of the best family.
    """

    family: str
    weight: float
    excess: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis:
    """Tests of the whitened residuals of one series, and its fitted noise.

    Attributes
    ----------
    run, group, metric : str
        Name of the series.
    p_value : float
        Of the goodness of fit: the smallest of the p-values below against those of simulated series.
    autocorrelation_p, variance_p, outlier_p, tails_p : float
        Of autocorrelation left, of a variance that changes over the run, of the largest residual, and of many large
        residuals beside small ones.
    dispersion_p : float or None
        Of more or less scatter than the trials allow; None of scores that are no counts.
    outlier_tokens : float
        Checkpoint of the largest residual, in tokens.
    outlier_size : float
        That residual, in standard deviations.
    rho : float
        Fitted autocorrelation of the noise at a distance of one checkpoint (or of the median distance in tokens).
    sd : float
        Fitted standard deviation of the shift in the middle of the run: on the logit scale of counts, else in the
        unit of the metric.
    trend : float
        Fitted fall of the log standard deviation of the noise over the run; 0 where it stays.
    overdispersion : float
        Fitted variance of the counts relative to independent trials, beyond the clusters of their items.
    n_checkpoints : int
        Checkpoints n.
    n_items : float or None
        Items behind each count, the median over the checkpoints; None of scores that are no counts.
    tokens, residuals : array, shape (n,)
        The checkpoints, and the whitened residuals.
    families : tuple of FamilyWeight
        Of the fitted shapes, the largest weight first.
    axis : str
        What the places of the checkpoints count while the series is judged; afterwards they are in tokens.
    """

    run: str
    group: str
    metric: str
    p_value: float
    autocorrelation_p: float
    variance_p: float
    outlier_p: float
    tails_p: float
    dispersion_p: float | None
    outlier_tokens: float
    outlier_size: float
    rho: float
    sd: float
    trend: float
    overdispersion: float
    n_checkpoints: int
    n_items: float | None
    tokens: Array
    residuals: Array
    families: tuple[FamilyWeight, ...] = ()
    axis: str = "tokens"

    @property
    def misfit(self) -> bool:
        """Whether the model clearly does not fit."""
        return self.p_value < MISFIT

    def row(self) -> dict[str, Any]:
        """Return the figures without residuals and families, as JSON has them."""
        apart = ("tokens", "residuals", "axis", "families")
        out = {name: value for name, value in vars(self).items() if name not in apart}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in out.items()}
