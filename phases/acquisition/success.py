r"""Predictors of success: the variation in whether items are acquired that their properties explain.

Success y is 1 for an item that was lastingly acquired by the end of its run, else 0. A linear model of y has the
explained variation :math:`R^2(S) = 1 - \mathrm{SSE}(S) / \mathrm{SSE}(\emptyset)` with the predictors S, the levels of
runs being in every model. It is given for the items at hand, and **cross-validated**: each item is predicted by a model
fitted to items of other concepts, of other languages (neither its source nor its target), or of both. Parts are
Shapley values over all subsets of predictors (Lindeman, Merenda & Gold 1980). Intervals draw concepts and languages
with replacement (Owen 2007): in-sample the model is fitted to each draw; cross-validated, the errors of held-out items
are drawn, for models fitted to draws of few languages extrapolate without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calque.phases.acquisition.folds import SCHEMES, Folds, SuccessData, squared_error
from calque.phases.acquisition.model import shapley_shares
from calque.phases.stats.jackknife import Array

FEWEST_DRAWN = 3
"""Different languages of a draw: without one of them there must be a pair left."""
Tick = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Explained:
    """Explained variation of one scheme: in all, and the part of each predictor, with their intervals.

    Attributes
    ----------
    total, low, high : float
        In all; NaN ends where no interval can be given.
    parts, part_low, part_high : array, shape (predictors,)
        Shapley values; they sum to the total.
    """

    total: float
    low: float
    high: float
    parts: Array
    part_low: Array
    part_high: Array


def subsets(n_base: int, groups: Sequence[Sequence[int]]) -> dict[frozenset[int], NDArray[np.intp]]:
    """Return the columns of the model with each subset of predictors.

    Parameters
    ----------
    n_base : int
        Columns of every model, the first ones.
    groups : sequence of sequences of int
        Columns of each predictor after these.
    """
    k = len(groups)
    return {
        frozenset(members): np.array([*range(n_base), *(n_base + c for g in members for c in groups[g])])
        for size in range(k + 1)
        for members in combinations(range(k), size)
    }


def explained(products: tuple[Array, Array], n_base: int, groups: Sequence[Sequence[int]]) -> tuple[float, Array]:
    """Return the explained variation by all predictors, and the Shapley value of each.

    Parameters
    ----------
    products : tuple of two arrays, shape (folds, q, q)
        Of one scheme, see :meth:`Folds.products`.
    n_base : int
        Columns of every model, the first ones.
    groups : sequence of sequences of int
        Columns of each predictor after these.
    """
    error = {members: squared_error(*products, columns) for members, columns in subsets(n_base, groups).items()}
    return _gained(error, len(groups))


def _gained(error: dict[frozenset[int], float], k: int) -> tuple[float, Array]:
    nothing = error[frozenset()]
    if nothing <= 0:  # a draw without any variation
        return float("nan"), np.full(k, np.nan)
    worth = {members: 1 - value / nothing for members, value in error.items()}
    return worth[frozenset(range(k))], shapley_shares(worth, k)


def success_explained(
    data: SuccessData, boot: int, level: float, rng: np.random.Generator, tick: Tick = lambda _: None
) -> dict[str, Explained]:
    """Return the explained variation of success by scheme; intervals of ``all`` and ``both``.

    Parameters
    ----------
    data : SuccessData
        The items.
    boot : int
        Draws of concepts and languages.
    level : float
        Coverage of the intervals.
    rng : numpy.random.Generator
        Where the draws come from.
    tick : callable
        Called before every draw with what is done.
    """
    folds, n_base, k = Folds(data), data.base.shape[1], len(data.groups)
    found = folds.products(np.ones(len(data.y)))
    values = {name: explained(found[name], n_base, data.groups) for name in SCHEMES}
    models = subsets(n_base, data.groups)
    held_out = np.stack([folds.errors(found["both"][0], columns) for columns in models.values()], axis=1)
    draws: dict[str, list[Array]] = {"all": [], "both": []}
    for _ in range(boot):
        tick("predictors of success")
        weight = _drawn(data, rng)
        here = explained(folds.products(weight, ("all",))["all"], n_base, data.groups)
        new = _gained(dict(zip(models, (weight @ held_out).tolist(), strict=True)), k)
        for name, (total, parts) in (("all", here), ("both", new)):
            draws[name].append(np.array([total, *parts]))
    if boot:
        # draws have fewer different concepts and languages, and what is fitted to them explains more by chance
        drawn = np.array(draws["all"])
        draws["all"] = list(drawn - np.nanmean(drawn, axis=0) + np.array([values["all"][0], *values["all"][1]]))
    return {name: _with_ends(*values[name], np.array(draws.get(name, [])), level) for name in SCHEMES}


def _drawn(data: SuccessData, rng: np.random.Generator) -> Array:
    """Return how often each item is in a draw of concepts and of languages with replacement: (items,)."""
    concepts, languages = np.unique(data.concept), np.unique(np.concatenate([data.source, data.target]))
    some = rng.choice(languages, len(languages))
    while len(np.unique(some)) < FEWEST_DRAWN:
        some = rng.choice(languages, len(languages))
    by_language = np.bincount(some, minlength=int(languages.max()) + 1)
    by_concept = np.bincount(rng.choice(concepts, len(concepts)), minlength=int(concepts.max()) + 1)
    return np.asarray(by_concept[data.concept] * by_language[data.source] * by_language[data.target], float)


def _with_ends(total: float, parts: Array, draws: Array, level: float) -> Explained:
    """Return values with the quantiles of their draws; NaN where there are none."""
    ends = np.full((2, 1 + len(parts)), np.nan)
    draws = draws[np.isfinite(draws).all(1)] if len(draws) else draws
    if len(draws):
        ends = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Explained(total, ends[0, 0], ends[1, 0], parts, ends[0, 1:], ends[1, 1:])
