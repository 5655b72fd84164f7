"""One series, all its questions: noise, delay, and the locations that make sense for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from phases.axis import Array, Axis, Scale
from phases.delay import DelayTest, delay_test
from phases.fit import Dictionary, Fit
from phases.functionals import Curves, decline, peak, share_of_rise, takeoff, width
from phases.location import Location, locate
from phases.trajectory import Trajectory

FEWEST = 8
FALL_EVIDENCE = 12.0
"""Drop of the scaled residual sum of squares at which a curve is taken to decline after its peak."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything found about one series. ``fit`` is None where there was nothing to fit.

    Attributes
    ----------
    rise : float
        Height of the threshold of takeoff: absolute for counts, share of the rise for continuous scores.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    """

    trajectory: Trajectory
    rise: float
    fit: Fit | None = None
    curves: Curves | None = None
    delay: DelayTest | None = None
    risen: float = 0.0
    fallen: float = 0.0
    locations: dict[str, Location] = field(default_factory=dict)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a named thing: it depends on the seed and the name, never on the order of runs."""
    digest = hashlib.sha256("\x1e".join(names).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))


def analyse(
    t: Trajectory, *, rise: float = 0.05, boot: int = 199, level: float = 0.95, seed: int = 0, scale: Scale = "log",
    dictionary: Dictionary | None = None,
) -> Analysis:  # fmt: skip
    """Answer every question about one series.

    Parameters
    ----------
    dictionary : Dictionary, optional
        The grid for this schedule, when it has been built already.
    """
    if t.n < FEWEST or t.constant:
        return Analysis(t, rise)
    rng = generator(seed, t.key)
    dictionary = dictionary or Dictionary(Axis.of(t.tokens, scale))
    fit = dictionary.fit(t, rng)
    best = fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best]
    risen = float(best.max())
    fallen = float(best.max() - best[-1]) if declines(fit) else 0.0
    last = t.n - 1 if fallen == 0 else min(t.n - 1, int(best.argmax()) + 1)
    delay = _delay(t, fit, last, dictionary, boot, level, rng)
    analysis = Analysis(t, rise, fit, Curves.of(fit), delay, risen, fallen)
    analysis.locations.update(_locations(analysis, boot, level, rng))
    return analysis


def declines(fit: Fit) -> bool:
    """Return whether the data call for a curve that comes down again by as much as noise does not."""
    falling = fit.candidates.of_family("rise_and_fall")
    if not falling[fit.best] or falling.all():
        return bool(falling[fit.best])
    monotone = float(fit.rss[~falling].min())
    return (monotone - float(fit.rss.min())) / fit.spread > FALL_EVIDENCE - 4.0


def _delay(
    t: Trajectory, fit: Fit, last: int, dictionary: Dictionary, boot: int, level: float, rng: np.random.Generator
) -> DelayTest | None:
    """Test for delay on the part before the decline, with that part's own noise."""
    if last == t.n - 1:
        return delay_test(t, fit.curve, fit.noise, boot, level, rng)
    if last + 1 < FEWEST:
        return None
    part = t.until(last)
    fitted = Dictionary(Axis.of(part.tokens, dictionary.axis.scale)).fit(part, rng)
    return delay_test(part, fitted.curve, fitted.noise, boot, level, rng)


def _locations(a: Analysis, boot: int, level: float, rng: np.random.Generator) -> dict[str, Location]:
    assert a.fit is not None and a.curves is not None
    fit, curves = a.fit, a.curves
    rss, b = fit.against(fit.noise.draw(rng, boot).around(fit.curve))
    out: dict[str, Location] = {}
    x = takeoff_of(a)
    truth = x[fit.best]
    if a.trajectory.proportion and np.isfinite(truth):
        height = b * curves.reached(float(truth))[:, None]
        before, after = height >= a.rise - 1e-9, height <= a.rise + 1e-9
    else:
        before, after = _sides(x, truth)
    out["takeoff"] = locate(curves, x, fit.rss, rss, before, after, level)
    for name, at in (("t10", share_of_rise(curves, 0.1)), ("t50", share_of_rise(curves, 0.5))):
        out[name] = locate(curves, at, fit.rss, rss, *_sides(at, at[fit.best]), level)
    wide = width(curves)
    out["width"] = locate(curves, wide, fit.rss, rss, *_sides(wide, wide[fit.best]), level, bracket=False)
    if a.fallen > 0:
        falling = np.where(fit.candidates.of_family("rise_and_fall"), 0.0, np.inf)
        for name, at in (("peak", peak(curves)), ("decline", decline(curves))):
            own = rss + falling[:, None]
            out[name] = locate(curves, at, fit.rss + falling, own, *_sides(at, at[fit.best]), level)
    onset = _onset(fit, boot, level, rng)
    if onset is not None:
        out["onset"] = onset
    return out


def takeoff_of(a: Analysis) -> Array:
    """Return the takeoff of every candidate of an analysis."""
    assert a.fit is not None and a.curves is not None
    if a.trajectory.proportion:
        return takeoff(a.curves, a.fit.amplitude, a.rise)
    return share_of_rise(a.curves, a.rise)


def _onset(fit: Fit, boot: int, level: float, rng: np.random.Generator) -> Location | None:
    """Locate the corner, given that there is one: within the onset family alone, around its own best curve."""
    chosen = np.flatnonzero(fit.candidates.of_family("onset"))
    if not len(chosen):
        return None
    best = int(chosen[fit.rss[chosen].argmin()])
    tau = fit.candidates.theta[0][:, 0]
    rss = fit.against(fit.noise.draw(rng, boot).around(fit.curve_of(best)))[0][chosen]
    curves = Curves.of(fit, chosen[:1])
    return locate(curves, tau, fit.rss[chosen], rss, *_sides(tau, fit.candidates.theta[0][best - chosen[0], 0]), level)


def _sides(x: Array, truth: float) -> tuple[Array, Array]:
    return (x <= truth + 1e-9)[:, None], (x >= truth - 1e-9)[:, None]
