"""Cones of curves, each a nonnegative combination of generators: diminishing returns, and scores that never rise."""

from __future__ import annotations

from typing import Self

import numpy as np

from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.stats.nonnegative import coefficients

KNOTS = 60


class Cone:
    """One cone on one schedule, whitened, without the constant.

    Parameters
    ----------
    columns : array, shape (n, k)
        Its generators at the checkpoints.
    whiten : Whitener
        Whitening of the noise.
    knots : array, shape (k,), optional
        Tokens at which the generators of diminishing returns end; None for another cone.
    gamma : float
        Exponent of diminishing returns.
    """

    def __init__(self, columns: Array, whiten: Whitener, knots: Array | None = None, gamma: float = 1.0) -> None:
        self.columns, self.gamma = columns, gamma
        self.knots = np.zeros(0) if knots is None else knots
        self.whitened = whiten(columns)

    @classmethod
    def diminishing(cls, tokens: Array, whiten: Whitener, gamma: float, after_dip: bool = False) -> Self:
        """Return the nondecreasing concave functions of tokens**gamma.

        Parameters
        ----------
        tokens : array, shape (n,)
            Tokens of the checkpoints, increasing.
        whiten : Whitener
            Whitening of the noise.
        gamma : float
            Exponent.
        after_dip : bool
            Whether the first checkpoint may also lie higher than that: the lowest level of a score that dips is passed
            between two checkpoints, and a fall until then is no late start.
        """
        knots = knots_of(tokens)
        columns = generators(tokens, knots, gamma)
        if after_dip:
            columns = np.column_stack([columns, np.arange(len(tokens)) == 0])
        return cls(columns, whiten, knots, gamma)

    @classmethod
    def never_rising(cls, n: int, whiten: Whitener) -> Self:
        """Return the functions that never rise from one checkpoint to the next.

        Parameters
        ----------
        n : int
            Number of checkpoints.
        whiten : Whitener
            Whitening of the noise.
        """
        steps = np.unique(np.linspace(1, n - 1, min(KNOTS, n - 1)).round())
        return cls((np.arange(n)[:, None] < steps).astype(float), whiten)

    def at(self, tokens: Array) -> Array:
        """Return the generators of diminishing returns at other tokens: (m, k).

        Parameters
        ----------
        tokens : array, shape (m,)
            Positions; a first checkpoint that may lie higher is left out.
        """
        found = generators(tokens, self.knots, self.gamma)
        return np.pad(found, ((0, 0), (0, self.columns.shape[1] - found.shape[1])))

    def weights(self, z: Array) -> Array:
        """Return the weights (k,) of the generators in the member nearest to a whitened series (n,).

        Parameters
        ----------
        z : array, shape (n,)
            The series, whitened, without the constant.
        """
        return np.asarray(coefficients(self.whitened, z[:, None])[0][:, 0])

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
        x = self.weights(whiten(y))
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
        return np.asarray(self.whitened @ self.weights(z))


def knots_of(tokens: Array) -> Array:
    """Return the knots of diminishing returns: the checkpoints after the first, thinned to ``KNOTS``.

    They are half evenly spaced in rank, half in log tokens.

    Parameters
    ----------
    tokens : array, shape (n,)
        Tokens of the checkpoints, increasing.
    """
    knots = tokens[1:]
    if len(knots) > KNOTS:
        even = np.linspace(0, len(knots) - 1, KNOTS // 2).round().astype(int)
        log = np.searchsorted(knots, np.geomspace(max(knots[0], 1e-300), knots[-1], KNOTS - KNOTS // 2) * (1 - 1e-12))
        knots = knots[np.unique(np.concatenate([even, np.clip(log, 0, len(knots) - 1)]))]
    return knots


def generators(tokens: Array, knots: Array, gamma: float) -> Array:
    """Return min(T/c, 1)^gamma for every knot c: (n, k).

    At a first checkpoint of 0 tokens each of them is 0: the floor.

    Parameters
    ----------
    tokens : array, shape (n,)
        T.
    knots : array, shape (k,)
        c.
    gamma : float
        Exponent.
    """
    # rounded, so that the unit of tokens leaves not even its rounding error behind
    return np.asarray(np.minimum(np.round(tokens[:, None] / knots, 12), 1.0) ** gamma)
