r"""Scores that fall: plainly, or below their first level before they rise, and where they are lowest.

A dip is a curve :math:`a - d\,A(x) + b\,B(x)`, d and b positive, A and B growing curves of the dictionary, A the
earlier one. It is taken where it gains more in twice the log-likelihood than growth alone *and* than a fall alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calque.phases.dictionary.fit import Fit, residuals
from calque.phases.noise.likelihood import profile_likelihood, restricted_likelihood
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

if TYPE_CHECKING:
    from calque.phases.dictionary.grid import Dictionary

EVIDENCE = 12.0
"""Twice the log-likelihood that a dip must gain over growth alone and over a fall alone."""
OF_OTHERS = 6.0
"""The same without the lowest checkpoint: one wild checkpoint is no dip."""
SUSPECTED = 2.0
"""The same at the noise of the fitted curve, below which a dip is not pursued. (Six dips shown in 85 series had 2.7 and
more there.)"""
FALLS = 80
"""Curves of the first fall, at most."""
ROUNDS = 2
"""Times that noise and dip are fitted in turn."""
PLAUSIBLE, COMPARED = 4.0, 400
"""Dips whose residual sum of squares exceeds the best one's by less may be the true one; so many of them, at most, are
asked where they are lowest."""


class Lowest(NamedTuple):
    """The last checkpoint at which a score that dips may be lowest, and the depth of the fitted dip.

    What a series does before its lowest point would pass for a late start. So the last plausible point is taken.
    """

    checkpoint: int
    depth: float


def lowest_point(fit: Fit, dictionary: Dictionary) -> Lowest | None:
    """Return where a score that dips is lowest; None where no dip is shown.

    Parameters
    ----------
    fit : Fit
        Of the series, by growing curves or by curves that fall again.
    dictionary : Dictionary
        Of its schedule.
    """
    t, whiten = fit.trajectory, fit.whiten
    columns = dictionary.everywhere.columns[:, : dictionary.n_simple]
    found = _best_dip(t, whiten, columns)
    if found is None or found.gain < SUSPECTED:
        return None
    noise = None
    for _ in range(ROUNDS):
        noise = restricted_likelihood(t, found.curve, np.zeros((t.n, 0)), noise.likely if noise else None)
        whiten = noise.whitener(found.curve)
        found = _best_dip(t, whiten, columns) or found
    dip = found.curve
    lowest = int(dip.argmin())
    # most series end here: the other two curves cost as much again
    if _gain(t, dip, [fit.curve]) <= EVIDENCE:
        return None
    alone = (fit.curve, _nearest(t, whiten, columns), _nearest(t, whiten, -columns))
    if _gain(t, dip, alone) <= EVIDENCE:
        return None
    others = np.delete(np.arange(t.n), lowest)
    if _gain(t.subset(others), dip[others], [curve[others] for curve in alone]) <= OF_OTHERS:
        return None
    return Lowest(max(lowest, found.latest), float(dip[0] - dip.min()))


def _gain(t: Trajectory, dip: Array, alone: Sequence[Array]) -> float:
    """Return what a dip gains in twice the log-likelihood over the best of other curves, each with its own noise."""
    return profile_likelihood(t, dip) - max(profile_likelihood(t, curve) for curve in alone)


def fall_alone(fit: Fit, dictionary: Dictionary, evidence: float) -> float:
    """Return by how much a score falls that was fitted by growth and shows none; 0 where no fall is shown either.

    Curves that fall again follow a hump; a plain fall is followed by a growing curve turned over.

    Parameters
    ----------
    fit : Fit
        Of the series, by growing curves.
    dictionary : Dictionary
        Of its schedule.
    evidence : float
        Twice the log-likelihood that the fall must gain.
    """
    t = fit.trajectory
    falling = -dictionary.everywhere.columns[:, : dictionary.n_simple]
    curve = _nearest(t, fit.whiten, falling)
    for _ in range(ROUNDS):
        noise = restricted_likelihood(t, curve, np.zeros((t.n, 0)))
        curve = _nearest(t, noise.whitener(curve), falling)
    shown = profile_likelihood(t, curve) - profile_likelihood(t, fit.curve) > evidence
    return float(curve[0] - curve.min()) if shown else 0.0


class _Dip(NamedTuple):
    """A fitted dip (n,), what it gains in the residual sum of squares over growth alone, and its last plausible low."""

    curve: Array
    gain: float
    latest: int


def _best_dip(t: Trajectory, whiten: Whitener, columns: Array) -> _Dip | None:
    """Return the dip nearest to a series; None where a fall before the growth gains nothing."""
    middle = (columns >= 0.5).argmax(0)
    first = np.flatnonzero((middle > 0) & (middle < t.n - 3))
    first = first[np.unique(np.linspace(0, len(first) - 1, FALLS).round().astype(int))] if len(first) else first
    z, g = whiten(t.y), whiten(columns)
    gz, gg = g.T @ z, np.einsum("nm,nm->m", g, g)
    a, c, m = gg[first][:, None], gg, g[:, first].T @ g
    determinant = a * c - m**2
    usable = (determinant > 1e-6 * a * c) & (middle[first][:, None] < middle)
    safe = np.where(usable, determinant, 1.0)
    b = (gz * a - gz[first][:, None] * m) / safe
    d = (gz * m - gz[first][:, None] * c) / safe
    gained = np.where(usable & (b > 0) & (d > 0), b * gz - d * gz[first][:, None], 0.0)
    if not gained.size or gained.max() <= 0:
        return None

    def shapes(at: NDArray[np.intp]) -> Array:
        i, j = np.unravel_index(at, gained.shape)
        return np.asarray(b[i, j] * columns[:, j] - d[i, j] * columns[:, first[i]])

    plausible = np.flatnonzero(gained > gained.max() - PLAUSIBLE)
    plausible = plausible[np.argsort(-gained.flat[plausible], kind="stable")][:COMPARED]
    best = shapes(plausible[:1])[:, 0]
    alone = float((np.maximum(gz, 0) ** 2 / np.maximum(gg, 1e-9)).max())
    return _Dip(
        best + float(whiten.level(t.y - best)), float(gained.max()) - alone, int(shapes(plausible).argmin(0).max())
    )


def _nearest(t: Trajectory, whiten: Whitener, columns: Array) -> Array:
    """Return the curve of these columns (n, m) that is nearest to a series, (n,)."""
    z = whiten(t.y)
    gz, gg = whiten.project(np.ascontiguousarray(columns), z)
    best = int(residuals(gz, gg, float(z @ z), np.zeros(len(gz)))[0].argmin())
    return whiten.place(t.y, columns[:, best])
