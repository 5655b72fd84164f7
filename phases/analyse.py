"""One series, all its questions: noise, delay, and the locations that make sense for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from phases.axis import Array, Axis, Scale
from phases.delay import DelayTest, delay_test
from phases.fit import Dictionary, Fit
from phases.functionals import Curves, decline, peak, share_of_rise, takeoff, width
from phases.location import LARGEST_CUT, Location, calibrated_cut, least_cut, locate
from phases.noise import profile_likelihood
from phases.trajectory import Trajectory

Mask = NDArray[np.bool_]

FEWEST = 8


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything found about one series. ``fit`` is None where there was nothing to fit.

    Attributes
    ----------
    rise : float
        Height of the threshold of takeoff: absolute for counts, share of the rise for continuous scores.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    gain : float
        Twice the log-likelihood that the best curve gains over a constant, each with its own noise.
    """

    trajectory: Trajectory
    rise: float
    fit: Fit | None = None
    curves: Curves | None = None
    delay: DelayTest | None = None
    risen: float = 0.0
    fallen: float = 0.0
    gain: float = 0.0
    locations: dict[str, Location] = field(default_factory=dict)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a named thing: it depends on the seed and the name, never on the order of runs."""
    digest = hashlib.sha256("\x1e".join(names).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))


def analyse(
    t: Trajectory, *, rise: float = 0.05, boot: int = 199, level: float = 0.95, seed: int = 0, scale: Scale = "log",
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
    rng = generator(seed, t.key)
    dictionary = dictionary or Dictionary(Axis.of(t.tokens, scale))
    fit = dictionary.fit(t, rng)
    best = fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best]
    risen = float(best.max())
    fallen = float(best.max() - best[-1]) if fit.declining else 0.0
    last = t.n - 1 if fallen == 0 else min(t.n - 1, int(best.argmax()) + 1)
    delay = _delay(t, fit, last, boot, level, rng)
    analysis = Analysis(t, rise, fit, Curves.of(fit), delay, risen, fallen, gain_over_constant(t, fit.curve))
    if locate_all:
        analysis.locations.update(_locations(analysis, boot, level, rng))
    return analysis


def gain_over_constant(t: Trajectory, curve: Array) -> float:
    """Return twice the log-likelihood that ``curve`` gains over the best of three constants."""
    low, high = float(np.median(t.y)), float(t.y.mean())
    constants = (low, 0.5 * (low + high), high)
    return profile_likelihood(t, curve) - max(profile_likelihood(t, np.full(t.n, c)) for c in constants)


def _delay(t: Trajectory, fit: Fit, last: int, boot: int, level: float, rng: np.random.Generator) -> DelayTest | None:
    """Test for delay on the part before the decline, with the noise of the whole series."""
    if last + 1 < FEWEST:
        return None
    part = t.until(last)
    return delay_test(part, fit.curve[: last + 1], replace(fit.noise, trajectory=part), boot, level, rng)


def _locations(a: Analysis, boot: int, level: float, rng: np.random.Generator) -> dict[str, Location]:
    assert a.fit is not None and a.curves is not None
    fit, curves = a.fit, a.curves
    places = {"takeoff": takeoff_of(a), "t10": share_of_rise(curves, 0.1), "t50": share_of_rise(curves, 0.5)}
    places["width"] = width(curves)
    if a.fallen > 0:
        places |= {"peak": peak(curves), "decline": decline(curves)}
    cuts = dict.fromkeys(places, least_cut(level))
    for j in rivals(fit):
        rss, b = fit.against(fit.noise.draw(rng, boot).around(fit.curve_of(j)))
        for name, x in places.items():
            if not np.isfinite(x[j]):
                cuts[name] = max(cuts[name], LARGEST_CUT / 2)
                continue
            before, after = _sides(x, float(x[j]))
            if name == "takeoff" and a.trajectory.proportion:
                height = b * curves.reached(float(x[j]))[:, None]
                before, after = height >= a.rise - 1e-9, height <= a.rise + 1e-9
            cuts[name] = max(cuts[name], calibrated_cut(fit, rss, before, after, level))
    out = {n: locate(fit, x, fit.rss, cuts[n], bracket=n != "width") for n, x in places.items()}
    onset = _onset(fit, boot, level, rng)
    if onset is not None:
        out["onset"] = onset
    return out


def rivals(fit: Fit, most: int = 2, within: float = 6.0) -> list[int]:
    """Return the best candidate of each of the best families: intervals must hold whichever of them is true."""
    best = {int(f): int(np.flatnonzero(fit.candidates.family == f)[fit.rss[fit.candidates.family == f].argmin()])
            for f in np.unique(fit.candidates.family)}  # fmt: skip
    order = sorted(best.values(), key=lambda j: float(fit.rss[j]))
    near = [j for j in order if fit.rss[j] - fit.rss[order[0]] <= within * fit.spread]
    return near[:most]


def takeoff_of(a: Analysis) -> Array:
    """Return the takeoff of every candidate of an analysis."""
    assert a.fit is not None and a.curves is not None
    if a.trajectory.proportion:
        return takeoff(a.curves, a.fit.amplitude, a.rise)
    return share_of_rise(a.curves, a.rise)


def _onset(fit: Fit, boot: int, level: float, rng: np.random.Generator) -> Location | None:
    """Locate the corner, given that there is one: within the onset family alone, around its own best curve."""
    chosen = np.flatnonzero(fit.candidates.of_family("onset"))
    if fit.declining or not len(chosen):
        return None
    best = int(chosen[fit.rss[chosen].argmin()])
    tau = fit.candidates.theta[0][:, 0]
    rss = fit.against(fit.noise.draw(rng, boot).around(fit.curve_of(best)))[0][chosen]
    cut = calibrated_cut(fit, rss, *_sides(tau, float(tau[best - chosen[0]])), level)
    return locate(fit, tau, fit.rss[chosen], cut)


def _sides(x: Array, truth: float) -> tuple[Mask, Mask]:
    return (x <= truth + 1e-9)[:, None], (x >= truth - 1e-9)[:, None]
