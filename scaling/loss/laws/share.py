"""The multilingual share law L_i = (E + A N^-alpha + B D^-beta) p_i^-gamma (He et al. 2024, arXiv 2410.12883)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.chinchilla import ChinchillaLaw
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]


class ShareLaw(LossLaw):
    """L = (E + A N^-alpha + B D^-beta) p^-gamma of one language (family), p its share, D the tokens of all.

    gamma says how much of the loss a larger share buys; other languages enter by what they leave.
    """

    name = "share"
    formula = "L = (E + A N^-alpha + B D^-beta) p^-gamma"
    parameters: tuple[str, ...] = ("E", "A", "B", "alpha", "beta", "gamma")
    coordinates: tuple[str, ...] = ("e", "a", "b", "alpha", "beta", "gamma")
    columns: tuple[str, ...] = ("share",)
    inner = ChinchillaLaw()

    def prepare(self, points: Points) -> tuple[Array, ...]:
        """Return (ln N, ln D of all languages, ln p)."""
        assert points.share is not None
        total = points.d if points.other is None else points.d + points.other
        return np.log(points.n), np.log(total), np.log(points.share)

    def evaluate(self, theta: Array, prepared: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return ln L and its derivatives."""
        log_n, log_d, log_p = prepared
        value, slopes = self.inner.evaluate(theta[:, :5], (log_n, log_d))
        by_gamma = np.broadcast_to(-log_p, value.shape)[:, None]
        return value - theta[:, 5, None] * log_p, np.concatenate([slopes, by_gamma], axis=1)

    def public(self, theta: Array) -> Array:
        """Return (E, A, B, alpha, beta, gamma)."""
        return np.concatenate([self.inner.public(theta[:, :5]), theta[:, 5:]], axis=1)

    def starts(self, prepared: tuple[Array, ...], log_loss: Array) -> Array:
        """Return the Chinchilla law's starts at three values of gamma."""
        base = self.inner.starts(prepared, log_loss)
        return np.concatenate([np.column_stack([base, np.full(len(base), g)]) for g in (0.0, 0.1, 0.3)])
