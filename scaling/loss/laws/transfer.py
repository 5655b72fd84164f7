"""Transfer between languages: L = E + A N^-alpha + B (D + k D_other)^-beta, k tokens' worth of one of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.chinchilla import ChinchillaLaw
from calque.scaling.loss.laws.sums import log_sum
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]


class TransferLaw(LossLaw):
    """L = E + A N^-alpha + B (D + k D_other)^-beta for the language whose own tokens are D.

    k is the exchange rate: one token of the other languages is worth k of the own (Hernandez et al. 2021 call
    k D_other the effective data transferred; there it depends on N and D too, here it is one number).
    """

    name = "transfer"
    formula = "L = E + A N^-alpha + B (D + k D_other)^-beta"
    parameters: tuple[str, ...] = ("E", "A", "B", "alpha", "beta", "k")
    coordinates: tuple[str, ...] = ("e", "a", "b", "alpha", "beta", "log_k")
    columns: tuple[str, ...] = ("other",)
    inner = ChinchillaLaw()

    def prepare(self, points: Points) -> tuple[Array, ...]:
        """Return (ln N, D, D_other), tokens in units of their geometric mean."""
        assert points.other is not None
        return np.log(points.n), points.d, points.other

    def evaluate(self, theta: Array, prepared: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return ln L and its derivatives."""
        log_n, own, other = prepared
        e, a, b, alpha, beta, log_k = (theta[:, i, None] for i in range(6))
        worth = np.exp(np.clip(log_k, -30.0, 10.0)) * other
        log_d = np.log(own + worth)
        value, (s, by_n, by_d) = log_sum((e, a - alpha * log_n, b - beta * log_d))
        slopes = [s, by_n, by_d, -by_n * log_n, -by_d * log_d, -by_d * beta * worth / (own + worth)]
        return value, np.stack(np.broadcast_arrays(*slopes), axis=1)

    def public(self, theta: Array) -> Array:
        """Return (E, A, B, alpha, beta, k)."""
        return np.concatenate([self.inner.public(theta[:, :5]), np.exp(theta[:, 5:])], axis=1)

    def starts(self, prepared: tuple[Array, ...], log_loss: Array) -> Array:
        """Return the Chinchilla law's starts at k = .01, .1, .5."""
        base = self.inner.starts(prepared, log_loss)
        return np.concatenate([np.column_stack([base, np.full(len(base), np.log(k))]) for k in (0.01, 0.1, 0.5)])
