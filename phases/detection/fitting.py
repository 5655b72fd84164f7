"""One series fitted and tested for a delayed start, with the simulated noise that locations are calibrated with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.grid import Dictionary
from calque.phases.generators import generator
from calque.phases.noise.products import Products
from calque.phases.noise.whitening import Whitener
from calque.phases.results import Outcome, Refusal
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.delay import DelayTest, delay_test

FEWEST = 8
"""Checkpoints that an analysis needs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedSeries:
    """A fitted series, its test and its simulated noise.

    Attributes
    ----------
    trajectory : Trajectory
        The series; one that is no proportion is moved by ``origin`` and scaled by ``unit``, so that no unit matters.
    dictionary : Dictionary
        Of its schedule.
    fit : Fit
        Of the whole series.
    rising : Fit
        ``fit``, or, for a score that comes down again, growing curves up to the peak.
    errors : array, shape (n, B)
        Simulated noise around the best curve, whitened.
    noise : array, shape (m, B)
        The same for ``rising``, without the constant.
    products : Products
        Of the dictionary's curves, for the noise of ``rising``.
    delay : DelayTest or None
        None where the peak comes too early for a test.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    origin, unit : float
        The score is ``origin + unit * trajectory.y``.
    """

    trajectory: Trajectory
    dictionary: Dictionary
    fit: Fit
    rising: Fit
    errors: Array
    noise: Array
    products: Products
    delay: DelayTest | None
    risen: float
    fallen: float
    origin: float
    unit: float


def refusal(t: Trajectory) -> Refusal | None:
    """Return why a series cannot be analysed; None when it can.

    Parameters
    ----------
    t : Trajectory
        The series.

    Returns
    -------
    Refusal or None
        Outcome and reason: too few checkpoints, or a constant score.
    """
    if t.n < FEWEST:
        reason = f"{t.n} checkpoints have a value; at least {FEWEST} are needed"
        return Refusal(trajectory=t, outcome=Outcome.TOO_FEW_POINTS, reason=reason)
    if t.constant:
        return Refusal(trajectory=t, outcome=Outcome.NONE, reason=f"the score is {t.y[0]:.3g} at every checkpoint")
    return None


def fit_series(t: Trajectory, *, boot: int, level: float, seed: int, dictionary: Dictionary) -> FittedSeries:
    """Fit a series and test it for a delayed start.

    Parameters
    ----------
    t : Trajectory
        A series that :func:`refusal` does not refuse.
    boot : int
        Bootstrap replicates.
    level : float
        The elasticity bound is at 1 - level.
    seed : int
        The series' generator follows from it and from the name of the series.
    dictionary : Dictionary
        Of its schedule.
    """
    origin, unit = (0.0, 1.0) if t.proportion else (float(t.y[0]), float(np.ptp(t.y)))
    t = t if t.proportion else replace(t, y=np.round((t.y - origin) / unit, 12))
    rng = generator(seed, t.key)
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
    return FittedSeries(
        trajectory=t, dictionary=dictionary, fit=fit, rising=rising, errors=errors, noise=noise, products=products,
        delay=delay, risen=risen, fallen=fallen, origin=origin, unit=unit,
    )  # fmt: skip


def delay_alone(
    t: Trajectory, *, boot: int, level: float, seed: int, dictionary: Dictionary
) -> DelayTest | Refusal | None:  # fmt: skip
    """Test a series for a delayed start, and answer nothing else.

    Parameters
    ----------
    t : Trajectory
        The series.
    boot, level, seed, dictionary
        See :func:`fit_series`.

    Returns
    -------
    DelayTest, Refusal or None
        None where the peak comes too early for a test.
    """
    return refusal(t) or fit_series(t, boot=boot, level=level, seed=seed, dictionary=dictionary).delay


def without_constant(raw: Array, whiten: Whitener) -> Array:
    """Return whitened series (n, B) with the constant projected out.

    Parameters
    ----------
    raw : array, shape (n, B)
        Whitened series.
    whiten : Whitener
        That they were whitened with.
    """
    return np.asarray(raw - np.outer(whiten.one, whiten.one @ raw))
