"""Candidate curves: members of the families, evaluated at the checkpoints and anywhere between."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calque.phases.series.axis import Array, Axis
from calque.phases.shapes import FAMILIES, Family

LEAST_SIZE = 1e-9
"""Curves that move by less over the checkpoints are flat."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Unit curves and their parameters; columns are rescaled to run from 0 to at most 1 over the checkpoints.

    Attributes
    ----------
    columns : array, shape (n, m)
    family : array of int, shape (m,)
        Rank of the family in ``FAMILIES``; candidates of a family stand together, in that order.
    theta : dict of array
        Parameters by family.
    extra : array, shape (m,)
        Penalty of each candidate for its parameters.
    """

    axis: Axis
    columns: Array
    family: NDArray[np.int64]
    theta: dict[str, Array]
    extra: Array

    @classmethod
    def of(cls, axis: Axis, theta: dict[str, Array]) -> Candidates:
        """Evaluate parameters by family at the checkpoints."""
        return cls.stacked(axis, {f: (th, unit(FAMILIES[f], th, axis)) for f, th in theta.items()})

    @classmethod
    def stacked(cls, axis: Axis, members: dict[str, tuple[Array, Array]]) -> Candidates:
        """Build candidates from parameters and columns by family.

        Parameters
        ----------
        axis : Axis
            The n checkpoints.
        members : dict of str to tuple of array
            By family, parameters (J, k) and unit curves (n, J).

        Returns
        -------
        Candidates
            All of them, in the order of ``FAMILIES``.
        """
        names = [f for f in FAMILIES if f in members]
        theta = {f: members[f][0] for f in names}
        columns = np.ascontiguousarray(np.hstack([members[f][1] for f in names]))
        family = np.concatenate([np.full(len(th), list(FAMILIES).index(f)) for f, th in theta.items()])
        extra = np.concatenate([np.full(len(th), FAMILIES[f].extra) for f, th in theta.items()])
        return cls(axis, columns, family, theta, extra)

    def take(self, chosen: NDArray[np.intp]) -> Candidates:
        """Return the ``chosen`` (increasing) candidates alone."""
        members, start = {}, 0
        for name, theta in self.theta.items():
            mine = chosen[(chosen >= start) & (chosen < start + len(theta))]
            if len(mine):
                members[name] = (theta[mine - start], self.columns[:, mine])
            start += len(theta)
        return Candidates.stacked(self.axis, members)

    def joined(self, other: Candidates) -> Candidates:
        """Return these candidates together with others on the same axis.

        Parameters
        ----------
        other : Candidates
            The others.

        Returns
        -------
        Candidates
            All of them, in the order of ``FAMILIES``.
        """
        columns = np.hstack([self.columns, other.columns])
        family, extra = np.concatenate([self.family, other.family]), np.concatenate([self.extra, other.extra])
        order = np.argsort(family, kind="stable")
        theta = {
            name: np.vstack([one.theta[name] for one in (self, other) if name in one.theta])
            for name in FAMILIES
            if name in self.theta or name in other.theta
        }
        return Candidates(self.axis, np.ascontiguousarray(columns[:, order]), family[order], theta, extra[order])

    def until(self, axis: Axis) -> Candidates:
        """Return the same candidates on the first checkpoints alone, scaled anew."""
        columns = self.columns[: axis.n]
        size = columns.max(0)
        usable = size > LEAST_SIZE
        scaled = np.ascontiguousarray(np.where(usable, columns / np.where(usable, size, 1.0), 0.0))
        return replace(self, axis=axis, columns=scaled)

    def at(self, x: Array, chosen: NDArray[np.int64] | None = None) -> Array:
        """Evaluate all candidates, or the ``chosen`` ones (increasing), at positions ``x``: (len(x), m)."""
        out, start = [], 0
        chosen = np.arange(len(self.family)) if chosen is None else chosen
        for name, theta in self.theta.items():
            mine = chosen[(chosen >= start) & (chosen < start + len(theta))]
            if len(mine):
                out.append(self._between(FAMILIES[name], theta[mine - start], self.columns[:, mine], x))
            start += len(theta)
        return np.hstack(out) if out else np.zeros((len(x), 0))

    def _between(self, family: Family, theta: Array, columns: Array, x: Array) -> Array:
        """Evaluate members at ``x`` with the scale that they have at the checkpoints."""
        top = columns.argmax(0)
        raw = family.curve(theta, np.concatenate([self.axis.x[:1], x]))
        # the highest checkpoint differs from curve to curve: found from the same parameters, once a checkpoint
        high = np.empty(len(theta))
        for i in np.unique(top):
            mine = top == i
            high[mine] = family.curve(theta[mine], self.axis.x[i : i + 1])[0]
        size = high - raw[0]
        usable = size > LEAST_SIZE
        return np.where(usable, (raw[1:] - raw[0]) / np.where(usable, size, 1.0), 0.0)

    def of_family(self, name: str) -> NDArray[np.bool_]:
        """Return which candidates belong to a family.

        Parameters
        ----------
        name : str
            A family of ``FAMILIES``.

        Returns
        -------
        array of bool, shape (m,)
            True for its candidates.
        """
        return np.asarray(self.family == list(FAMILIES).index(name))


def unit(family: Family, theta: Array, axis: Axis) -> Array:
    """Return a family's curves at the checkpoints, shifted and scaled to run from 0 to at most 1 there.

    Parameters
    ----------
    family : Family
        The family.
    theta : array, shape (m, k)
        Parameters, one curve a row.
    axis : Axis
        The n checkpoints.

    Returns
    -------
    array, shape (n, m)
        Unit curves; 0 where a curve is flat.
    """
    at = family.curve(theta, axis.x)
    low = at[0]
    size = at.max(0) - low
    usable = size > LEAST_SIZE
    return np.where(usable, (at - low) / np.where(usable, size, 1.0), 0.0)
