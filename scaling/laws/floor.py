"""The floor law T = T0 + c N^-gamma: no size gets below T0 tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

from calque.scaling.laws.base import Law

Array = NDArray[np.float64]
LARGE = 300.0


class FloorLaw(Law):
    """T = T0 + c N^-gamma; coordinates (ln A, gamma, phi), A = T(N_reference), phi = T0 / A.

    ``T = A (phi + (1 - phi) (N / N_reference)^-gamma)``: at phi = 0 it is the power law, at phi = 1 size does
    not matter any more.
    """

    name = "floor"
    formula = "T = T0 + c N^-gamma"
    parameters: tuple[str, ...] = ("T0", "c", "gamma")
    coordinates: tuple[str, ...] = ("log_a", "gamma", "phi")
    sizes = 4
    bounds: tuple[tuple[float, float], ...] = ((-50.0, 200.0), (1e-3, 5.0), (0.0, 0.999))

    def log_time(self, theta: Array, u: Array) -> Array:
        """Return ln T."""
        log_a, gamma, phi = (theta[..., i, None] for i in range(3))
        result: Array = log_a + np.log(phi + (1 - phi) * np.exp(np.minimum(-gamma * u, LARGE)))
        return result

    def gradient(self, theta: Array, u: Array) -> Array:
        """Return d ln T / d theta."""
        _, gamma, phi = theta
        falling = np.exp(np.minimum(-gamma * u, LARGE))
        total = phi + (1 - phi) * falling
        return np.stack([np.ones_like(u), -(1 - phi) * u * falling / total, (1 - falling) / total], axis=-1)

    def public(self, theta: Array, reference: float) -> Array:
        """Return (T0, c, gamma)."""
        log_a, gamma, phi = theta[..., 0], theta[..., 1], theta[..., 2]
        c = (1 - phi) * np.exp(log_a + gamma * np.log(reference))
        return np.stack([phi * np.exp(log_a), c, gamma], axis=-1)

    def starts(self, level: float) -> Array:
        """Return starting values."""
        return np.array([[level, gamma, phi] for gamma in (0.1, 0.3, 0.7, 1.5, 3.0) for phi in (0.0, 0.3, 0.6, 0.9)])

    def free(self, theta: Array) -> Array:
        """Return (ln A, ln gamma, logit phi)."""
        phi = np.clip(theta[..., 2], 1e-3, 1 - 1e-3)
        return np.stack([theta[..., 0], np.log(theta[..., 1]), logit(phi)], axis=-1)

    def bound(self, z: Array) -> Array:
        """Invert :meth:`free`."""
        return np.stack([z[..., 0], np.exp(np.minimum(z[..., 1], 50.0)), expit(z[..., 2])], axis=-1)

    def log_prior(self, z: Array) -> Array:
        """Flat in ln A and phi; gamma half-normal with scale 1 (at most 5)."""
        log_gamma = z[..., 1]
        gamma = np.exp(np.minimum(log_gamma, 50.0))
        density = log_gamma - gamma**2 / 2 + log_expit(z[..., 2]) + log_expit(-z[..., 2])
        return np.where(gamma <= 5.0, density, -np.inf)
