r"""Takeoff without each checkpoint in turn, and the two whose absence moves it most.

With :math:`z = L^{-1}y`, the whitened unit vectors :math:`u_i = L^{-1}e_i`, and P the projection off the constant and a
curve, leaving checkpoint i out is fitting a constant of its own to it: the residual sum of squares falls by
:math:`(u_i^\top P z)^2 / u_i^\top P u_i`, exactly. So all curves without each checkpoint cost one product. Noise and
curves are those of the whole series; the two checkpoints are then left out in earnest, as a variation of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.phases.detection.analyse import Analysis
from calque.phases.detection.locations import takeoffs
from calque.phases.dictionary.fit import Fit, spread_of
from calque.phases.dictionary.location import averaged
from calque.phases.series.axis import Array

FAR = 60.0
"""Excess residual sum of squares from which a curve stays implausible whichever checkpoint is left out."""
STRETCH = 1.05
"""Factor of the amplitude by which the slope of takeoff is taken."""


def without_each(fit: Fit, chosen: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return residual sums of squares and amplitudes of candidates without each checkpoint.

    Parameters
    ----------
    fit : Fit
        A series with its candidates, n checkpoints.
    chosen : array of int, shape (k,)
        Candidates.

    Returns
    -------
    tuple of array, shape (n, k)
        Residual sums of squares with their penalties, and amplitudes.
    """
    n, amplitude = fit.trajectory.n, fit.amplitude[chosen]
    z, units, curves = (
        fit.whiten(fit.trajectory.y),
        fit.whiten(np.eye(n)),
        fit.whiten(fit.candidates.columns[:, chosen]),
    )
    size = np.sqrt(np.maximum(np.einsum("nk,nk->k", curves, curves), 1e-300))
    used = amplitude > 0
    along = np.where(used, units.T @ curves / size, 0.0)
    lost = (units.T @ z)[:, None] - along * (amplitude * size)
    own = np.maximum(np.einsum("nm,nm->m", units, units)[:, None] - along**2, 1e-12)
    return fit.rss[chosen] - lost**2 / own, np.maximum(amplitude - along * (lost / own) / size, 0.0)


def takeoffs_without(a: Analysis) -> Array:
    """Return the takeoff without each checkpoint of a series, as x of its axis: (n,).

    Parameters
    ----------
    a : Analysis
        Of a series that has a takeoff.
    """
    fit, amplitude = a.rising, a.rising.amplitude
    chosen = np.flatnonzero(fit.excess <= FAR)
    earlier, at, later = (
        takeoffs(a.curves, amplitude * factor, a.rise, a.trajectory.proportion)[chosen]
        for factor in (STRETCH, 1.0, 1 / STRETCH)
    )
    both = np.isfinite(earlier) & np.isfinite(later)
    moves = np.zeros(len(chosen))
    moves[both] = (earlier[both] - later[both]) / (2 * np.log(STRETCH))
    rss, amplitudes = without_each(fit, chosen)
    relative = np.log(np.maximum(amplitudes, 1e-12) / np.maximum(amplitude[chosen], 1e-12))
    x = at + moves * np.clip(relative, -0.5, 0.5)
    excess = (rss - rss.min(1, keepdims=True)) / [[spread_of(float(one), fit.trajectory.n - 1)] for one in rss.min(1)]
    return np.array([averaged(one, of) for one, of in zip(x, excess, strict=True)])


def most_moving(a: Analysis) -> dict[str, float]:
    """Return the checkpoints, in positions on the axis, without which takeoff is earliest and latest of all.

    Parameters
    ----------
    a : Analysis
        Of a series.

    Returns
    -------
    dict of str to float
        By ``earliest`` and ``latest``; empty where the series has no takeoff.
    """
    if not a.locations["takeoff"].exists or a.rising.trajectory.n < 3:
        return {}
    x, places = takeoffs_without(a), a.rising.trajectory.tokens
    x[0] = np.nan  # it is the floor that takeoff is measured from: a variation of its own
    return {"earliest": float(places[np.nanargmin(x)]), "latest": float(places[np.nanargmax(x)])}
