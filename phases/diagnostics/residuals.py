r"""Whitened residuals of a fitted series, and of series simulated from its fit.

The noise of counts is normal on the logit scale. Near a floor it is skewed as a score, and one large residual in a
hundred is nothing special there. So the residual of a score y about a curve f is

.. math:: f(1-f)\,(\mathrm{logit}\,\tilde y - \mathrm{logit}\,\tilde f),\qquad \tilde y = (Ny + 1/2)/(N + 1),

which is y - f to first order, so that the same covariance whitens it. A fitted curve takes some of the noise with it:
the constant, the curve and the directions in which it could still move are projected out.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from calque.phases.dictionary.fit import Fit, tangents
from calque.phases.noise.noise import Replicates
from calque.phases.noise.span import span
from calque.phases.noise.variants import LEAST
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory


def residual(t: Trajectory, y: Array, curve: Array) -> Array:
    """Return the residuals of scores about a curve, see the module.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    y : array, shape (n, B)
        Scores of B series on its checkpoints.
    curve : array, shape (n,)
        Values of the curve.

    Returns
    -------
    array, shape (n, B)
    """
    f = curve[:, None]
    if not t.counts:
        return y - f
    f, n = np.clip(f, LEAST, 1 - LEAST), t.effective_trials[:, None]
    return np.asarray(f * (1 - f) * (logit((n * y + 0.5) / (n + 1)) - logit((n * f + 0.5) / (n + 1))))


def observed(fit: Fit) -> Array:
    """Return the residuals of a series about its fitted curve, whitened by its fitted noise.

    Parameters
    ----------
    fit : Fit
        Of the series.

    Returns
    -------
    array, shape (n,)
        Independent and of variance 1 where the model holds, but for the directions projected out.
    """
    t = fit.trajectory
    return _whitened(fit.whiten, residual(t, t.y[:, None], fit.curve), _directions(fit))[:, 0]


def simulated(fit: Fit, drawn: Replicates) -> Array:
    """Return the residuals of simulated series, each whitened by the noise that it was drawn with.

    Parameters
    ----------
    fit : Fit
        Of the series.
    drawn : Replicates
        Noise drawn from ``fit.noise``, B replicates.

    Returns
    -------
    array, shape (n, B)
        Whitened residuals.
    """
    errors, directions = residual(fit.trajectory, drawn.around(fit.curve), fit.curve), _directions(fit)
    out = np.empty_like(errors)
    points, group = np.unique(drawn.points, axis=1, return_inverse=True)
    for g, (k, i, j) in enumerate(points.T):
        whiten = fit.noise.whitener_at(fit.curve, (int(k), int(i), int(j)))
        mine = np.flatnonzero(group.ravel() == g)
        out[:, mine] = _whitened(whiten, errors[:, mine], directions)
    return out


def _directions(fit: Fit) -> Array:
    """Return the directions in which a curve moves as it is fitted, (n, q)."""
    moves = tangents(fit.whiten, fit.candidates.columns, fit.rss, fit.amplitude)
    return np.column_stack([np.ones(fit.trajectory.n), fit.curve, moves])


def _whitened(whiten: Whitener, errors: Array, directions: Array) -> Array:
    z = whiten.raw(errors)
    q = span(whiten.raw(directions))
    return np.asarray(z - q @ (q.T @ z))
