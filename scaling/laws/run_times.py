"""Observations as arrays of log times with standard errors, bounds and likelihoods, the form that laws use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from calque.phases.likelihood import TakeoffLikelihood
from calque.scaling.laws.time_likelihood import NormalParts, TimeLikelihoods
from calque.scaling.observations import Observation

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """The log times of m runs; all times are natural logarithms of training tokens.

    Attributes
    ----------
    n : array, shape (m,)
        Non-embedding parameters.
    located : array of bool, shape (m,)
        Whether ``y`` is a measured time; otherwise the time lies between ``low`` and ``high``.
    y, se : array, shape (m,)
        Log time and its standard error (0 where not located).
    low, high : array, shape (m,)
        Bounds of the log time, infinite where open.
    profiles : tuple of TakeoffLikelihood or None
        The likelihood of each time, where ``phases`` gave it; empty where it gave none.
    """

    n: Array
    located: NDArray[np.bool_]
    y: Array
    se: Array
    low: Array
    high: Array
    profiles: tuple[TakeoffLikelihood | None, ...] = ()

    @cached_property
    def likelihoods(self) -> TimeLikelihoods:
        """The likelihood of every time: its profile, or what its time, standard error and bounds say."""
        return TimeLikelihoods.of(
            [
                NormalParts.profile(profile)
                if profile is not None
                else NormalParts.located(float(self.y[i]), float(self.se[i]))
                if self.located[i]
                else NormalParts.between(float(self.low[i]), float(self.high[i]))
                for i, profile in enumerate(self.profiles or [None] * self.n.size)
            ]
        )


def run_times(observations: Sequence[Observation]) -> RunTimes:
    """Return the used observations as arrays.

    The standard error of a located time is the SD of its likelihood or, without one, half its interval's log width over
    the normal quantile of its level. An interval open on one side counts with the other side; a time without any bound
    gets the median of the rest.

    Parameters
    ----------
    observations : sequence of Observation
        Those of kind ``unused`` are left out.
    """
    used = [o for o in observations if o.kind != "unused"]
    se = np.array([_standard_error(o) for o in used])
    located = np.array([o.kind == "located" for o in used])
    known = located & np.isfinite(se)
    se[located & ~known] = float(np.median(se[known])) if known.any() else 0.0
    se[~located] = 0.0
    return RunTimes(
        n=np.array([o.n for o in used]),
        located=located,
        y=np.array([math.log(o.tokens) if o.tokens else 0.0 for o in used]),
        se=se,
        low=np.array([math.log(o.low) if o.low and o.kind != "left" else -np.inf for o in used]),
        high=np.array([math.log(o.high) if o.high and o.kind != "right" else np.inf for o in used]),
        profiles=tuple(o.likelihood for o in used),
    )


def _standard_error(o: Observation) -> float:
    if o.kind != "located" or o.tokens is None:
        return math.nan
    if o.likelihood is not None:
        edges, weight = np.array(o.likelihood.edges), np.exp(o.likelihood.log_likelihood)
        middles = (edges[1:] + edges[:-1]) / 2
        return float(np.sqrt(np.average((middles - np.average(middles, weights=weight)) ** 2, weights=weight)))
    down = math.log(o.tokens / o.low) if o.low else None
    up = math.log(o.high / o.tokens) if o.high else None
    widths = [w for w in (down, up) if w is not None and w >= 0]
    return float(np.mean(widths) / norm.ppf(0.5 + o.level / 2)) if widths else math.nan
