"""The likelihood of the noise of a series on a grid: maximised to compare curves, or restricted, as a posterior."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from calque.phases.noise import kalman
from calque.phases.noise.elimination import eliminated
from calque.phases.noise.noise import Noise
from calque.phases.noise.span import span
from calque.phases.noise.variants import (
    BASES,
    PRIOR,
    RHO,
    VARIANTS,
    amplitudes,
    least_variance,
    shift_variances,
    variants,
)
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

SLIGHT = 0.01
"""Share of the likeliest variant's posterior below which a variant is not pursued."""


def searched(of: Callable[[int], float], bases: Sequence[int], slight: float = SLIGHT) -> None:
    """Evaluate the variants of the noise that may matter, by trend.

    All without a trend come first, then the likeliest of them with every trend. A trend that may matter is tried with
    the others that do; one that is far likelier than none, with all.

    Parameters
    ----------
    of : callable
        Evaluates a variant, and returns the logarithm of its posterior up to a constant.
    bases : sequence of int
        Variants without a trend.
    slight : float
        See ``SLIGHT``.
    """
    least = float(np.log(slight))
    plain = {k: of(k) for k in bases}
    best = max(plain, key=lambda k: plain[k])
    trended = {trend: of(trend * BASES + best) for trend in range(1, len(VARIANTS) // BASES)}
    top = max(plain[best], *trended.values())
    for trend, value in trended.items():
        if value < top + least:
            continue
        others = bases if plain[best] < top + least else [k for k in bases if plain[k] > plain[best] + least]
        for k in others:
            if k != best:
                of(trend * BASES + k)


def profile_likelihood(t: Trajectory, mu: Array) -> float:
    """Return twice the log-likelihood of a curve, maximised over the noise, to compare curves that differ in noise.

    Trends of the noise count with their prior.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.

    Returns
    -------
    float
        Twice the log-likelihood, up to a constant.
    """
    e = (t.y - mu)[:, None]
    found = []

    def of(k: int) -> float:
        white, shift = amplitudes(t, mu, VARIANTS[k])
        gap = np.diff(t.distances[VARIANTS[k].distance])
        determinant, product = kalman.products(e, white, shift, gap, RHO, shift_variances(t))
        rss = np.maximum(product[:, :, 0, 0], 1e-300 if t.counts else t.n * least_variance(t))
        best = float((-determinant - (rss if t.counts else t.n * np.log(rss / t.n))).max())
        found.append(best + 2 * float(np.log(PRIOR[k] / PRIOR[0])))
        return 0.5 * found[-1]

    searched(of, variants(t), slight=1.0)
    return max(found)


def restricted_likelihood(t: Trajectory, mu: Array, tangents: Array, among: list[int] | None = None) -> Noise:
    """Return the posterior of the noise of a series around a curve.

    The fixed effects are a constant, the curve and the tangents: REML accounts for the noise that the curve has
    absorbed (Patterson and Thompson 1971).

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    mu : array, shape (n,)
        Values of the curve.
    tangents : array, shape (n, q)
        Directions in which the curve could still move.
    among : list of int, optional
        Variants of the noise to try; all that may matter when None.

    Returns
    -------
    Noise
        The posterior on the grid.
    """
    variances = shift_variances(t)
    fixed = span(np.column_stack([np.ones(t.n), mu, tangents]))
    q = fixed.shape[1]
    data = np.column_stack([fixed, t.y - mu])
    log_posterior = np.full((len(VARIANTS), len(RHO), len(variances)), -np.inf)
    scale = np.ones_like(log_posterior)
    freedom = max(t.n - q, 1)
    # flat in sigma: a prior flat in its square would attribute short rises to noise
    prior = np.gradient(np.sqrt(variances)) if t.counts else np.gradient(np.log(variances + 0.05))
    log_prior = np.log(prior * np.gradient(RHO)[:, None])

    def of(k: int) -> float:
        white, shift = amplitudes(t, mu, VARIANTS[k])
        gap = np.diff(t.distances[VARIANTS[k].distance])
        determinant, m = kalman.products(data, white, shift, gap, RHO, variances)
        rss, of_fixed = eliminated(m)
        determinant = determinant + of_fixed
        if t.counts:
            loglik = -0.5 * (determinant + rss)
        else:
            least = freedom * least_variance(t)
            known = np.maximum(rss, least)
            scale[k] = known / freedom
            # with the scale held at its least value, the residuals themselves count; above it this last term is 0
            held = freedom * (np.minimum(rss / least, 1.0) - 1.0)
            loglik = -0.5 * (determinant + freedom * np.log(known) + held)
        log_posterior[k] = loglik + log_prior + np.log(PRIOR[k])
        top = float(log_posterior[k].max())
        return top + float(np.log(np.exp(log_posterior[k] - top).sum()))

    if among is None:
        searched(of, variants(t))
    else:
        for k in among:
            of(k)
    weight = np.exp(log_posterior - log_posterior.max())
    return Noise(t, variances, weight / weight.sum(), scale, freedom)
