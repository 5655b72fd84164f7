r"""Candidates along the profile of a functional: the best curves for each place where something may have happened.

Random members of a family of five parameters are too few to hold, for every position of a peak, a curve that fits as
well as any with its peak there; the likelihood region of the position then ends too soon. So for targets a over all
plausible positions :math:`\mathrm{RSS}(\theta) + (t(\theta) - a)^2/\sigma^2` is minimised by Levenberg and Marquardt's
method, all targets at once, each begun a second time where its neighbours ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calque.phases.dictionary.candidates import LEAST_SIZE, Candidates
from calque.phases.dictionary.fit import Fit, residuals
from calque.phases.dictionary.functionals import Curves
from calque.phases.dictionary.refine import PLAUSIBLE, bounds
from calque.phases.series.axis import Array
from calque.phases.shapes import FAMILIES, Family

TARGETS = 24
"""Positions for each of which the best curve is sought."""
MARGIN = 0.1
"""Share of the plausible range by which the targets go beyond it."""
HELD = 0.2
"""Standard deviation of a position about its target, in distances between targets."""
STEPS = 8
DIFFERENCE = 0.01
"""Of a family's refining step, for derivatives."""
DAMPING = 1e-2
Functional = Callable[[Curves], Array]


@dataclass(frozen=True, eq=False)
class Members:
    """Curves of one family: parameters (J, k), unit curves (n, J) and whitened (J, n), positions and fits (J,)."""

    theta: Array
    columns: Array
    whitened: Array
    at: Array
    rss: Array
    b: Array


def along(fit: Fit, functional: Functional, coarse: Candidates) -> Fit:
    """Return the fit with candidates added along the profile of ``functional``, family by family.

    Parameters
    ----------
    fit : Fit
    functional : callable
        Positions of curves.
    coarse : Candidates
        A grid over each of the families, where the search begins as well: the likelihood may have several summits.
    """
    added = {}
    for name, theta in fit.candidates.theta.items():
        new = Traced(fit, FAMILIES[name], functional).trace(np.vstack([theta, coarse.theta[name]]))
        added[name] = (new.theta, new.columns)
    candidates = fit.candidates.joined(Candidates.stacked(fit.axis, added))
    z = fit.whiten(fit.trajectory.y)
    rss, b = residuals(*fit.whiten.project(candidates.columns, z), float(z @ z), candidates.extra)
    return replace(fit, candidates=candidates, rss=rss, amplitude=b)


