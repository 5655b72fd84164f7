"""How alike two sets of states are whose rows belong together: mutual neighbours, debiased CKA, retrieval.

Formulas, for states X and Y of the same n concepts:

- neighbours: the share of the k nearest of a concept in X (cosine, after centring) that are among its k nearest in Y;
  chance k / (n - 1). Source: Huh et al. 2024 (arXiv 2405.07987).
- CKA: <K, L> / sqrt(<K, K> <L, L>) of the U-centred Gram matrices of X and Y: the unbiased HSIC, without the bias that
  gives .3 on noise of 64 coordinates. Source: Kornblith et al. 2019; Song et al. 2012; Murphy et al. 2024.
- retrieval: directions of X and Y with the largest covariance (PLS, the singular vectors of X^T Y) are fitted on other
  concepts; the share of held-out ones whose translation is the nearest by cosine, both ways; chance 1 / held out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cosines(x: Array, y: Array) -> Array:
    """Return the cosines of the rows of ``x``, shape (n, width), with those of ``y``, shape (n, m)."""
    tiny = np.finfo(float).tiny
    found: Array = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), tiny)) @ (
        y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), tiny)
    ).T  # fmt: skip
    return found


def nearest(x: Array, k: int) -> NDArray[np.bool_]:
    """Return which concepts are among the ``k`` nearest of each, itself left out, of states ``x``: (n, n)."""
    near = cosines(x - x.mean(0), x - x.mean(0))
    np.fill_diagonal(near, -np.inf)
    found = np.zeros(near.shape, bool)
    np.put_along_axis(found, np.argpartition(-near, k - 1, axis=1)[:, :k], True, axis=1)
    return found


def u_centred(x: Array) -> Array:
    """Return the U-centred Gram matrix of states ``x`` (Szekely and Rizzo 2014), of 4 concepts or more: (n, n)."""
    gram = x @ x.T
    n = len(gram)
    np.fill_diagonal(gram, 0)
    rows = gram.sum(1)
    centred: Array = gram - rows[:, None] / (n - 2) - rows[None] / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def cka(k: Array, other: Array) -> Array:
    """Return the debiased CKA of U-centred Gram matrices, shape (...).

    Parameters
    ----------
    k, other : array, shape (..., n, n)
    """
    size = np.sqrt((k**2).sum((-2, -1)) * (other**2).sum((-2, -1)))
    found: Array = (k * other).sum((-2, -1)) / np.maximum(size, np.finfo(float).tiny)
    return found


def fitted_similarity(x: Array, y: Array, train: NDArray[np.int_], test: NDArray[np.int_], count: int) -> Array:
    """Return the cosines of held-out concepts, x by rows and y by columns, on directions fitted on others.

    Parameters
    ----------
    x, y : array, shape (n, width)
    train, test : int array
        Concepts that directions are fitted on, and those held out.
    count : int
        Directions; as many at most as the training concepts have.
    """
    mean_x, mean_y = x[train].mean(0), y[train].mean(0)
    # the singular vectors of X^T Y through those of X and Y: it has at most as many as there are concepts
    left, size_x, right_x = np.linalg.svd(x[train] - mean_x, full_matrices=False)
    other, size_y, right_y = np.linalg.svd(y[train] - mean_y, full_matrices=False)
    u, _, v = np.linalg.svd((size_x[:, None] * left.T) @ (other * size_y))
    count = min(count, len(train) - 1, x.shape[1], y.shape[1])
    of_x, of_y = right_x.T @ u[:, :count], right_y.T @ v[:count].T
    return cosines((x[test] - mean_x) @ of_x, (y[test] - mean_y) @ of_y)
