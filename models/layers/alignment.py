"""Alignment of translation pairs at every depth, against permutations with the maximum over depths.

Scores (:mod:`~calque.models.layers.similarity`) are means over all pairs of languages, of concepts whose two words
share no token; fits of retrieval may use the others. Null: concepts of each language permuted on their own, the same at
every depth. ``p_value`` compares with the null of the same depth, ``p_adjusted`` with its maximum over all depths, so
that one of many depths is not found by chance. Interval: Student's over concepts; of CKA a jackknife over ten groups of
concepts. Cost: one short forward pass a word; matrices of concepts by concepts for every permutation.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.layers.settings import LayerSettings
from calque.models.layers.similarity import cka, fitted_similarity, nearest, u_centred

Array = NDArray[np.float64]
MEASURES = ("neighbours", "cka", "retrieval")
GROUPS = 10
"""Groups of concepts that the jackknife leaves out in turn."""
Found = dict[str, Array]
"""``score``, ``low``, ``high``, ``control``, ``p_value``, ``p_adjusted`` of a measure, each (depths)."""


def alignment(states: NDArray[np.float32], apart: NDArray[np.bool_], settings: LayerSettings) -> dict[str, Found]:
    """Return how alike languages are in each measure, at every depth.

    Parameters
    ----------
    states : array, shape (depths, languages, concepts, width)
    apart : bool array, shape (languages, languages, concepts)
        Whether the two words share no token.
    settings : LayerSettings

    Raises
    ------
    UserError
        When there are too few languages or concepts.
    """
    depths, languages, concepts, _ = states.shape
    need = max(settings.neighbours + 2, 2 * settings.folds, 2 * GROUPS)
    pairs = [(a, b) for a, b in combinations(range(languages), 2) if (apart[a, b] & apart[b, a]).sum() >= need]
    if not pairs:
        raise UserError(
            f"`alignment` has {plural(languages, 'language')} and {plural(concepts, 'concept')}; "
            "expected two languages "
            f"with {plural(need, 'concept')} or more whose words share no token"
        )
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 2]))
    keys = generator.random((settings.draws, languages, concepts))
    folds = np.arange(concepts) % settings.folds
    totals = {name: np.zeros((1 + settings.draws, depths)) for name in MEASURES}
    by_concept = {name: np.zeros((2, depths, concepts)) for name in ("neighbours", "retrieval")}
    left_out = np.zeros((GROUPS, depths))
    values = states.astype(float)
    for a, b in pairs:
        at = np.flatnonzero(apart[a, b] & apart[b, a])
        moved = [np.argsort(keys[i, b][at])[np.argsort(np.argsort(keys[i, a][at]))] for i in range(settings.draws)]
        x, y = values[:, a][:, at], values[:, b][:, at]
        _neighbours(x, y, at, moved, settings.neighbours, totals["neighbours"], by_concept["neighbours"])
        left_out += _cka(x, y, moved, totals["cka"])
        _retrieval(values[:, a], values[:, b], at, keys[:, b], folds, settings, totals["retrieval"],
                   by_concept["retrieval"])  # fmt: skip
    found = {}
    for name in MEASURES:
        null = totals[name] / len(pairs)
        score, draws = null[0], null[1:]
        low, high = (
            _jackknife(score, left_out / len(pairs), settings.level) if name == "cka"
            else _student(by_concept[name], settings.level)
        )  # fmt: skip
        count = 1 + settings.draws
        found[name] = {
            "score": score, "low": low, "high": high, "control": draws.mean(0),
            "p_value": (1 + (draws >= score).sum(0)) / count,
            "p_adjusted": (1 + (draws.max(1)[:, None] >= score).sum(0)) / count,
        }  # fmt: skip
    return found


def _neighbours(
    x: Array, y: Array, at: NDArray[np.int_], moved: list[NDArray[np.int_]], k: int, total: Array, by_concept: Array
) -> None:
    ours, theirs = (np.stack([nearest(one, k) for one in side]) for side in (x, y))
    both = (ours & theirs).sum(-1) / k
    total[0] += both.mean(1)
    by_concept[0][:, at] += both
    by_concept[1][:, at] += 1
    for i, order in enumerate(moved):
        total[1 + i] += (ours & theirs[:, order][:, :, order]).sum((1, 2)) / (k * len(at))


def _cka(x: Array, y: Array, moved: list[NDArray[np.int_]], total: Array) -> Array:
    """Add the CKA of a pair, and return it with each group of concepts left out, shape (groups, depths)."""
    ours, theirs = (np.stack([u_centred(one) for one in side]) for side in (x, y))
    total[0] += cka(ours, theirs)
    for i, order in enumerate(moved):
        total[1 + i] += cka(ours, theirs[:, order][:, :, order])
    groups = np.arange(x.shape[1]) % GROUPS
    return np.array([
        [float(cka(u_centred(p[groups != g]), u_centred(q[groups != g]))) for p, q in zip(x, y, strict=True)]
        for g in range(GROUPS)
    ])  # fmt: skip


def _retrieval(
    x: Array, y: Array, at: NDArray[np.int_], keys: Array, folds: NDArray[np.int_], settings: LayerSettings,
    total: Array, by_concept: Array,
) -> None:  # fmt: skip
    asked = np.isin(np.arange(len(folds)), at)
    for fold in range(settings.folds):
        test, train = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        counted = asked[test]
        orders = np.argsort(keys[:, test], axis=1)
        for depth in range(len(x)):
            alike = fitted_similarity(x[depth], y[depth], train, test, settings.components)
            forth, back = alike.argmax(1), alike.argmax(0)
            own = np.arange(len(test))
            hits = ((forth == own) + (back == own).astype(float)) / 2
            by_concept[0][depth, test[counted]] += hits[counted]
            by_concept[1][depth, test[counted]] += 1
            total[0, depth] += hits[counted].sum() / len(at)
            drawn = ((forth == orders) + (back[orders] == own).astype(float)) / 2
            total[1:, depth] += drawn[:, counted].sum(1) / len(at)


def _student(by_concept: Array, level: float) -> tuple[Array, Array]:
    """Return the ends of the interval of means over concepts; a concept counts as often as it was asked."""
    sums, times = by_concept
    asked = times[0] > 0
    weights = times[:, asked] / times[:, asked].mean(1, keepdims=True)
    values = sums[:, asked] / times[:, asked]
    mean = (weights * values).mean(1)
    half = stats.sem(weights * (values - mean[:, None]), axis=1) * stats.t.ppf((1 + level) / 2, asked.sum() - 1)
    return mean - half, mean + half


def _jackknife(score: Array, left_out: Array, level: float) -> tuple[Array, Array]:
    """Return the ends of the interval of a score, from scores without each group of concepts (groups, depths)."""
    error = np.sqrt((GROUPS - 1) / GROUPS * ((left_out - left_out.mean(0)) ** 2).sum(0))
    half = error * stats.t.ppf((1 + level) / 2, GROUPS - 1)
    return score - half, score + half
