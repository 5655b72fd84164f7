"""Where a series rises, peaks and falls: the locations of one series, calibrated on its simulated noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from calque.phases.detection.fitting import FittedSeries, without_constant
from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.functionals import Curves, decline, peak, share_of_rise, takeoff, width
from calque.phases.dictionary.location import LARGEST_CUT, Location, least_cut, locate
from calque.phases.dictionary.profiles import along
from calque.phases.dictionary.refitted import Refitted, Threshold
from calque.phases.likelihood import TakeoffLikelihood
from calque.phases.series.axis import Array

if TYPE_CHECKING:
    from calque.phases.detection.analyse import Analysis


BIN = 0.01
"""Least width of a bin, ln tokens."""
MOST = 40
"""Bins, at most."""
NEGLIGIBLE = -12.5
"""Log likelihood below which a time counts as excluded."""


def locations(
    fitted: FittedSeries, fit: Fit, rising: Fit, curves: Curves, rise: float, level: float
) -> dict[str, Location]:  # fmt: skip
    """Locate what there is: the rise by growing curves, peak and decline by curves that fall again.

    Both say when a score that declines took off: its interval holds what either finds plausible.

    Parameters
    ----------
    fitted : FittedSeries
        The series with its simulated noise.
    fit : Fit
        Of the whole series.
    rising : Fit
        Of its rise.
    curves : Curves
        The candidates of ``rising``.
    rise : float
        Height above the floor that defines takeoff, see ``Settings``.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    """
    errors, proportion = fitted.errors, fitted.trajectory.proportion
    places = {
        "takeoff": takeoffs(curves, rising.amplitude, rise, proportion),
        "t10": share_of_rise(curves, 0.1),
        "t50": share_of_rise(curves, 0.5),
        "width": width(curves),
    }
    threshold = rise if proportion else None
    refitted = refit(rising, errors)
    out = calibrated(refitted, curves, places, level, threshold)
    onset = _onset(refitted, level)
    if onset is not None:
        out["onset"] = onset
    if fitted.fallen > 0:
        for name, functional in (("peak", peak), ("decline", decline)):
            falling = along(fit, functional, fitted.dictionary.fallen)
            shapes = Curves.of(falling)
            out |= calibrated(refit(falling, errors), shapes, {name: functional(shapes)}, level)
        if threshold is not None:
            whole = Curves.of(fit)
            places = {"takeoff": takeoff(whole, fit.amplitude, threshold)}
            one, two = out["takeoff"], calibrated(refit(fit, errors), whole, places, level, threshold)["takeoff"]
            # it has taken off before its peak
            high = min(max(one.high, two.high), max(out["peak"].high, one.low))
            at = one.x if one.exists else two.x
            out["takeoff"] = Location(min(at, high), min(one.low, two.low), high, one.cut)
    return out


def refit(fit: Fit, errors: Array) -> Refitted:
    """Return the candidates of a fit against simulated noise: whitened (n or more, B), with the constant in it.

    Parameters
    ----------
    fit : Fit
        The fitted candidates.
    errors : array, shape (n or more, B)
        Simulated noise, whitened.
    """
    return Refitted.of(fit, without_constant(errors[: fit.trajectory.n], fit.whiten))


def calibrated(
    refitted: Refitted, curves: Curves, places: dict[str, Array], level: float, threshold: float | None = None
) -> dict[str, Location]:
    """Return the location of each functional of a fit, with the cut that its replicates call for.

    Parameters
    ----------
    refitted : Refitted
        The fit's candidates against simulated noise.
    places : dict of array, shape (m,)
        Functionals of the candidates on the data.
    threshold : float, optional
        Height that defines takeoff, which moves with the amplitude of a replicate.
    curves : Curves
        The fit's candidates.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    """
    fit = refitted.fit
    cuts = dict.fromkeys(places, least_cut(level))
    for j in rivals(fit):
        exist = {name: (x, float(x[j])) for name, x in places.items() if np.isfinite(x[j])}
        heights = {}
        if threshold is not None and "takeoff" in exist:
            _, at = exist.pop("takeoff")
            heights["takeoff"] = Threshold(threshold, curves.reached(at))
        needed = dict.fromkeys(places, LARGEST_CUT / 2) | refitted.cuts(j, exist, level, heights)
        cuts = {name: max(cut, needed[name]) for name, cut in cuts.items()}
    return {name: locate(fit, x, fit.rss, cuts[name], bracket=name != "width") for name, x in places.items()}


