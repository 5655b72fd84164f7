"""One series fitted and tested for a delayed start, with the simulated noise that locations are calibrated with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calque.data.quantities import plural
from calque.phases.dictionary.dip import fall_alone, lowest_point
from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.grid import FALL_EVIDENCE, Dictionary
from calque.phases.generators import generator
from calque.phases.noise.likelihood import profile_likelihood
from calque.phases.noise.products import Products
from calque.phases.noise.whitening import Whitener
from calque.phases.results import Outcome, Refusal
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import Cone
from calque.phases.stats.delay import DelayTest, delay_test
from calque.phases.stats.likely_noises import LikelyNoises
from calque.phases.stats.monte_carlo import Against, Tested

FEWEST = 8
"""Checkpoints that an analysis needs."""
RISE_EVIDENCE = 20.0
"""Twice the log-likelihood that shows a rise without a test: over a score that never rises where the score comes down
again, else over a constant.

By its test alone a tenth to a fifth of falls had a rise: the curve that the test's noise is fitted around takes what
the noise did at the beginning for a hump. Of 64 simulated falls the largest gain was 16, of 15 humps the least 32."""
MOVES = 12.0
"""Twice the log-likelihood over a constant from which a score is not said to show nothing."""
TOO_PERSISTENT = (
    "noise too persistent to tell: diminishing returns from the start, with noise that lasts as long as the run, "
    "explain the series about as well as growth of any other shape"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dip:
    """A score that first falls: the whole series, and how far its fitted level is below the first at its lowest.

    The analysis begins at the checkpoint where it is lowest.
    """

    whole: Trajectory
    depth: float


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
    p_rise : float
        p of "it never rises", for a score that comes down again; of "it is constant", for another one.
    delay : DelayTest or None
        None where the peak comes too early for a test.
    dip : Dip or None
        What came before the series as analysed, where the score first fell.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    fall : float
        Fall of a score that never rises, where one is shown; else 0.
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
    p_rise: float
    delay: DelayTest | None
    dip: Dip | None
    risen: float
    fallen: float
    fall: float
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
        reason = f"{plural(t.n, 'checkpoint has', 'checkpoints have')} a value; at least {FEWEST} are needed"
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
    lowest, dip = lowest_point(fit, dictionary), None
    if lowest is not None and t.n - lowest.checkpoint >= FEWEST:
        dip = Dip(whole=t, depth=lowest.depth)
        t = t.since(lowest.checkpoint)
        dictionary = Dictionary(Axis.of(t.tokens, dictionary.axis.scale))
        fit = dictionary.fit(t)
    delay: DelayTest | None = None
    if fit.alone is not None and not fit.declining:
        # what the noise may explain is tested first: where it does not, its noise is not averaged in
        curves = dictionary.everywhere.columns[:, : dictionary.n_simple]
        noises = LikelyNoises(t, curves, fit.curve, *fit.alone, rng, boot, after_dip=dip is not None)
        delay = delay_test(t.tokens, t.y, fit.whiten, noises.test, level, after_dip=dip is not None)
        if delay.elasticity is not None:
            fit = dictionary.fit(t, told=True)
            delay = None if fit.declining else delay
    best = fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best]
    risen = float(best.max())
    fallen = float(best.max() - best[-1]) if fit.declining else 0.0
    n = t.n if fallen == 0 else min(t.n, int(best.argmax()) + 2)
    errors = fit.whiten.raw(fit.noise.draw(rng, boot).around(fit.curve) - fit.curve[:, None])
    rising = fit if n == t.n or n < FEWEST else dictionary.rise(fit, n)
    m = rising.trajectory.n
    noise = without_constant(errors[:m], rising.whiten)
    products = Products.of(dictionary.everywhere.columns[:m], rising.whiten)
    part = rising.trajectory
    growth = Against(products.first(dictionary.n_simple), rising.whiten(part.y), noise)
    if delay is None and n >= FEWEST:

        def against(gamma: float, most: int | None) -> Tested:
            return growth.test(Cone.diminishing(part.tokens, rising.whiten, gamma, dip is not None), most)

        delay = delay_test(part.tokens, part.y, rising.whiten, against, level, after_dip=dip is not None)
    p_rise = _p_against_falling(fit, errors, dictionary) if fit.declining else growth.test().p_value
    # a score of which neither a rise nor a hump is shown may still fall
    fall = fall_alone(fit, dictionary, FALL_EVIDENCE) if not fit.declining and p_rise > 1 - level else 0.0
    return FittedSeries(
        trajectory=t, dictionary=dictionary, fit=fit, rising=rising, errors=errors, noise=noise, products=products,
        p_rise=p_rise, delay=delay, dip=dip, risen=risen, fallen=fallen, fall=fall, origin=origin, unit=unit,
    )  # fmt: skip


def rise_shown(fit: Fit, p_rise: float, level: float) -> bool:
    """Return whether a score rises by more than noise explains.

    Parameters
    ----------
    fit : Fit
        Of the series.
    p_rise : float
        Of the test of a rise, see :class:`FittedSeries`.
    level : float
        The test is at 1 - level.
    """
    return fit.gain >= RISE_EVIDENCE if fit.declining else p_rise <= 1 - level


def gain_over_constant(t: Trajectory, curve: Array) -> float:
    """Return the gain in twice the log-likelihood of a curve over the best of three constants.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    curve : array, shape (n,)
        Values of the curve at the checkpoints.

    Returns
    -------
    float
        The gain; the noise is maximised over for each.
    """
    low, high = float(np.median(t.y)), float(t.y.mean())
    constants = (low, 0.5 * (low + high), high)
    return profile_likelihood(t, curve) - max(profile_likelihood(t, np.full(t.n, c)) for c in constants)


def too_persistent(t: Trajectory, found: FittedSeries, level: float) -> Refusal | None:
    """Return a refusal where a rise cannot be told from noise that lasts as long as the run; None where it can.

    A score of which no rise is shown, only because noise could have moved it as far, is refused as well: it is no
    evidence that nothing rose.

    Parameters
    ----------
    t : Trajectory
        The series as it was given.
    found : FittedSeries
        The same, fitted and tested.
    level : float
        Tests are at 1 - level.
    """
    if found.fit.shortfall == 0:
        return None
    shown = rise_shown(found.fit, found.p_rise, level)
    if not shown and gain_over_constant(found.trajectory, found.fit.curve) < MOVES:
        return None
    return Refusal(trajectory=t, outcome=Outcome.NOISE_TOO_PERSISTENT, reason=TOO_PERSISTENT, told=found.fit.told)


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
    refused = refusal(t)
    if refused is not None:
        return refused
    found = fit_series(t, boot=boot, level=level, seed=seed, dictionary=dictionary)
    return too_persistent(t, found, level) or found.delay


def _p_against_falling(fit: Fit, errors: Array, dictionary: Dictionary) -> float:
    """Return p of "it never rises" of a score that comes down again."""
    t = fit.trajectory
    humps = Products.of(dictionary.fallen.columns, fit.whiten)
    against = Against(humps, fit.whiten(t.y), without_constant(errors, fit.whiten))
    return against.test(Cone.never_rising(t.n, fit.whiten)).p_value


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
