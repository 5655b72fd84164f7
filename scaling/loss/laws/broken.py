"""The broken power law: a power law in D whose exponent changes smoothly k times (Caballero et al. 2023)."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.sums import log_sum
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]
SHARPEST, SMOOTHEST = 0.02, 5.0


class BrokenLaw(LossLaw):
    """L = E + B D^-c0 product over i of (1 + (D / d_i)^(1 / f_i))^(-c_i f_i).

    Exponent c0 before the first break, c0 + c1 after it, and so on; f_i is the break's width in ln D. Coordinates
    (ln E, ln B, c0, then for every break c, ln d, ln f).

    Parameters
    ----------
    breaks : int
        How many.
    """

    def __init__(self, breaks: int) -> None:
        self.breaks = breaks
        self.name = "broken" if breaks == 1 else f"broken:{breaks}"
        self.formula = "L = E + B D^-c0 prod_i (1 + (D / d_i)^(1 / f_i))^(-c_i f_i)"
        each = range(1, breaks + 1)
        self.parameters: tuple[str, ...] = ("E", "B", "c0", *(f"{p}{i}" for i in each for p in "cdf"))
        self.coordinates: tuple[str, ...] = (
            "e", "b", "c0", *(f"{p}{i}" for i in each for p in ("c", "log_d", "log_f")),
        )  # fmt: skip
        self.columns: tuple[str, ...] = ()

    def prepare(self, points: Points) -> tuple[Array, ...]:
        """Return (ln D,)."""
        return (np.log(points.d),)

    def evaluate(self, theta: Array, prepared: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return ln L and its derivatives."""
        (x,) = prepared
        e, b, c0 = (theta[:, i, None] for i in range(3))
        line, slopes = b - c0 * x, [np.ones((len(theta), x.size)), -np.broadcast_to(x, (len(theta), x.size))]
        for i in range(self.breaks):
            c, log_d, log_f = (theta[:, 3 + 3 * i + j, None] for j in range(3))
            f = np.exp(np.clip(log_f, np.log(SHARPEST), np.log(SMOOTHEST)))
            inside = (log_f > np.log(SHARPEST)) & (log_f < np.log(SMOOTHEST))
            z = (x - log_d) / f
            bend, after = np.logaddexp(0.0, z), expit(z)
            line = line - c * f * bend
            slopes += [-f * bend, c * after, np.where(inside, -c * f * (bend - z * after), 0.0)]
        value, (s, falling) = log_sum((np.broadcast_to(e, line.shape), line))
        return value, np.stack([s, *(falling * slope for slope in slopes)], axis=1)

    def public(self, theta: Array) -> Array:
        """Return (E, B, c0, c1, d1, f1, ...)."""
        result = theta.copy()
        result[:, :2] = np.exp(theta[:, :2])
        result[:, 4::3] = np.exp(theta[:, 4::3])
        result[:, 5::3] = np.exp(np.clip(theta[:, 5::3], np.log(SHARPEST), np.log(SMOOTHEST)))
        return result

    def starts(self, prepared: tuple[Array, ...], log_loss: Array) -> Array:
        """Return breaks at every choice of 9 places along ln D, with several floors, slopes and widths."""
        (x,) = prepared
        places = np.quantile(x, np.linspace(0.1, 0.9, 9))
        low, high = float(np.min(log_loss)), float(np.max(log_loss))
        rows = []
        for at in combinations(places, self.breaks):
            for share, c0, width in product((0.02, 0.5, 0.9), (0.0, 0.05, 0.2), (0.1, 0.5)):
                e = low + np.log(share)
                b = np.log(max(np.exp(high) - np.exp(e), 1e-9)) + c0 * x.min()
                for change in product((-0.1, 0.1, 0.4), repeat=self.breaks):
                    rows.append(
                        [e, b, c0, *(v for c, d in zip(change, at, strict=True) for v in (c, d, np.log(width)))]
                    )
        return np.array(rows)
