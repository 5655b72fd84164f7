r"""The delay test: growth that started late against diminishing returns from the first token on.

Cones: :math:`C_\gamma = \{a + h(T^\gamma) : h \text{ nondecreasing and concave}\}`, nested in :math:`\gamma`;
:math:`C_0` holds the constants. H0(gamma): the curve lies in :math:`C_\gamma`. The statistic is the drop of the
whitened residual sum of squares from :math:`C_\gamma` (non-negative least squares) to the best growing curve of the
dictionary's coarse grid; its law comes from replicates drawn around the fit in :math:`C_\gamma`. Rejected in sequence
at gamma = 1, 2, 3, the largest rejected gamma bounds the elasticity d log(f - floor) / d log T of the steepest phase
from below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.stats.cone import Cone
from calque.phases.stats.monte_carlo import Tested

STARTS = 24
"""Later starts, at most, for which the power is computed."""
DECIDES = 199
"""Replicates for gamma = 2 and 3, where only the decision is reported."""


@dataclass(frozen=True)
class DelayTest:
    """Result of the tests in sequence.

    Attributes
    ----------
    p_value : float
        p of "constant or diminishing returns" (gamma = 1).
    elasticity : float or None
        Largest gamma of 1, 2, 3 rejected in sequence.
    power : tuple of (float, float)
        Where gamma = 1 is not rejected: tokens of later starts, increasing, each with the power that the test has
        against it on this series' own checkpoints, noise and height.
    """

    p_value: float
    elasticity: float | None
    power: tuple[tuple[float, float], ...] = ()

    def seen(self, after: float, share: float) -> float | None:
        """Return the first later start that is seen with a given power; None where none is.

        Parameters
        ----------
        after : float
            Tokens from which starts count.
        share : float
            The power, between 0 and 1.
        """
        return next((start for start, power in self.power if start >= after and power >= share), None)


def delay_test(
    tokens: Array, y: Array, whiten: Whitener, test: Callable[[float, int | None], Tested], level: float,
    after_dip: bool = False,
) -> DelayTest:  # fmt: skip
    """Test for a delayed start, in sequence.

    Parameters
    ----------
    tokens, y : array, shape (n,)
        The series, up to its peak if it declines afterwards.
    whiten : Whitener
        At the fitted curve.
    test : callable
        Tests diminishing returns with an exponent of tokens, by so many replicates at most (None for all).
    level : float
        Coverage; tests reject at 1 - level.
    after_dip : bool
        Whether the series begins at the lowest level of a dip.

    Returns
    -------
    DelayTest
        The p-value, the elasticity bound, and the power where nothing is rejected.
    """
    first = test(1.0, None)
    if first.p_value > 1 - level:
        simple = Cone.diminishing(tokens, whiten, 1.0, after_dip)
        shapes = later_starts(tokens, y, whiten, simple)
        return DelayTest(first.p_value, None, _power(simple, whiten, *shapes, first.null, level))
    elasticity = 1.0
    for gamma in (2.0, 3.0):
        if test(gamma, DECIDES).p_value > 1 - level:
            break
        elasticity = gamma
    return DelayTest(first.p_value, elasticity)


def later_starts(tokens: Array, y: Array, whiten: Whitener, simple: Cone) -> tuple[Array, Array]:
    """Return the growth of a series begun later: the level until a start, then its path, up to the same height.

    Parameters
    ----------
    tokens, y : array, shape (n,)
        The series.
    whiten : Whitener
        Whitening of its noise.
    simple : Cone
        Diminishing returns (gamma = 1).

    Returns
    -------
    tuple of array, shapes (s,) and (n, s)
        Tokens of the starts, increasing, and one curve for each, without the level.
    """
    weights = simple.weights(whiten(y))
    inner = np.arange(1, len(tokens) - 2)
    starts = tokens[np.unique(np.linspace(inner[0], inner[-1], min(STARTS, len(inner))).round().astype(int))]
    since = tokens[0] + np.maximum(tokens[:, None] - starts, 0.0)
    path = np.stack([simple.at(column) @ weights for column in since.T], axis=1)
    path = path - path[0]
    height = float((simple.at(tokens[-1:]) - simple.at(tokens[:1]))[0] @ weights)
    return starts, path * (height / np.where(path[-1] > 0, path[-1], np.inf))


def _power(
    simple: Cone, whiten: Whitener, starts: Array, shapes: Array, null: Array, level: float
) -> tuple[tuple[float, float], ...]:  # fmt: skip
    """Return starts with the power against each.

    A curve at the whitened distance d from the cone raises the statistic by d^2 + 2 d Z, Z standard normal, over its
    value ``null`` (B,) under diminishing returns.
    """
    distance = np.sqrt(np.maximum(simple.rss(whiten(shapes)), 1e-12))
    needed = np.quantile(null, level) - null[:, None]
    power = ndtr((distance**2 - needed) / (2 * distance)).mean(0)
    return tuple(zip(starts.tolist(), power.tolist(), strict=True))
