"""Alignment of translation pairs at every depth, against permutations with the maximum over depths.

Scores (:mod:`~calque.models.layers.similarity`) are means over all pairs of languages, of concepts whose two words
share no token; fits of retrieval may use the others. Null: concepts of each language permuted on their own, the same at
every depth. ``p_value`` compares with the null of the same depth, ``p_adjusted`` with its maximum over all depths, so
that one of many depths is not found by chance. P-values of retrieval are of directions fitted on every other concept,
and of the rest held out: scores of folds that learn from each other vary more than permutations say. Interval:
Student's over concepts; of CKA a jackknife over ten groups of concepts. Cost: one short forward pass a word; matrices
of concepts by concepts for every permutation.
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
    folds, every_other = np.arange(concepts) % settings.folds, np.arange(concepts) % 2 == 1
    totals = {name: np.zeros((1 + settings.draws, depths)) for name in MEASURES}
    halves = np.zeros((1 + settings.draws, depths))
    by_concept = {name: np.zeros((2, depths, concepts)) for name in ("neighbours", "retrieval")}
    left_out = np.zeros((GROUPS, depths))
    values = states.astype(float)
    for a, b in pairs:
        at = np.flatnonzero(apart[a, b] & apart[b, a])
        moved = [np.argsort(keys[i, b][at])[np.argsort(np.argsort(keys[i, a][at]))] for i in range(settings.draws)]
        x, y = values[:, a][:, at], values[:, b][:, at]
        _neighbours(x, y, at, moved, settings.neighbours, totals["neighbours"], by_concept["neighbours"])
        left_out += _cka(x, y, moved, totals["cka"])
        for fold in range(settings.folds):
            held_out = folds == fold
            hits, drawn = _retrieved(values[:, [a, b]], at, keys[:, [a, b]], held_out, settings.components)
            asked = np.intersect1d(at, np.flatnonzero(held_out))
            by_concept["retrieval"][0][:, asked] += hits
            by_concept["retrieval"][1][:, asked] += 1
            totals["retrieval"] += np.vstack([hits.sum(1), drawn]) / len(at)
        hits, drawn = _retrieved(values[:, [a, b]], at, keys[:, [a, b]], every_other, settings.components)
        halves += np.vstack([hits.sum(1), drawn])
    found = {}
    for name in MEASURES:
        null = totals[name] / len(pairs)
        score, draws = null[0], null[1:]
        decided, among = (halves[0], halves[1:]) if name == "retrieval" else (score, draws)
        low, high = (
            _jackknife(score, left_out / len(pairs), settings.level) if name == "cka"
            else _student(by_concept[name], settings.level)
        )  # fmt: skip
        count = 1 + settings.draws
        found[name] = {
            "score": score, "low": low, "high": high, "control": draws.mean(0),
            "p_value": (1 + (among >= decided).sum(0)) / count,
            "p_adjusted": (1 + (among.max(1)[:, None] >= decided).sum(0)) / count,
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


def _retrieved(
    pair: Array, at: NDArray[np.int_], keys: Array, held_out: NDArray[np.bool_], components: int
) -> tuple[Array, Array]:  # fmt: skip
    """Return hits of held-out concepts that are asked, (depths, asked), and their sums when permuted, (draws, depths).

    ``pair`` has the shape (depths, 2, concepts, width), ``keys`` (draws, 2, concepts).
    """
    test, train = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    counted, own = np.isin(test, at), np.arange(len(test))
    first, second = (np.argsort(keys[:, side][:, test], axis=1) for side in (0, 1))
    orders = np.take_along_axis(second, np.argsort(first, axis=1), axis=1)
    hits, drawn = [], []
    for x, y in pair:
        alike = fitted_similarity(x, y, train, test, components)
        forth, back = alike.argmax(1), alike.argmax(0)
        hits.append((((forth == own) + (back == own).astype(float)) / 2)[counted])
        drawn.append((((forth == orders) + (back[orders] == own).astype(float)) / 2)[:, counted].sum(1))
    return np.array(hits), np.stack(drawn, 1)


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
