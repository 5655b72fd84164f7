r"""Compiled recursions for the noise: whitening, restricted likelihood on a grid, simulation.

The noise of a series is :math:`e_t = a_t u_t + \varepsilon_t`, :math:`\varepsilon_t \sim N(0, w_t)`, with u a
stationary AR(1) of variance :math:`\sigma^2` and correlation :math:`\phi_t` between checkpoints t - 1 and t. Its
innovations (the Kalman filter of one state) are :math:`L^{-1}e` for the Cholesky factor of the covariance, in n steps
rather than :math:`n^2`. Source: Durbin and Koopman, Time Series Analysis by State Space Methods (2012), chapter 4.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
AT_ONCE = 8
"""Innovation variances multiplied before a logarithm is taken: a logarithm costs as much as a dozen products."""
STEPS = 4
"""Checkpoints whose products are added at once: the sums are the longest arrays, and moving them costs most.
The sum in :func:`products` is written out for this number."""


@njit(cache=True, nogil=True)
def gains(white: Array, amplitude: Array, phi: Array, variance: float) -> tuple[Array, Array]:
    """Return 1/sqrt(innovation variance) and the Kalman gain of every checkpoint.

    Parameters
    ----------
    white : array, shape (n,)
        Variances w_t of the white part.
    amplitude : array, shape (n,)
        Amplitudes a_t of the AR(1) part.
    phi : array, shape (n,)
        Correlation of each checkpoint with the one before; the first is not used.
    variance : float
        sigma^2, the stationary variance of the AR(1) part.

    Returns
    -------
    tuple of array, shape (n,)
        Inverse standard deviations and gains.
    """
    n = len(white)
    inverse, gain = np.empty(n), np.empty(n)
    p = variance
    for t in range(n):
        if t > 0:
            p = phi[t] * phi[t] * p + (1 - phi[t] * phi[t]) * variance
        s = white[t] + amplitude[t] * amplitude[t] * p
        inverse[t] = 1 / math.sqrt(s)
        gain[t] = amplitude[t] * p / s
        p -= gain[t] * amplitude[t] * p
    return inverse, gain


@njit(cache=True, nogil=True)
def innovations(columns: Array, amplitude: Array, phi: Array, inverse: Array, gain: Array) -> Array:
    """Whiten columns by the Kalman filter.

    Parameters
    ----------
    columns : array, shape (n, m)
        Series, one a column.
    amplitude : array, shape (n,)
        Amplitudes a_t of the AR(1) part.
    phi : array, shape (n,)
        Correlation of each checkpoint with the one before.
    inverse : array, shape (n,)
        1/sqrt(innovation variance), from :func:`gains`.
    gain : array, shape (n,)
        Kalman gains.

    Returns
    -------
    array, shape (n, m)
        Innovations of variance 1.
    """
    n, m = columns.shape
    out = np.empty((n, m))
    state = np.zeros(m)
    for t in range(n):
        for j in range(m):
            before = phi[t] * state[j]
            v = columns[t, j] - amplitude[t] * before
            state[j] = before + gain[t] * v
            out[t, j] = inverse[t] * v
    return out


@njit(cache=True, nogil=True)
def projections(
    columns: Array, amplitude: Array, phi: Array, inverse: Array, gain: Array, one: Array, z: Array
) -> tuple[Array, Array]:
    """Return g'z and g'g of whitened columns g without the constant; the whitened columns are not stored.

    Parameters
    ----------
    columns : array, shape (n, m)
        Series, one a column, not whitened.
    amplitude : array, shape (n,)
        Amplitudes a_t of the AR(1) part.
    phi : array, shape (n,)
        Correlation of each checkpoint with the one before.
    inverse : array, shape (n,)
        1/sqrt(innovation variance), from :func:`gains`.
    gain : array, shape (n,)
        Kalman gains.
    one : array, shape (n,)
        The whitened constant, of length 1.
    z : array, shape (n,)
        A whitened series, orthogonal to ``one``.

    Returns
    -------
    tuple of array, shape (m,)
        Products g'z and g'g.
    """
    n, m = columns.shape
    state, gz, gg, go = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m)
    for t in range(n):
        for j in range(m):
            before = phi[t] * state[j]
            v = columns[t, j] - amplitude[t] * before
            state[j] = before + gain[t] * v
            w = inverse[t] * v
            gz[j] += w * z[t]
            gg[j] += w * w
            go[j] += w * one[t]
    return gz, gg - go * go


@njit(cache=True, nogil=True, error_model="numpy")
def products(
    columns: Array, white: Array, amplitude: Array, gap: Array, rho: Array, variances: Array
) -> tuple[Array, Array]:
    """Return log det V and columns' V^-1 columns at every point of the grid of rho and sigma^2.

    Parameters
    ----------
    columns : array, shape (n, p)
        Series, one a column.
    white : array, shape (n,)
        Variances w_t of the white part.
    amplitude : array, shape (n,)
        Amplitudes a_t of the AR(1) part.
    gap : array, shape (n - 1,)
        Distances between neighbouring checkpoints.
    rho : array, shape (r,)
        Correlations at distance 1.
    variances : array, shape (s,)
        Stationary variances sigma^2 of the AR(1) part.

    Returns
    -------
    tuple of array, shapes (r, s) and (r, s, p, p)
        Log-determinants and products.
    """
    n, p = columns.shape
    r, s = len(rho), len(variances)
    m = r * s  # the grid as one long axis, which the compiler turns into vector instructions
    variance = np.empty(m)
    for k in range(m):
        variance[k] = variances[k % s]
    spread, size, f = variance.copy(), np.ones(m), np.ones(m)
    gain, inverse, determinant = np.empty(m), np.empty(m), np.zeros(m)
    state, total = np.zeros((p, m)), np.zeros((p, p, m))
    v, w = np.empty((STEPS, p, m)), np.empty((STEPS, p, m))
    for t in range(n):
        if t > 0:
            if t == 1 or gap[t - 1] != gap[t - 2]:
                for k in range(m):
                    f[k] = rho[k // s] ** gap[t - 1] if rho[k // s] > 0 else 0.0
            for k in range(m):
                spread[k] = variance[k] + f[k] * f[k] * (spread[k] - variance[k])
        a = amplitude[t]
        for k in range(m):
            innovation = white[t] + a * a * spread[k]
            inverse[k] = 1 / innovation
            gain[k] = a * spread[k] * inverse[k]
            spread[k] *= 1 - gain[k] * a
            size[k] *= innovation
        if t % AT_ONCE == AT_ONCE - 1 or t == n - 1:
            for k in range(m):
                determinant[k] += math.log(size[k])
                size[k] = 1.0
        step = t % STEPS
        for j in range(p):
            c = columns[t, j]
            for k in range(m):
                before = f[k] * state[j, k]
                u = c - a * before
                v[step, j, k] = u
                w[step, j, k] = u * inverse[k]
                state[j, k] = before + gain[k] * u
        if step == STEPS - 1:
            for j in range(p):
                for h in range(j + 1):
                    for k in range(m):
                        so_far = total[j, h, k] + w[0, j, k] * v[0, h, k]
                        so_far = so_far + w[1, j, k] * v[1, h, k]
                        so_far = so_far + w[2, j, k] * v[2, h, k]
                        total[j, h, k] = so_far + w[3, j, k] * v[3, h, k]
    for step in range(n % STEPS):
        for j in range(p):
            for h in range(j + 1):
                for k in range(m):
                    total[j, h, k] += w[step, j, k] * v[step, h, k]
    out = np.empty((m, p, p))
    for j in range(p):
        for h in range(j + 1):
            for k in range(m):
                out[k, j, h] = total[j, h, k]
                out[k, h, j] = total[j, h, k]
    return determinant.reshape(r, s), out.reshape(r, s, p, p)


@njit(cache=True, nogil=True)
def shifts(shocks: Array, phi: Array, deviation: Array) -> Array:
    """Return AR(1) paths (n, B) of standard deviation ``deviation`` (B,) from standard normal shocks; phi is (n, B)."""
    n, m = shocks.shape
    out = np.empty((n, m))
    state = np.zeros(m)
    for t in range(n):
        for b in range(m):
            f = phi[t, b] if t > 0 else 0.0
            state[b] = f * state[b] + math.sqrt(1 - f * f) * shocks[t, b]
            out[t, b] = state[b] * deviation[b]
    return out


@njit(cache=True, nogil=True)
def proportions(
    mean: Array, trials: Array, shift: Array, variance: Array, floor: Array, over: Array, g: Array
) -> Array:
    """Return simulated proportions (n, B) of expectation ``mean`` (n,); ``g`` (n, B) are standard normal.

    The mean, held ``floor`` (B,) from 0 and 1, moves on the logit scale by ``shift`` (n, B) of ``variance`` (n, B),
    recentred to second order; counts are binomial out of trials/``over`` (B,): by inversion, or normal where their
    variance exceeds 20.
    """
    n, m = shift.shape
    out = np.empty((n, m))
    for t in range(n):
        for b in range(m):
            c = min(max(mean[t], floor[b]), 1 - floor[b])
            recentre = 0.5 * variance[t, b] * (1 - 2 * c) / (1 + 0.35 * variance[t, b])
            odds = c / (1 - c) * math.exp(shift[t, b] - recentre)
            p = min(max(mean[t] + odds / (1 + odds) - c, 0.0), 1.0)
            k = max(1.0, np.round(trials[t] / over[b]))
            out[t, b] = _binomial(k, p, g[t, b]) / k
    return out


@njit(cache=True, nogil=True)
def _binomial(n: float, p: float, g: float) -> float:
    """Return the binomial count at the normal score ``g``."""
    if p <= 0 or p >= 1:
        return n * p
    if n * p * (1 - p) > 20:
        skew = (1 - 2 * p) * (g * g - 1) / 6
        return min(max(np.round(n * p + math.sqrt(n * p * (1 - p)) * g + skew), 0.0), n)
    q = min(p, 1 - p)
    u = 0.5 * math.erfc(-g / math.sqrt(2.0))
    if p > 0.5:
        u = 1 - u
    mass = math.exp(n * math.log1p(-q))
    k, total = 0.0, mass
    while u > total and k < n:
        mass *= (n - k) / (k + 1) * q / (1 - q)
        k += 1
        total += mass
    return n - k if p > 0.5 else k
