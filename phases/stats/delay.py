r"""The delay test: growth that started late against diminishing returns from the first token on.

Cones: :math:`C_\gamma = \{a + h(T^\gamma) : h \text{ nondecreasing and concave}\}`, nested in :math:`\gamma`;
:math:`C_0` holds the constants. H0(gamma): the curve lies in :math:`C_\gamma`. The statistic is the drop of the
whitened residual sum of squares from :math:`C_\gamma` (non-negative least squares) to the best growing curve of the
dictionary's coarse grid; its law comes from replicates drawn around the fit in :math:`C_\gamma`. Rejected in sequence
at gamma = 1, 2, 3, the largest rejected gamma bounds the elasticity d log(f - floor) / d log T of the steepest phase
from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.phases.noise.products import Products, Single, largest
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.stats.nonnegative import coefficients

KNOTS = 60
BLOCK = 100
"""Replicates drawn before the first look."""
ENOUGH = 20
"""Exceedances after which a clear non-rejection stops drawing (Besag and Clifford 1991)."""
DECIDES = 199
"""Replicates for gamma = 2 and 3, where only the decision is reported."""


@dataclass(frozen=True)
class DelayTest:
    """Result of the tests in sequence.

    Attributes
    ----------
    p_rise : float
        p of "constant".
    p_value : float
        p of "constant or diminishing returns" (gamma = 1).
    elasticity : float or None
        Largest gamma of 1, 2, 3 rejected in sequence.
    """

    p_rise: float
    p_value: float
    elasticity: float | None


class Cone:
    """One cone on one schedule, whitened, without the constant.

    Parameters
    ----------
    tokens : array, shape (n,)
        Tokens of the checkpoints, increasing.
    whiten : Whitener
        Whitening of the noise.
    gamma : float
        Exponent: the cone holds concave functions of tokens**gamma.
    """

    def __init__(self, tokens: Array, whiten: Whitener, gamma: float) -> None:
        self.columns = basis(tokens, gamma)
        self.whitened = whiten(self.columns)

    def rss(self, z: Array) -> Array:
        """Return the residual sum of squares of series about their nearest members.

        Parameters
        ----------
        z : array, shape (n, B)
            Whitened series, one a column, without the constant.

        Returns
        -------
        array, shape (B,)
            Residual sums of squares.
        """
        return np.asarray(np.einsum("nb,nb->b", z, z) - coefficients(self.whitened, z)[1])

    def fitted(self, y: Array, whiten: Whitener) -> tuple[Array, Array]:
        """Return the member nearest to a series, and the generators that it consists of.

        Parameters
        ----------
        y : array, shape (n,)
            The series, not whitened.
        whiten : Whitener
            The whitening that the cone was built with.

        Returns
        -------
        tuple of array, shapes (n,) and (n, q)
            The member, and its q generators.
        """
        x = coefficients(self.whitened, whiten(y)[:, None])[0][:, 0]
        shape = self.columns @ x
        return shape + float(whiten.level(y - shape)), self.columns[:, x > 0]

    def nearest(self, z: Array) -> Array:
        """Return the whitened member nearest to a whitened series.

        Parameters
        ----------
        z : array, shape (n,)
            A whitened series without the constant.

        Returns
        -------
        array, shape (n,)
            The member, whitened.
        """
        return np.asarray(self.whitened @ coefficients(self.whitened, z[:, None])[0][:, 0])


def basis(tokens: Array, gamma: float) -> Array:
    """Return the cone's generators min(T/c, 1)^gamma, c at the checkpoints (thinned to ``KNOTS``): (n, k).

    At a first checkpoint of 0 tokens each of them is 0: the floor. Knots are half evenly spaced in rank, half in log
    tokens.
    """
    knots = tokens[1:]
    if len(knots) > KNOTS:
        even = np.linspace(0, len(knots) - 1, KNOTS // 2).round().astype(int)
        log = np.searchsorted(knots, np.geomspace(max(knots[0], 1e-300), knots[-1], KNOTS - KNOTS // 2) * (1 - 1e-12))
        knots = knots[np.unique(np.concatenate([even, np.clip(log, 0, len(knots) - 1)]))]
    # rounded, so that the unit of tokens leaves not even its rounding error behind
    return np.asarray(np.minimum(np.round(tokens[:, None] / knots, 12), 1.0) ** gamma)


def delay_test(tokens: Array, y: Array, whiten: Whitener, errors: Array, growing: Products, level: float) -> DelayTest:
    """Test constancy, then delay in sequence.

    Parameters
    ----------
    tokens, y : array, shape (n,)
        The series, up to its peak if it declines afterwards.
    whiten : Whitener
        At the fitted curve.
    errors : array, shape (n, B)
        Simulated noise, whitened, without the constant.
    growing : Products
        Curves of the alternative.
    level : float
        Coverage; tests reject at 1 - level.

    Returns
    -------
    DelayTest
        The p-values, and the elasticity bound.
    """
    z = whiten(y)
    products: dict[int, Single] = {}
    gain = float(max(growing.scores(z[:, None])[:, 0].max(), 0.0)) ** 2
    boot = errors.shape[1]

    def p_of(null: Cone | None, most: int) -> float:
        rss_null = float(z @ z) if null is None else float(null.rss(z[:, None])[0])
        drop = rss_null - (float(z @ z) - gain)
        if drop < 1e-6 * max(1.0, rss_null):
            return 1.0
        centre = np.zeros(len(z)) if null is None else null.nearest(z)
        shift = growing.scores(centre[:, None])[:, 0]
        exceeded, done = 0, 0
        for start, stop in ((0, min(most, BLOCK)), (BLOCK, most)):
            if stop <= start or exceeded >= ENOUGH:
                break
            if start not in products:
                products[start] = growing.scores(errors[:, start : boot if start else BLOCK])
            zb = errors[:, start:stop] + centre[:, None]
            square = np.einsum("nb,nb->b", zb, zb)
            least = square - largest(products[start], shift)[: stop - start] ** 2
            base = square if null is None else null.rss(zb)
            exceeded += int((base - least >= drop).sum())
            done += stop - start
        return (1 + exceeded) / (1 + done)

    p_rise = p_of(None, boot)
    p_value, elasticity = 1.0, None
    for gamma in (1.0, 2.0, 3.0):
        p = p_of(Cone(tokens, whiten, gamma), boot if gamma == 1.0 else min(boot, DECIDES))
        if gamma == 1.0:
            p_value = p
        if p > 1 - level:
            break
        elasticity = gamma
    return DelayTest(p_rise, p_value, elasticity)
