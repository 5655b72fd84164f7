"""Monte Carlo tests of a cone of curves, or of a constant, against the curves of a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from calque.phases.noise.products import Products, Single, largest
from calque.phases.series.axis import Array
from calque.phases.stats.cone import Cone

BLOCK = 100
"""Replicates drawn before the first look."""
ENOUGH = 20
"""Exceedances after which a clear non-rejection stops drawing (Besag and Clifford 1991)."""


class Tested(NamedTuple):
    """A p-value, and the statistics of the replicates that it was read from."""

    p_value: float
    null: Array


def in_blocks(observed: float, most: int, statistics: Callable[[int, int], Array]) -> Tested:
    """Return the p-value of a statistic among those of replicates, which are not all computed where it is clearly low.

    Parameters
    ----------
    observed : float
        The statistic of the series.
    most : int
        Replicates.
    statistics : callable
        Returns those of the replicates from one number up to another, shape (stop - start,).
    """
    null = np.zeros(0)
    for start, stop in ((0, min(most, BLOCK)), (BLOCK, most)):
        if stop <= start or (null >= observed).sum() >= ENOUGH:
            break
        null = np.append(null, statistics(start, stop))
    return Tested((1 + int((null >= observed).sum())) / (1 + len(null)), null)


class Against:
    """A series and its simulated noise against the curves of the alternative.

    Parameters
    ----------
    alternative : Products
        Curves of the alternative.
    z : array, shape (n,)
        The series, whitened, without the constant.
    errors : array, shape (n, B)
        Simulated noise, whitened, without the constant.
    """

    def __init__(self, alternative: Products, z: Array, errors: Array) -> None:
        self.alternative, self.z, self.errors = alternative, z, errors
        self._products: dict[int, Single] = {}

    def test(self, null: Cone | None = None, most: int | None = None) -> Tested:
        """Test that the curve lies in a cone, or that it is constant.

        The statistic is the drop of the residual sum of squares from the nearest curve of the null hypothesis to the
        best one of the alternative; replicates lie around the former. A drop below 0 is a statistic like any other.

        Parameters
        ----------
        null : Cone, optional
            Of the hypothesis; a constant when None.
        most : int, optional
            Replicates, at most; all when None.
        """
        drop = float(self._drops(null, self.z[:, None], self.alternative.scores(self.z[:, None]))[0])
        centre = np.zeros(len(self.z)) if null is None else null.nearest(self.z)
        shift = self.alternative.scores(centre[:, None])

        def drops(start: int, stop: int) -> Array:
            products = self._of(start)[:, : stop - start]
            return self._drops(null, self.errors[:, start:stop] + centre[:, None], products, shift)

        return in_blocks(drop, min(most or self.errors.shape[1], self.errors.shape[1]), drops)

    def _drops(self, null: Cone | None, z: Array, products: Single, shift: Single | None = None) -> Array:
        """Return the statistics (B,) of whitened series (n, B) with these products, less a shift of them."""
        square = np.einsum("nb,nb->b", z, z)
        shift = np.zeros((len(products), 1), np.float32) if shift is None else shift
        gained = largest(products, shift[:, 0]) ** 2
        return np.asarray(gained - (0.0 if null is None else square - null.rss(z)))

    def _of(self, start: int) -> Single:
        if start not in self._products:
            stop = self.errors.shape[1] if start else BLOCK
            self._products[start] = self.alternative.scores(self.errors[:, start:stop])
        return self._products[start]
