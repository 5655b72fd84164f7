"""Whitening a series and its candidate curves by the covariance of the noise, with the constant projected out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.noise import kalman
from calque.phases.series.axis import Array


@dataclass(frozen=True, eq=False)
class Whitener:
    """Whitening at one covariance.

    Attributes
    ----------
    amplitude, phi, inverse, gain : array, shape (n,)
        Of the filter (see :mod:`calque.phases.noise.kalman`).
    one : array, shape (n,)
        The whitened constant, of length 1.
    length : float
        Length of the whitened constant before that.
    """

    amplitude: Array
    phi: Array
    inverse: Array
    gain: Array
    one: Array
    length: float

    @classmethod
    def of(cls, white: Array, amplitude: Array, rho: float, gap: Array, variance: float) -> Whitener:
        """Prepare the filter of white noise plus an AR(1) shift.

        Parameters
        ----------
        white : array, shape (n,)
            Variances of the white part.
        amplitude : array, shape (n,)
            Amplitudes of the shift.
        rho : float
            Correlation of the shift at distance 1.
        gap : array, shape (n - 1,)
            Distances between neighbouring checkpoints.
        variance : float
            Variance of the shift.

        Returns
        -------
        Whitener
            The whitening.
        """
        phi = np.concatenate([[1.0], rho**gap if rho > 0 else np.zeros(len(gap))])
        inverse, gain = kalman.gains(white, amplitude, phi, variance)
        one = kalman.innovations(np.ones((len(white), 1)), amplitude, phi, inverse, gain)[:, 0]
        length = float(np.linalg.norm(one))
        return cls(amplitude, phi, inverse, gain, one / length, length)

    @property
    def determinant(self) -> float:
        """Logarithm of the determinant of the covariance, of series without their constant."""
        return float(-2 * np.log(self.inverse).sum() + 2 * np.log(self.length))

    def until(self, n: int) -> Whitener:
        """Return the whitening of the first ``n`` checkpoints: a filter never looks ahead."""
        one = self.one[:n] * self.length
        length = float(np.linalg.norm(one))
        return Whitener(
            self.amplitude[:n], self.phi[:n], self.inverse[:n], self.gain[:n], one / length, length,
        )  # fmt: skip

    def raw(self, columns: Array) -> Array:
        """Whiten columns (n, m), or one series (n,)."""
        two = columns[:, None] if columns.ndim == 1 else columns
        out = kalman.innovations(np.ascontiguousarray(two), self.amplitude, self.phi, self.inverse, self.gain)
        return out[:, 0] if columns.ndim == 1 else out

    def __call__(self, columns: Array) -> Array:
        """Whiten columns (n, m), or one series (n,), and project out the constant."""
        z = self.raw(columns)
        return np.asarray(z - np.outer(self.one, self.one @ z) if z.ndim == 2 else z - self.one * (self.one @ z))

    def project(self, columns: Array, z: Array) -> tuple[Array, Array]:
        """Return g'z and g'g for the whitened columns g of ``columns`` (n, m); ``z`` (n,) is whitened already."""
        return kalman.projections(columns, self.amplitude, self.phi, self.inverse, self.gain, self.one, z)

    def level(self, y: Array) -> Array:
        """Return the constant that fits best, by generalised least squares.

        Parameters
        ----------
        y : array, shape (n,) or (n, B)
            One series, or several.

        Returns
        -------
        array, shape () or (B,)
            The constant of each.
        """
        return np.asarray(self.one @ self.raw(y) / self.length)

    def place(self, y: Array, g: Array) -> Array:
        """Return the curve a + b g (n,) that fits ``y`` best, b >= 0."""
        z, h = self(y), self(g)
        b = max(0.0, float(h @ z)) / max(float(h @ h), 1e-300)
        return np.asarray(float(self.level(y - b * g)) + b * g)
