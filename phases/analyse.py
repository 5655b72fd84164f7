"""One series, all its questions: noise, delay, and the locations that make sense for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from phases.axis import Array, Axis, Scale
from phases.delay import DelayTest, delay_test
from phases.dictionary import Dictionary
from phases.fit import Fit
from phases.functionals import Curves, decline, peak, share_of_rise, takeoff, width
from phases.kalman import side_minima
from phases.location import LARGEST_CUT, Location, calibrated_cut, least_cut, locate
from phases.noise import profile_likelihood
from phases.phase_count import PhaseCount, phase_count
from phases.products import Products, Single
from phases.trajectory import Trajectory
from phases.whitening import Whitener

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


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a named thing: it depends on the seed and the name, never on the order of runs."""
    digest = hashlib.sha256("\x1e".join(names).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))


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
    products = Products(dictionary.everywhere.columns[:m], rising.whiten)
    delay = None
    if n >= FEWEST:
        part = rising.trajectory
        growing = products.of(dictionary.n_simple)
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
    analysis.locations.update(_locations(analysis, errors, level))
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


def _locations(a: Analysis, errors: Array, level: float) -> dict[str, Location]:
    """Locate what there is: the rise by growing curves, peak and decline by curves that fall again.

    Both say when a score that declines took off: its interval holds what either finds plausible.
    """
    assert a.rising is not None and a.curves is not None and a.fit is not None
    curves = a.curves
    places = {"takeoff": takeoff_of(a), "t10": share_of_rise(curves, 0.1), "t50": share_of_rise(curves, 0.5)}
    places["width"] = width(curves)
    threshold = a.rise if a.trajectory.proportion else None
    out = calibrated(a.rising, curves, places, errors, level, threshold)
    onset = _onset(a.rising, errors, level)
    if onset is not None:
        out["onset"] = onset
    if a.fallen > 0:
        whole = Curves.of(a.fit)
        places = {"peak": peak(whole), "decline": decline(whole)}
        if threshold is not None:
            places["takeoff"] = takeoff(whole, a.fit.amplitude, threshold)
        found = calibrated(a.fit, whole, places, errors, level, threshold)
        if threshold is not None:
            one, two = out["takeoff"], found.pop("takeoff")
            # it has taken off before its peak
            high = min(max(one.high, two.high), max(found["peak"].high, one.low))
            at = one.x if one.exists else two.x
            out["takeoff"] = Location(min(at, high), min(one.low, two.low), high, one.cut)
        out |= found
    return out


def calibrated(
    fit: Fit, curves: Curves, places: dict[str, Array], errors: Array, level: float, threshold: float | None = None
) -> dict[str, Location]:
    """Return the location of each functional of a fit, with the cut that replicates call for.

    Parameters
    ----------
    places : dict of array, shape (m,)
        Functionals of the candidates on the data.
    errors : array, shape (n or more, B)
        Simulated noise, whitened.
    threshold : float, optional
        Height that defines takeoff, which moves with the amplitude of a replicate.
    """
    n = fit.trajectory.n
    errors = without_constant(errors[:n], fit.whiten)
    cuts = dict.fromkeys(places, least_cut(level))
    for j in rivals(fit):
        centre = fit.whiten(fit.candidates.columns[:, j] * fit.amplitude[j])
        rss, b = fit.against(errors + centre[:, None])
        least = rss.min(0)
        # the generating curve itself has its own functional, whatever the candidates at hand
        itself = (errors * errors).sum(0) + fit.candidates.extra[j]
        for name, x in places.items():
            if not np.isfinite(x[j]):
                cuts[name] = max(cuts[name], LARGEST_CUT / 2)
                continue
            if name == "takeoff" and threshold is not None:
                left, right = side_minima(rss, b, curves.reached(float(x[j])), threshold)
            else:
                left, right = _sides(rss, x, float(x[j]))
            need = np.minimum(np.maximum(left, right), itself) - least
            cuts[name] = max(cuts[name], calibrated_cut(n, least, need, level))
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


def _onset(fit: Fit, errors: Array, level: float) -> Location | None:
    """Locate the corner, given that there is one: within the onset family alone, around its own best curve."""
    chosen = np.flatnonzero(fit.candidates.of_family("onset"))
    if not len(chosen):
        return None
    best = int(chosen[fit.rss[chosen].argmin()])
    # a corner beyond the checkpoints is none
    tau = fit.candidates.theta["onset"][:, 0]
    tau = np.where(tau < fit.axis.x[-1], tau, np.inf)
    centre = fit.whiten(fit.candidates.columns[:, best] * fit.amplitude[best])
    errors = without_constant(errors[: fit.trajectory.n], fit.whiten)
    rss, _ = fit.against(errors + centre[:, None], chosen)
    least = rss.min(0)
    need = np.maximum(*_sides(rss, tau, float(tau[best - chosen[0]]))) - least
    cut = calibrated_cut(fit.trajectory.n, least, need, level)
    return locate(fit, tau, fit.rss[chosen], cut)


def _sides(rss: Single, x: Array, truth: float) -> tuple[Array, Array]:
    """Return the least rss (B,) of candidates with the functional at or before ``truth``, and at or after."""
    return rss[x <= truth + 1e-9].min(0), rss[x >= truth - 1e-9].min(0)
