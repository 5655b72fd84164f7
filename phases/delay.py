r"""The delay test: growth that started late against diminishing returns from the first token on.

Cones: :math:`C_\gamma = \{a + h(T^\gamma) : h \text{ nondecreasing and concave}\}`, nested in :math:`\gamma`;
:math:`C_0` holds the constants. H0(gamma): the curve lies in :math:`C_\gamma`. The statistic is the drop of the
whitened residual sum of squares from :math:`C_\gamma` to :math:`C_8` (any rise however abrupt); its law comes from
replicates drawn around the fit in :math:`C_\gamma`. Rejected in sequence at gamma = 1, 2, 3, the largest rejected
gamma bounds the elasticity d log(f - floor) / d log T of the steepest phase from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from phases.axis import Array
from phases.fit import Whitener
from phases.noise import Noise
from phases.trajectory import Trajectory

ABRUPT = 8.0
KNOTS = 45
ENOUGH = 10
"""Exceedances after which a clear non-rejection stops drawing (Besag and Clifford 1991)."""


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
    """One cone on one schedule, whitened and reduced to a triangular system for non-negative least squares."""

    def __init__(self, tokens: Array, whiten: Whitener, gamma: float) -> None:
        self.columns = basis(tokens, gamma)
        self.q, self.r = np.linalg.qr(whiten(self.columns))

    def rss(self, z: Array) -> Array:
        """Return the residual sum of squares of whitened series (n, B)."""
        c = self.q.T @ z
        outside = np.einsum("nb,nb->b", z, z) - np.einsum("kb,kb->b", c, c)
        return outside + np.array([nnls(self.r, c[:, b])[1] ** 2 for b in range(c.shape[1])])

    def shape(self, z: Array) -> Array:
        """Return the member (n,) nearest to one whitened series, up to a constant."""
        return np.asarray(self.columns @ nnls(self.r, self.q.T @ z)[0])


def basis(tokens: Array, gamma: float) -> Array:
    """Return the cone's generators min(T/c, 1)^gamma, c at the checkpoints (thinned to ``KNOTS``): (n, k).

    At a first checkpoint of 0 tokens each of them is 0: the floor.
    """
    knots = tokens[1:]
    if len(knots) > KNOTS:
        knots = knots[np.unique(np.linspace(0, len(knots) - 1, KNOTS).round().astype(int))]
    return np.asarray(np.minimum(tokens[:, None] / knots, 1.0) ** gamma)


def delay_test(
    t: Trajectory, curve: Array, noise: Noise, boot: int, level: float, rng: np.random.Generator
) -> DelayTest:
    """Test constancy, then delay in sequence.

    Parameters
    ----------
    t : Trajectory
        Up to its peak if it declines afterwards.
    curve : array, shape (n,)
        Fitted curve; the covariance is taken there.
    """
    whiten = Whitener.of(noise.covariance(curve))
    z = whiten(t.y[:, None])
    abrupt = Cone(t.tokens, whiten, ABRUPT)
    rss_abrupt = abrupt.rss(z)[0]

    def p_of(null: Cone | None) -> float:
        rss_null = float((z**2).sum()) if null is None else float(null.rss(z)[0])
        drop = rss_null - rss_abrupt
        if drop < 1e-6 * max(1.0, rss_null):
            return 1.0
        shape = np.zeros(t.n) if null is None else null.shape(z[:, 0])
        mu = whiten.place(t.y, shape)
        exceeded, done = 0, 0
        for block in (min(boot, 40), boot - min(boot, 40)):
            if block <= 0 or exceeded >= ENOUGH:
                break
            zb = whiten(noise.draw(rng, block).around(mu))
            base = np.einsum("nb,nb->b", zb, zb) if null is None else null.rss(zb)
            exceeded += int((base - abrupt.rss(zb) >= drop).sum())
            done += block
        return (1 + exceeded) / (1 + done)

    p_rise = p_of(None)
    p_value, elasticity = 1.0, None
    for gamma in (1.0, 2.0, 3.0):
        p = p_of(Cone(t.tokens, whiten, gamma))
        if gamma == 1.0:
            p_value = p
        if p > 1 - level:
            break
        elasticity = gamma
    return DelayTest(p_rise, p_value, elasticity)
