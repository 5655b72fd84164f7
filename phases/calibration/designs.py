"""What a study's own series are simulated from: their nulls, their truths, and noise that a pair shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import nnls

from calque.phases.detection.analyse import Analysis
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory

KNOTS = 60


def nearest_concave(t: Trajectory, curve: Array, sd: Array) -> Array:
    """Return the curve (n,) nearest to the data that is nondecreasing and concave in tokens, up to the fitted peak.

    Parameters
    ----------
    t : Trajectory
        The series.
    curve : array, shape (n,)
        The fitted curve; where it falls after its peak, so does the result.
    sd : array, shape (n,)
        Standard deviations of the scores.
    """
    top = int(curve.argmax()) if curve[-1] < curve.max() else t.n - 1
    top = max(top, min(2, t.n - 1))
    tokens, y, sd = t.tokens[: top + 1], t.y[: top + 1], sd[: top + 1]
    knots = tokens[1:][np.unique(np.linspace(0, top - 1, KNOTS).round().astype(int))]
    one = np.ones((len(tokens), 1))
    design = np.hstack([one, np.minimum(tokens[:, None] / knots, 1.0)])
    # not below the fitted floor: a proportion pressed against 0 is no longer concave
    floor = float(curve.min())
    grown = floor + design @ nnls(design / sd[:, None], (y - floor) / sd)[0]
    out = np.concatenate([grown, grown[-1] + curve[top + 1 :] - curve[top]])
    return np.clip(out, 0.0, 1.0) if t.proportion else out


def spread_of(a: Analysis, rng: np.random.Generator, replicates: int = 60) -> Array:
    """Return the standard deviation (n,) of scores around the fitted curve.

    Parameters
    ----------
    a : Analysis
        Of the series.
    rng : numpy.random.Generator
        Where the draws come from.
    replicates : int
        Draws of the noise.
    """
    sd = np.asarray(a.fit.noise.draw(rng, replicates).around(a.fit.curve)).std(1)
    return np.maximum(sd, 1e-3 * max(float(sd.max()), 1e-12))


def takeoff_of(t: Trajectory, curve: Array, rise: float) -> float:
    """Return the takeoff of a curve (n,) that is known at the checkpoints, straight between: a position x, or inf.

    Parameters
    ----------
    t : Trajectory
        The series.
    curve : array, shape (n,)
        Expected score at its checkpoints.
    rise : float
        Height above the floor that defines takeoff, see ``Settings``.
    """
    x = Axis.of(t.tokens).x
    risen = np.maximum.accumulate(curve - curve[0])
    height = rise if t.proportion else rise * float(risen[-1])
    if height <= 0 or risen[-1] < height:
        return np.inf
    i = int((risen >= height).argmax())
    w = (height - risen[i - 1]) / (risen[i] - risen[i - 1])
    return float(x[i - 1] + w * (x[i] - x[i - 1]))


def moved_to(t: Trajectory, curve: Array, at: float, rise: float) -> Array:
    """Return a curve (n,) moved along training until it takes off at ``at``, as nearly as its checkpoints allow.

    Its ends hold. Straight pieces between checkpoints change as they move, so the distance is corrected in turn.

    Parameters
    ----------
    t : Trajectory
        The series.
    curve : array, shape (n,)
        Expected score at its checkpoints.
    at : float
        Position on the axis.
    rise : float
        Height above the floor that defines takeoff, see ``Settings``.
    """
    x = Axis.of(t.tokens).x
    by, best, nearest = 0.0, curve, np.inf
    for _ in range(30):
        now = np.interp(x - by, x, curve)
        gap = at - takeoff_of(t, now, rise)
        if abs(gap) < nearest:
            best, nearest = now, abs(gap)
        if not np.isfinite(gap) or nearest < 1e-6:
            break
        by += gap
    return np.asarray(best)


def around(a: Analysis, curve: Array, rng: np.random.Generator, replicates: int) -> Array:
    """Return simulated scores (n, replicates), the noise of each drawn from the posterior of the series' own fit.

    Parameters
    ----------
    a : Analysis
        Of the series.
    curve : array, shape (n,)
        Expected score at its checkpoints.
    rng : numpy.random.Generator
        Where the draws come from.
    replicates : int
        Number of series.
    """
    return np.asarray(a.fit.noise.draw(rng, replicates).around(curve))


def together(
    a: Analysis, b: Analysis, second: Array, correlation: float, rng: np.random.Generator, replicates: int
) -> tuple[Array, Array]:
    """Return scores around the first fitted curve and around ``second`` whose shocks have this correlation.

    Parameters
    ----------
    a : Analysis
        Of the first series.
    b : Analysis
        Of the second series.
    second : array, shape (n,)
        Expected score of the second series.
    correlation : float
        Of the two series' shocks.
    rng : numpy.random.Generator
        Where the draws come from.
    replicates : int
        Number of pairs.
    """
    indices = a.trajectory.index, b.trajectory.index
    union = np.union1d(*indices)
    common = rng.standard_normal((len(union), replicates))
    signs = 1.0, float(np.sign(correlation))
    out = []
    for fit, curve, index, sign in zip((a.fit, b.fit), (a.fit.curve, second), indices, signs, strict=True):
        own = rng.standard_normal((len(index), replicates))
        shared = sign * np.sqrt(abs(correlation)) * common[np.searchsorted(union, index)]
        shocks = shared + np.sqrt(1 - abs(correlation)) * own
        out.append(np.asarray(fit.noise.draw(rng, replicates, shocks).around(curve)))
    return out[0], out[1]


def template(t: Trajectory) -> Trajectory:
    """Return the series ``t`` with its effective trials, rounded to whole numbers, in place of clustered ones."""
    if t.trials is None:
        return t
    return replace(t, trials=np.maximum(1, np.round(t.effective_trials)), design_effect=1.0)
