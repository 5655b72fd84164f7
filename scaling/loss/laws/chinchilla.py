"""The Chinchilla law L = E + A N^-alpha + B D^-beta (Hoffmann et al. 2022, approach 3)."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.sums import log_sum
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]


class ChinchillaLaw(LossLaw):
    """L = E + A N^-alpha + B D^-beta; coordinates (ln E, ln A, ln B, alpha, beta)."""

    name = "chinchilla"
    formula = "L = E + A N^-alpha + B D^-beta"
    parameters: tuple[str, ...] = ("E", "A", "B", "alpha", "beta")
    coordinates: tuple[str, ...] = ("e", "a", "b", "alpha", "beta")
    columns: tuple[str, ...] = ()

    def prepare(self, points: Points) -> tuple[Array, ...]:
        """Return (ln N, ln D)."""
        return np.log(points.n), np.log(points.d)

    def evaluate(self, theta: Array, prepared: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return ln L and its derivatives."""
        log_n, log_d = prepared
        e, a, b, alpha, beta = (theta[:, i, None] for i in range(5))
        value, (s, by_n, by_d) = log_sum((e, a - alpha * log_n, b - beta * log_d))
        return value, np.stack([s, by_n, by_d, -by_n * log_n, -by_d * log_d], axis=1)

    def public(self, theta: Array) -> Array:
        """Return (E, A, B, alpha, beta)."""
        return np.concatenate([np.exp(theta[:, :3]), theta[:, 3:]], axis=1)

    def starts(self, prepared: tuple[Array, ...], log_loss: Array) -> Array:
        """Return the 4,500 starts of Hoffmann et al.: a grid of 5 x 6 x 6 x 5 x 5."""
        e, heights, exponents = np.arange(-1, 1.1, 0.5), np.arange(0, 26, 5.0), np.arange(0, 2.1, 0.5)
        return np.array(list(product(e, heights, heights, exponents, exponents)))
