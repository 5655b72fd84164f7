"""The law of repeated data L = E + A N^-alpha + B D'^-beta (Muennighoff et al. 2023), tokens worth less each epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.chinchilla import ChinchillaLaw
from calque.scaling.loss.laws.sums import log_sum
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]


class RepeatedLaw(LossLaw):
    """L = E + A N^-alpha + B D'^-beta with D' = U (1 + R (1 - exp(-r / R))).

    U distinct tokens, r = D / U - 1 repetitions of them, R the repetitions after which a further one is worth
    1/e of a fresh token. Parameters beyond what U can feed (the paper's second correction) count in full.
    """

    name = "repeated"
    formula = "L = E + A N^-alpha + B D'^-beta, D' = U (1 + R (1 - exp(-(D/U - 1) / R)))"
    parameters: tuple[str, ...] = ("E", "A", "B", "alpha", "beta", "R")
    coordinates: tuple[str, ...] = ("e", "a", "b", "alpha", "beta", "log_r")
    columns: tuple[str, ...] = ("unique",)
    inner = ChinchillaLaw()

    def prepare(self, points: Points) -> tuple[Array, ...]:
        """Return (ln N, ln U, repetitions)."""
        assert points.unique is not None
        unique = np.minimum(points.unique, points.d)
        return np.log(points.n), np.log(unique), points.d / unique - 1

    def evaluate(self, theta: Array, prepared: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return ln L and its derivatives."""
        log_n, log_u, repeats = prepared
        e, a, b, alpha, beta, log_r = (theta[:, i, None] for i in range(6))
        most = np.exp(np.clip(log_r, -10.0, 20.0))
        ratio = repeats / most
        gone = np.exp(-ratio)
        worth = -np.expm1(-ratio) * most
        log_d = log_u + np.log1p(worth)
        value, (s, by_n, by_d) = log_sum((e, a - alpha * log_n, b - beta * log_d))
        by_r = -by_d * beta * (worth - ratio * gone * most) / (1 + worth)
        slopes = [s, by_n, by_d, -by_n * log_n, -by_d * log_d, by_r]
        return value, np.stack(np.broadcast_arrays(*slopes), axis=1)

    def public(self, theta: Array) -> Array:
        """Return (E, A, B, alpha, beta, R)."""
        return np.concatenate([self.inner.public(theta[:, :5]), np.exp(theta[:, 5:])], axis=1)

    def starts(self, prepared: tuple[Array, ...], log_loss: Array) -> Array:
        """Return the Chinchilla law's starts at R = 2, 15, 60."""
        base = self.inner.starts(prepared, log_loss)
        return np.concatenate([np.column_stack([base, np.full(len(base), np.log(r))]) for r in (2.0, 15.0, 60.0)])
