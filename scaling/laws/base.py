"""The protocol of laws of takeoff time in model size."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Law(Protocol):
    """A law of ln T in the number of non-embedding parameters N.

    Every law is fitted in coordinates ``theta`` whose first is ln A, the log time at the reference size (the
    largest one located), so that data and forecast both lie close to a coordinate.

    Attributes
    ----------
    name, formula : str
        Its name and formula.
    parameters : tuple of str
        Names in the formula.
    coordinates : tuple of str
        Names of the fitted coordinates.
    sizes : int
        Distinct sizes needed before it is fitted.
    bounds : tuple of (low, high)
        Of the coordinates.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    coordinates: tuple[str, ...]
    sizes: int
    bounds: tuple[tuple[float, float], ...]

    def log_time(self, theta: Array, u: Array) -> Array:
        """Return ln T; ``theta`` (..., p), ``u`` = ln(N / N_reference) (m,); result (..., m)."""

    def gradient(self, theta: Array, u: Array) -> Array:
        """Return d ln T / d theta; ``theta`` (p,), ``u`` (m,); result (m, p)."""

    def public(self, theta: Array, reference: float) -> Array:
        """Return the formula's parameters (..., p); ``theta`` (..., p), ``reference`` = N_reference."""

    def starts(self, level: float) -> Array:
        """Return starting values (k, p) for data whose mean ln T is ``level``."""

    def free(self, theta: Array) -> Array:
        """Map coordinates ``theta`` (..., p) to the whole real space, in which the sampler moves."""

    def bound(self, z: Array) -> Array:
        """Invert :meth:`free`; ``z`` (..., p), result (..., p)."""

    def log_prior(self, z: Array) -> Array:
        """Return the log prior density at ``z`` (..., p) in the sampler's space, without ln A (flat)."""
