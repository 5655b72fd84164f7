"""The word items of a simulated study: overlap, exposure, lasting difficulty, and how they are answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from calque.data.cube import OVERLAPS
from calque.scaling.simulate.curves import Array
from calque.scaling.simulate.truth import Truth


@dataclass(frozen=True, kw_only=True)
class Items:
    """The word items, the same in every run.

    Attributes
    ----------
    overlap, exposure : array of int8, shape (source, target, concept)
    group : array of int8, same shape
        0 plain, 1 with a shared token, 2 paired in training; -1 identical words.
    difficulty : dict of arrays, same shape
        Normal scores by metric.
    """

    overlap: NDArray[np.int8]
    exposure: NDArray[np.int8]
    group: NDArray[np.int8]
    difficulty: dict[str, Array]

    @property
    def same(self) -> NDArray[np.bool_]:
        """Items whose words are identical."""
        return self.overlap == OVERLAPS.index("identical")

    @property
    def plain(self) -> Array:
        """Plain items of each target language, (target,)."""
        return (self.group == 0).sum((0, 2)).astype(float)


def draw_items(truth: Truth, rng: np.random.Generator) -> Items:
    """Draw the items of a study.

    Parameters
    ----------
    truth : Truth
        The study.
    rng : numpy.random.Generator
        Source of randomness.
    """
    n, c = len(truth.languages), truth.concepts
    identical, shared = truth.overlap.identical, truth.overlap.shared_token
    upper = rng.choice(np.arange(3, dtype=np.int8), size=(n, n, c), p=[1 - identical - shared, shared, identical])
    i, j = np.indices((n, n))
    overlap = np.where((i < j)[..., None], upper, np.swapaxes(upper, 0, 1)).astype(np.int8)
    overlap[np.arange(n), np.arange(n)] = OVERLAPS.index("identical")
    paired = rng.random((n, n, c)) < (truth.exposure.paired if truth.exposure else 0.0)
    paired |= overlap == OVERLAPS.index("identical")
    group = np.where(paired, 2, np.where(overlap == OVERLAPS.index("shared_token"), 1, 0)).astype(np.int8)
    group[overlap == OVERLAPS.index("identical")] = -1
    # Where languages have curves of their own, the items of each must follow its curve.
    stratum = 4 * j[..., None] + group if truth.law.by_language else group
    difficulty: dict[str, Array] = {}
    for kind in ("copying", "translation", "false_copying"):
        raw = np.sqrt(truth.noise.concept) * rng.normal(size=c)
        raw = raw + np.sqrt(1 - truth.noise.concept) * rng.normal(size=(n, n, c))
        for which in np.unique(stratum):
            members = stratum == which
            if kind == "false_copying":
                # Chance correlation of the two difficulties would shift the rate of copies among the
                # untranslated.
                other = difficulty["translation"][members]
                raw[members] -= other * (raw[members] @ other) / max(float(other @ other), 1e-12)
            ranks = raw[members].argsort().argsort()
            raw[members] = ndtri((ranks + 0.5) / max(ranks.size, 1))
        difficulty[kind] = raw
    return Items(overlap=overlap, exposure=paired.astype(np.int8), group=group, difficulty=difficulty)


def answered(truth: Truth, items: Items, metric: str, rates: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which items fall below their checkpoint's quantile, (checkpoint, source, target, concept).

    Parameters
    ----------
    truth : Truth
        The study.
    items : Items
        Its items.
    metric : str
        Whose difficulty counts.
    rates : array, shape (group, target, checkpoint)
        Group -1 last; one target stands for all.
    rng : numpy.random.Generator
        Source of randomness.
    """
    p = truth.noise.persistence
    limit = by_item(items, ndtri(np.clip(rates, 0.0, 1.0)))
    now = rng.normal(size=limit.shape).astype(np.float32)
    latent = np.sqrt(p) * items.difficulty[metric] + np.sqrt(1 - p) * now
    below: NDArray[np.bool_] = latent < limit
    return below


def by_item(items: Items, values: Array) -> Array:
    """Spread values (group, target, checkpoint) over items, (checkpoint, source, target, concept).

    Parameters
    ----------
    items : Items
        The items.
    values : array, shape (group, target, checkpoint)
        One target stands for all.
    """
    target = np.arange(items.group.shape[1])[:, None] if values.shape[1] > 1 else np.zeros((1, 1), int)
    return np.moveaxis(values[items.group, target], -1, 0)
