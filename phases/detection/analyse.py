"""One series, all its questions: noise, delay, and the locations that make sense for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from calque.phases.detection.phase_count import PhaseCount, phase_count
from calque.phases.dictionary.candidates import Candidates
from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.functionals import Curves, decline, peak, share_of_rise, takeoff, width
from calque.phases.dictionary.grid import Dictionary
from calque.phases.dictionary.location import LARGEST_CUT, Location, least_cut, locate
from calque.phases.dictionary.profiles import along
from calque.phases.dictionary.refitted import Refitted, Threshold
from calque.phases.generators import generator
from calque.phases.noise.noise import profile_likelihood
from calque.phases.noise.products import Products
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array, Axis, Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.delay import DelayTest, delay_test

FEWEST = 8
PROBED = 199
"""Replicates on which the whole dictionary is tried."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything found about one series. ``fit`` is None where there was nothing to fit.

    Attributes
    ----------
    trajectory : Trajectory
        The series; one that is no proportion is moved by ``origin`` and scaled by ``unit``, so that no unit matters.
    fit : Fit
        Of the whole series.
    rising : Fit
        What takeoff is read from: ``fit``, or, for a score that comes down again, growing curves up to the peak.
    curves : Curves
        The candidates of ``rising``.
    rise : float
        Height of the threshold of takeoff: absolute for counts, share of the rise for continuous scores.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    gain : float
        Twice the log-likelihood that the best curve gains over a constant, each with its own noise.
    phases : PhaseCount
        How many waves the rise has; None where there is no rise.
    """

    trajectory: Trajectory
    rise: float
    fit: Fit | None = None
    rising: Fit | None = None
    curves: Curves | None = None
    delay: DelayTest | None = None
    risen: float = 0.0
    fallen: float = 0.0
    gain: float = 0.0
    phases: PhaseCount | None = None
    origin: float = 0.0
    unit: float = 1.0
    locations: dict[str, Location] = field(default_factory=dict)


def analyse(
    t: Trajectory, *, rise: float = 0.05, boot: int = 999, level: float = 0.95, seed: int = 0, scale: Scale = "log",
    dictionary: Dictionary | None = None, locate_all: bool = True,
) -> Analysis:  # fmt: skip
    """Answer every question about one series.

    Parameters
    ----------
    dictionary : Dictionary, optional
        The grid for this schedule, when it has been built already.
    locate_all : bool
        False for the tests alone, without the locations.
    """
    if t.n < FEWEST or t.constant:
        return Analysis(t, rise)
    origin, unit = (0.0, 1.0) if t.proportion else (float(t.y[0]), float(np.ptp(t.y)))
    t = t if t.proportion else replace(t, y=np.round((t.y - origin) / unit, 12))
    rng = generator(seed, t.key)
    dictionary = dictionary or Dictionary(Axis.of(t.tokens, scale))
    fit = dictionary.fit(t)
    best = fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best]
    risen = float(best.max())
    fallen = float(best.max() - best[-1]) if fit.declining else 0.0
    n = t.n if fallen == 0 else min(t.n, int(best.argmax()) + 2)
    errors = fit.whiten.raw(fit.noise.draw(rng, boot).around(fit.curve) - fit.curve[:, None])
    rising = fit if n == t.n or n < FEWEST else dictionary.rise(fit, n)
    m = rising.trajectory.n
    noise = without_constant(errors[:m], rising.whiten)
    products = Products.of(dictionary.everywhere.columns[:m], rising.whiten)
    delay = None
    if n >= FEWEST:
        part = rising.trajectory
        growing = products.first(dictionary.n_simple)
        delay = delay_test(part.tokens, part.y, rising.whiten, noise, growing, level)
    analysis = Analysis(
        t, rise, fit, rising, None, delay, risen, fallen, gain_over_constant(t, fit.curve), origin=origin, unit=unit,
    )  # fmt: skip
    if not locate_all:
        return analysis
    if not (fit.declining and rising is fit):
        rising = dictionary.widened(rising, noise[:, :PROBED], products)
    if not fit.declining:
        fit = rising
    analysis = replace(analysis, fit=fit, rising=rising, curves=Curves.of(rising))
    analysis.locations.update(_locations(analysis, errors, level, dictionary.fallen))
    if delay is not None and delay.p_rise <= 1 - level:
        counted = phase_count(rising, dictionary.one_phase(rising), noise, level)
        analysis = replace(analysis, phases=counted)
    return analysis


def without_constant(raw: Array, whiten: Whitener) -> Array:
    """Return whitened series (n, B) with the constant projected out."""
    return np.asarray(raw - np.outer(whiten.one, whiten.one @ raw))


def gain_over_constant(t: Trajectory, curve: Array) -> float:
    """Return twice the log-likelihood that ``curve`` gains over the best of three constants."""
    low, high = float(np.median(t.y)), float(t.y.mean())
    constants = (low, 0.5 * (low + high), high)
    return profile_likelihood(t, curve) - max(profile_likelihood(t, np.full(t.n, c)) for c in constants)


def _locations(a: Analysis, errors: Array, level: float, fallen: Candidates) -> dict[str, Location]:
    """Locate what there is: the rise by growing curves, peak and decline by curves that fall again.

    Both say when a score that declines took off: its interval holds what either finds plausible.
    """
    assert a.rising is not None and a.curves is not None and a.fit is not None
    curves = a.curves
    places = {"takeoff": takeoff_of(a), "t10": share_of_rise(curves, 0.1), "t50": share_of_rise(curves, 0.5)}
    places["width"] = width(curves)
    threshold = a.rise if a.trajectory.proportion else None
    refitted = refit(a.rising, errors)
    out = calibrated(refitted, curves, places, level, threshold)
    onset = _onset(refitted, level)
    if onset is not None:
        out["onset"] = onset
    if a.fallen > 0:
        for name, functional in (("peak", peak), ("decline", decline)):
            fit = along(a.fit, functional, fallen)
            curves = Curves.of(fit)
            out |= calibrated(refit(fit, errors), curves, {name: functional(curves)}, level)
        if threshold is not None:
            whole = Curves.of(a.fit)
            places = {"takeoff": takeoff(whole, a.fit.amplitude, threshold)}
            one, two = out["takeoff"], calibrated(refit(a.fit, errors), whole, places, level, threshold)["takeoff"]
            # it has taken off before its peak
            high = min(max(one.high, two.high), max(out["peak"].high, one.low))
            at = one.x if one.exists else two.x
            out["takeoff"] = Location(min(at, high), min(one.low, two.low), high, one.cut)
    return out


def refit(fit: Fit, errors: Array) -> Refitted:
    """Return the candidates of a fit against simulated noise: whitened (n or more, B), with the constant in it."""
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
    """Return the best candidate of each of the best families: intervals must hold whichever of them is true."""
    best = {int(f): int(np.flatnonzero(fit.candidates.family == f)[fit.rss[fit.candidates.family == f].argmin()])
            for f in np.unique(fit.candidates.family)}  # fmt: skip
    order = sorted(best.values(), key=lambda j: float(fit.rss[j]))
    near = [j for j in order if fit.rss[j] - fit.rss[order[0]] <= within * fit.spread]
    return near[:most]


def takeoff_of(a: Analysis) -> Array:
    """Return the takeoff of every candidate of an analysis."""
    assert a.rising is not None and a.curves is not None
    if a.trajectory.proportion:
        return takeoff(a.curves, a.rising.amplitude, a.rise)
    return share_of_rise(a.curves, a.rise)


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
