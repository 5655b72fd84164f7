"""The protocol of laws of held-out loss."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calque.scaling.loss.points import Points

Array = NDArray[np.float64]
Prepared = tuple[Array, ...]


class LossLaw(Protocol):
    """A law of ln loss.

    Attributes
    ----------
    name, formula : str
        Its name and formula.
    parameters : tuple of str
        Names in the formula.
    coordinates : tuple of str
        What is fitted: unbounded, of magnitude 0 to 10.
    columns : tuple of str
        What it needs of :class:`calque.scaling.loss.points.Points` beside n, d and loss.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    coordinates: tuple[str, ...]
    columns: tuple[str, ...]

    def prepare(self, points: Points) -> Prepared:
        """Return arrays (m,) that :meth:`evaluate` uses, computed once from ``points`` for each fit."""

    def evaluate(self, theta: Array, prepared: Prepared) -> tuple[Array, Array]:
        """Return ln loss (k, m) and its derivatives (k, p, m) at ``theta`` (k, p), from ``prepared`` arrays (m,)."""

    def public(self, theta: Array) -> Array:
        """Return the formula's parameters (k, p) at coordinates ``theta`` (k, p)."""

    def starts(self, prepared: Prepared, log_loss: Array) -> Array:
        """Return thousands of starting values (k, p) for ``prepared`` arrays and ``log_loss``, each (m,)."""
