"""Objectives of a fit of ln loss: squares, Huber's loss, absolute values or the check function of a quantile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest

Array = NDArray[np.float64]
Kind = Literal["gaussian", "huber", "lad", "quantile"]
KINDS: tuple[Kind, ...] = ("gaussian", "huber", "lad", "quantile")
SHARPEST = 1e-7


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A sum over residuals r = ln loss observed - ln loss fitted.

    gaussian r^2/2; huber r^2/2 up to delta, then delta (|r| - delta/2); lad |r|; quantile
    |tau - (r < 0)| |r|. The last two have no curvature: they are minimised as limits of their Huber smoothings,
    ``smooth`` being the width of the corner.
    """

    kind: Kind = "huber"
    delta: float = 1e-3
    tau: float = 0.5
    smooth: float = SHARPEST

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.kind not in KINDS:
            raise UserError(f"`loss` is '{self.kind}'; expected one of {', '.join(KINDS)}{nearest(self.kind, KINDS)}")
        if not self.delta > 0:
            raise UserError(f"`delta` is {self.delta:g}; expected a residual of ln loss above 0, such as 1e-3")
        if not 0 < self.tau < 1:
            raise UserError(f"`tau` is {self.tau:g}; expected a quantile between 0 and 1, such as 0.5")

    def stages(self) -> tuple[Objective, ...]:
        """Return the objectives to minimise in turn, the last one itself."""
        if self.kind in ("gaussian", "huber"):
            return (self,)
        widths = [w for w in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6) if w > self.smooth]
        return (*(replace(self, smooth=w) for w in widths), self)

    def value(self, r: Array) -> Array:
        """Return the contribution of each residual."""
        if self.kind == "gaussian":
            return r**2 / 2
        corner, height = self._corner()
        size = np.abs(r)
        part = height * np.where(size <= corner, size**2 / (2 * corner), size - corner / 2)
        return part * self._side(r)

    def slope(self, r: Array) -> Array:
        """Return d value / d r."""
        if self.kind == "gaussian":
            return r
        corner, height = self._corner()
        return height * np.clip(r / corner, -1.0, 1.0) * self._side(r)

    def curvature(self, r: Array) -> tuple[Array, Array]:
        """Return the second derivative, and that of the parabola through slope and 0 that lies above the value."""
        if self.kind == "gaussian":
            return np.ones_like(r), np.ones_like(r)
        corner, height = self._corner()
        side, size = self._side(r), np.abs(r)
        inside: Array = np.where(size <= corner, side * height / corner, 0.0)
        return inside, side * height / np.maximum(size, corner)

    def _corner(self) -> tuple[float, float]:
        return (self.delta, self.delta) if self.kind == "huber" else (self.smooth, 1.0)

    def _side(self, r: Array) -> Array | float:
        return np.where(r < 0, 1 - self.tau, self.tau) if self.kind == "quantile" else 1.0