class Traced:
    """The profile of a functional of one family on one series.

    Parameters
    ----------
    fit : Fit
        The series, with its whitening.
    family : Family
        The family.
    functional : callable
        Maps :class:`Curves` to positions on x, shape (J,).
    """

    def __init__(self, fit: Fit, family: Family, functional: Functional) -> None:
        self.fit, self.family, self.functional = fit, family, functional
        self.z = fit.whiten(fit.trajectory.y)
        self.low, self.high = bounds(family, fit.axis)
        self.difference = DIFFERENCE * np.array(family.step)
        x = np.concatenate([fit.axis.x, fit.axis.between()])
        self.order = np.argsort(x, kind="stable")
        self.x = x

    def trace(self, theta: Array) -> Members:
        """Return the best curve found for each target, begun at members ``theta`` (J, k)."""
        start = self.members(theta)
        fair = np.isfinite(start.at) & (start.rss <= start.rss.min() + PLAUSIBLE * self.fit.spread)
        if not fair.any():
            return self.members(theta[:0])
        first, last = float(start.at[fair].min()), float(start.at[fair].max())
        beyond = MARGIN * max(last - first, 1e-3)
        targets = np.linspace(first - beyond, last + beyond, TARGETS)
        held = HELD * float(targets[1] - targets[0])
        far = np.where(np.isfinite(start.at), start.at, np.inf)[:, None] - targets
        near = (start.rss[:, None] + (far / (3 * held)) ** 2).argmin(0)
        once = self.solve(theta[near], targets, held)
        around = np.concatenate([np.arange(TARGETS), np.maximum(np.arange(TARGETS) - 1, 0),
                                 np.minimum(np.arange(TARGETS) + 1, TARGETS - 1)])  # fmt: skip
        return self.solve(once.theta[around], np.tile(targets, 3), held)

    def solve(self, theta: Array, targets: Array, held: float) -> Members:
        """Return the members to which Levenberg and Marquardt's method leads, each position held near its target.

        Parameters
        ----------
        theta : array, shape (J, k)
            Parameters to start from.
        targets : array, shape (J,)
            Positions on x.
        held : float
            sigma of the penalty on the distance from the target, in units of x.

        Returns
        -------
        Members
            J members.
        """
        here = self.members(theta)
        cost = self.cost(here, targets, held)
        damping = np.full(len(theta), DAMPING)
        for _ in range(STEPS):
            new = self.members(np.clip(here.theta + self.step(here, targets, held, damping), self.low, self.high))
            found = self.cost(new, targets, held)
            better = found < cost
            damping = np.where(better, damping / 4, damping * 8)
            here, cost = chosen(better, new, here), np.where(better, found, cost)
        return here

    def cost(self, members: Members, targets: Array, held: float) -> Array:
        """Return the objective: residual sum of squares and the penalty on the distance from the target.

        Parameters
        ----------
        members : Members
            J members.
        targets : array, shape (J,)
            Positions on x.
        held : float
            sigma of the penalty, in units of x.

        Returns
        -------
        array, shape (J,)
            Values.
        """
        off = np.where(np.isfinite(members.at), members.at - targets, 1e3)
        return np.asarray(members.rss + (off / held) ** 2)

    def step(self, here: Members, targets: Array, held: float, damping: Array) -> Array:
        """Return the damped Gauss-Newton steps of the parameters.

        Parameters
        ----------
        here : Members
            J members.
        targets : array, shape (J,)
            Positions on x.
        held : float
            sigma of the penalty, in units of x.
        damping : array, shape (J,)
            Damping factors.

        Returns
        -------
        array, shape (J, k)
            Steps.
        """
        many, k = here.theta.shape
        # a derivative looks back where the bound is ahead
        signed = np.where(here.theta + self.difference > self.high, -self.difference, self.difference)
        beside = np.repeat(here.theta, k, axis=0) + (signed[:, :, None] * np.eye(k)).reshape(-1, k)
        moved = self.members(beside)
        slopes = (moved.whitened.reshape(many, k, -1) - here.whitened[:, None]) / signed[:, :, None]
        d = (moved.at.reshape(many, k) - here.at[:, None]) / signed / held
        d = np.pad(np.where(np.isfinite(d), d, 0.0), ((0, 0), (1, 0)))  # the amplitude moves no position
        j = np.concatenate([here.whitened[:, None], here.b[:, None, None] * slopes], axis=1)
        square = j @ j.transpose(0, 2, 1) + d[:, :, None] * d[:, None]
        size = np.einsum("pii->pi", square)
        square = square + (damping[:, None] * size + 1e-9)[:, :, None] * np.eye(k + 1)
        off = np.where(np.isfinite(here.at), (targets - here.at) / held, 0.0)
        against = np.einsum("pin,pn->pi", j, self.z - here.b[:, None] * here.whitened) + d * off[:, None]
        return np.asarray(np.linalg.solve(square, against[..., None])[:, 1:, 0])

    def members(self, theta: Array) -> Members:
        """Evaluate parameters: curves, positions and fits.

        Parameters
        ----------
        theta : array, shape (J, k)
            Parameters.

        Returns
        -------
        Members
            J members.
        """
        n = self.fit.axis.n
        raw = self.family.curve(theta, self.x)
        size = raw[:n].max(0) - raw[0] if len(theta) else np.zeros(0)
        usable = size > LEAST_SIZE
        u = np.where(usable, (raw - raw[0]) / np.where(usable, size, 1.0), 0.0)
        at = self.functional(Curves(self.fit, self.x[self.order], u[self.order])) if len(theta) else np.zeros(0)
        g = self.fit.whiten(u[:n]).T
        zz = float(self.z @ self.z)
        rss, b = residuals(g @ self.z, np.einsum("jn,jn->j", g, g), zz, np.full(len(theta), self.family.extra))
        return Members(theta, np.ascontiguousarray(u[:n]), np.ascontiguousarray(g), at, rss, b)


def chosen(first: NDArray[np.bool_], one: Members, two: Members) -> Members:
    """Return members of ``one`` where ``first``, else of ``two``."""
    return Members(
        np.where(first[:, None], one.theta, two.theta), np.where(first, one.columns, two.columns),
        np.where(first[:, None], one.whitened, two.whitened), np.where(first, one.at, two.at),
        np.where(first, one.rss, two.rss), np.where(first, one.b, two.b),
    )  # fmt: skip
