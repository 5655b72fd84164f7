"""Items by groups that are left out together, and least squares from sums of products over the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.phases.acquisition.model import Index
from calque.phases.stats.jackknife import Array

CONCEPT_FOLDS = 5
MOST_LANGUAGE_FOLDS = 10
RIDGE = 1e-9
"""Share of the largest diagonal element that is added to it: a level that a part of the items lacks has no effect."""
SCHEMES = ("all", "concepts", "languages", "both")
"""What the items that a model is judged by have not in common with those that it is fitted to; ``all`` is in-sample."""


@dataclass(frozen=True, eq=False)
class SuccessData:
    """Items with their success.

    Attributes
    ----------
    y : array, shape (items,)
        Success.
    base : array, shape (items, b)
        Columns of every model: the constant, and levels of runs.
    x : array, shape (items, p)
        Columns of the predictors.
    groups : sequence of sequences of int
        Columns of ``x`` that each predictor has.
    concept, source, target : array of int, shape (items,)
        Clusters; languages are numbered alike as source and as target.
    """

    y: Array
    base: Array
    x: Array
    groups: Sequence[Sequence[int]]
    concept: Index
    source: Index
    target: Index


def folds_of(labels: Index, most: int) -> Index:
    """Return the fold of each label, by scikit-learn's ``GroupKFold``.

    Parameters
    ----------
    labels : array of int, shape (items,)
        Groups that stay together.
    most : int
        Folds at the most; each group its own where there are no more.
    """
    from sklearn.model_selection import GroupKFold

    names = np.unique(labels)
    if len(names) <= most:
        return np.searchsorted(names, labels)
    out = np.zeros(len(labels), np.int64)
    for fold, (_, test) in enumerate(GroupKFold(most).split(labels[:, None], groups=labels)):
        out[test] = fold
    return out


class Folds:
    """Items by fold of concept, source and target, ready for sums of products.

    Parameters
    ----------
    data : SuccessData
        The items.
    """

    def __init__(self, data: SuccessData) -> None:
        self.z = np.column_stack([data.base, data.x, data.y])
        languages = folds_of(np.concatenate([data.source, data.target]), MOST_LANGUAGE_FOLDS)
        concept, n = folds_of(data.concept, CONCEPT_FOLDS), len(data.y)
        self.shape = (int(concept.max()) + 1, int(languages.max()) + 1, int(languages.max()) + 1)
        cell = np.ravel_multi_index((concept, languages[:n], languages[n:]), self.shape)
        self.order = np.argsort(cell, kind="stable")
        self.ends = np.searchsorted(cell[self.order], np.arange(int(np.prod(self.shape)) + 1))
        self.z = self.z[self.order]
        self.concept = concept[self.order]
        self.ends_of_pair = languages[:n][self.order], languages[n:][self.order]

    def products(self, weight: Array, schemes: Sequence[str] = SCHEMES) -> dict[str, tuple[Array, Array]]:
        """Return for each scheme the products of all columns over the items fitted and judged: (folds, q, q) each.

        Parameters
        ----------
        weight : array, shape (items,)
            How often each item counts.
        schemes : sequence of str
            Which are asked for.
        """
        if tuple(schemes) == ("all",):
            everything = (self.z * weight[self.order, None]).T @ self.z
            return {"all": (everything[None], everything[None])}
        w, q = weight[self.order], self.z.shape[1]
        cells = np.zeros((len(self.ends) - 1, q, q))
        for i in np.flatnonzero(np.diff(self.ends)):
            part = self.z[self.ends[i] : self.ends[i + 1]]
            cells[i] = (part * w[self.ends[i] : self.ends[i + 1], None]).T @ part
        by_cell = cells.reshape(*self.shape, q, q)
        total = by_cell.sum((1, 2))  # by fold of concepts
        keep = ~np.eye(self.shape[1], dtype=bool)
        without = np.stack([by_cell[:, k][:, :, k].sum((1, 2)) for k in keep])  # languages, concepts, q, q
        having = total - without
        everything = total.sum(0)
        return {
            "all": (everything[None], everything[None]),
            "concepts": (everything - total, total),
            "languages": (without.sum(1), having.sum(1)),
            "both": (
                (without.sum(1, keepdims=True) - without).reshape(-1, q, q), having.reshape(-1, q, q),
            ),
        }  # fmt: skip

    def errors(self, fitted: Array, columns: NDArray[np.intp]) -> Array:
        """Return the squared error (items,) of each item where its concept and a language of it are left out.

        An item is judged twice, without its source and without its target; the two are added.

        Parameters
        ----------
        fitted : array, shape (language folds * concept folds, q, q)
            Products of the scheme ``both`` that models are fitted to.
        columns : array of int, shape (s,)
            Columns of the model.
        """
        b = coefficients(fitted, columns).reshape(self.shape[1], self.shape[0], -1)  # by language, then concept
        source, target = self.ends_of_pair
        x, y = self.z[:, columns], self.z[:, -1]
        one, other = (y - (x * b[of, self.concept]).sum(1) for of in (source, target))
        out = np.empty(len(y))
        out[self.order] = one**2 + np.where(source == target, 0.0, other**2)
        return out


def coefficients(fitted: Array, columns: NDArray[np.intp]) -> Array:
    """Return the coefficients of least squares (folds, s).

    Parameters
    ----------
    fitted : array, shape (folds, q, q)
        Products of all columns, the last of them y, over the items that models are fitted to.
    columns : array of int, shape (s,)
        Columns of the model.
    """
    square = fitted[:, columns[:, None], columns].copy()
    diagonal = np.arange(len(columns))
    square[:, diagonal, diagonal] += RIDGE * np.maximum(square[:, diagonal, diagonal].max(1, keepdims=True), 1e-12)
    return np.asarray(np.linalg.solve(square, fitted[:, columns, -1:])[..., 0])


def squared_error(fitted: Array, judged: Array, columns: NDArray[np.intp]) -> float:
    """Return the squared error of least squares, summed over folds.

    Parameters
    ----------
    fitted, judged : array, shape (folds, q, q)
        Products of all columns, the last of them y, over the items that models are fitted to and judged by.
    columns : array of int, shape (s,)
        Columns of the model.
    """
    b = coefficients(fitted, columns)
    quadratic = np.einsum("fi,fij,fj->f", b, judged[:, columns[:, None], columns], b)
    return float((judged[:, -1, -1] - 2 * (b * judged[:, columns, -1]).sum(1) + quadratic).sum())