def rivals(fit: Fit, most: int = 4, within: float = 6.0) -> list[int]:
    """Return the best candidate of each of the best families: intervals must hold whichever of them is true.

    Parameters
    ----------
    fit : Fit
        The fitted candidates.
    most : int
        Number of families, at most.
    within : float
        Excess residual sum of squares up to which a family is plausible, in units of the noise.
    """
    best = {int(f): int(np.flatnonzero(fit.candidates.family == f)[fit.rss[fit.candidates.family == f].argmin()])
            for f in np.unique(fit.candidates.family)}  # fmt: skip
    order = sorted(best.values(), key=lambda j: float(fit.rss[j]))
    near = [j for j in order if fit.rss[j] - fit.rss[order[0]] <= within * fit.spread]
    return near[:most]


def takeoffs(curves: Curves, amplitude: Array, rise: float, proportion: bool) -> Array:
    """Return the takeoff of every curve, a position on the axis: (m,).

    Parameters
    ----------
    curves : Curves
    amplitude : array, shape (m,)
        Of the curves as fitted.
    rise : float
        Height above the floor of a proportion; of another score, share of the rise.
    proportion : bool
        Which of the two the score is.
    """
    return takeoff(curves, amplitude, rise) if proportion else share_of_rise(curves, rise)


def _onset(refitted: Refitted, level: float) -> Location | None:
    """Locate the corner, given that there is one: within the onset family alone, around its own best curve."""
    fit = refitted.fit
    chosen = np.flatnonzero(fit.candidates.of_family("onset"))
    if not len(chosen):
        return None
    best = int(chosen[fit.rss[chosen].argmin()])
    # a corner beyond the checkpoints is none
    tau = fit.candidates.theta["onset"][:, 0]
    tau = np.where(tau < fit.axis.x[-1], tau, np.inf)
    cuts = refitted.among(chosen).cuts(best, {"onset": (tau, float(tau[best - chosen[0]]))}, level)
    return locate(fit, tau, fit.rss[chosen], max(cuts["onset"], least_cut(level)))


def takeoff_likelihood(a: Analysis, level: float) -> TakeoffLikelihood | None:
    r"""Return the likelihood of the takeoff of one series, or None where no curve has a takeoff.

    With D(t) the least excess residual sum of squares over curves that take off at t and c the cut of the interval,
    the log likelihood is :math:`-\tfrac12 D(t)\,q/c`, q the chi-square quantile of the interval's level: at c = q it
    is the profile likelihood, and at any c the interval is where it is at least -q/2. Between the ends of the
    interval it is never less, for checkpoints bound what can be known.

    Parameters
    ----------
    a : Analysis
        Of the series.
    level : float
        Coverage of its intervals.
    """
    place, axis, quantile = a.locations["takeoff"], a.rising.axis, least_cut(level)
    least = float(axis.tokens[axis.tokens > 0].min())  # on a linear axis the first checkpoint may be at 0

    def logs(x: Array) -> Array:
        return np.asarray(np.log(np.maximum(axis.to_tokens(x), least)))

    x = takeoffs(a.curves, a.rising.amplitude, a.rise, a.trajectory.proportion)
    value = -0.5 * a.rising.excess * quantile / place.cut
    inside = np.isfinite(x) & (x >= axis.first)
    before, after = (_greatest(value[m]) for m in (x < axis.first, ~np.isfinite(x)))
    fair = inside & (value >= NEGLIGIBLE)
    if not fair.any():
        return None
    log_tokens = logs(np.where(inside, x, axis.first))
    ends = [float(end) for end in logs(np.clip([place.low, place.high], axis.first, axis.x[-1]))]
    low, high = min(log_tokens[fair].min(), ends[0]), max(log_tokens[fair].max(), ends[1])
    count = int(np.clip(math.ceil((high - low) / BIN), 1, MOST))
    edges = np.linspace(low, max(high, low + BIN), count + 1)
    within = inside & (log_tokens >= low) & (log_tokens <= high)
    height = np.full(count, -np.inf)
    np.maximum.at(height, np.clip(np.searchsorted(edges, log_tokens[within], "right") - 1, 0, count - 1), value[within])
    known, middles = np.isfinite(height), (edges[1:] + edges[:-1]) / 2
    height = np.interp(middles, middles[known], height[known])
    claimed = (edges[1:] >= ends[0] - 1e-9) & (edges[:-1] <= ends[1] + 1e-9)
    height[claimed] = np.maximum(height[claimed], -0.5 * quantile)
    t = a.trajectory
    return TakeoffLikelihood(
        run=t.run, group=t.group, metric=t.metric, edges=tuple(edges.tolist()), log_likelihood=tuple(height.tolist()),
        before=before, after=after, first=float(logs(np.array(axis.first))),
        last=math.log(float(axis.tokens[-1])),
    )  # fmt: skip


def _greatest(values: Array) -> float:
    return float(values.max()) if values.size else -math.inf
