"""The pure power law T = c N^-gamma: ln T = ln A - gamma ln(N / N_reference)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.scaling.laws.base import Law

Array = NDArray[np.float64]


class PowerLaw(Law):
    """T = c N^-gamma; coordinates (ln A, gamma), A = T(N_reference).

    gamma may come out negative (larger models later): nothing in the data forbids it.
    """

    name = "power"
    formula = "T = c N^-gamma"
    parameters: tuple[str, ...] = ("c", "gamma")
    coordinates: tuple[str, ...] = ("log_a", "gamma")
    sizes = 3
    bounds: tuple[tuple[float, float], ...] = ((-50.0, 200.0), (-5.0, 5.0))

    def log_time(self, theta: Array, u: Array) -> Array:
        """Return ln T."""
        result: Array = theta[..., 0, None] - theta[..., 1, None] * u
        return result

    def gradient(self, theta: Array, u: Array) -> Array:
        """Return d ln T / d theta."""
        return np.stack([np.ones_like(u), -u], axis=-1)

    def public(self, theta: Array, reference: float) -> Array:
        """Return (c, gamma)."""
        log_a, gamma = theta[..., 0], theta[..., 1]
        return np.stack([np.exp(log_a + gamma * np.log(reference)), gamma], axis=-1)

    def starts(self, level: float) -> Array:
        """Return starting values."""
        return np.array([[level, gamma] for gamma in (0.0, 0.2, 0.5, 1.0)])

    def free(self, theta: Array) -> Array:
        """Return the sampler's coordinates: the same."""
        return theta

    def bound(self, z: Array) -> Array:
        """Invert :meth:`free`."""
        return z

    def log_prior(self, z: Array) -> Array:
        """Flat in ln A and gamma, |gamma| at most 5."""
        return np.where(np.abs(z[..., 1]) <= 5.0, 0.0, -np.inf)
