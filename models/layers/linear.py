"""Linear probes of the residual after a word: its language and its concept as a linear map reads them.

Formula: accuracy of a logistic regression (L2, C = 1, standardised coordinates) on held-out words. The language is read
on held-out concepts (``GroupKFold``), the concept in a held-out language, trained on the others. Control: the same with
labels permuted among the words of a concept (language), or among the words of each language (concept), so that nothing
can be read but by chance; accuracy minus control is the selectivity. Permuting labels within concepts would leave
concepts as they are, and the control would be the score itself. Interval and paired test: Student's over concepts,
adjusted over depths. The test of the language is of maps learned on every other concept, over the rest: folds that
learn from each other are not independent (Noirhomme et al. 2014), and .075 of untrained models had a language at .05.
Source: Alain and Bengio 2017; Hewitt and Liang 2019 (arXiv 1909.03368). Cost: a fit for each fold, depth and kind of
label. That a map reads something does not show that the model uses it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.layers.settings import LayerSettings

Array = NDArray[np.float64]
Folds = list[tuple[NDArray[np.int_], NDArray[np.int_]]]
"""Rows that are learned from, and rows that are asked."""
ITERATIONS = 500


class Accuracy(NamedTuple):
    """Accuracy with its control by concept, and those that the test compares.

    Attributes
    ----------
    score, control : array, shape (depths, concepts)
    decides : (score, control), shape (depths, some concepts)
    """

    score: Array
    control: Array
    decides: tuple[Array, Array]


def linear_probes(states: NDArray[np.float32], settings: LayerSettings) -> dict[str, Accuracy]:
    """Return the accuracy of ``language`` and ``concept``.

    Parameters
    ----------
    states : array, shape (depths, languages, concepts, width)
    settings : LayerSettings

    Raises
    ------
    UserError
        When there are too few languages or concepts: three languages for the concept, so that two are learned from.
    """
    _, languages, concepts, _ = states.shape
    if languages < 3 or concepts < settings.folds:
        raise UserError(
            f"`linear` has {plural(languages, 'language')} and {plural(concepts, 'concept')}; "
            f"expected 3 and {settings.folds} or more"
        )
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 3]))
    rows = np.tile(np.arange(concepts), languages)  # of each word: its concept
    spoken = np.repeat(np.arange(languages), concepts)
    permuted_languages = np.stack([generator.permutation(languages) for _ in range(concepts)], 1).ravel()
    permuted_concepts = np.concatenate([generator.permutation(concepts) for _ in range(languages)])
    by_concept = [(train, test) for train, test in GroupKFold(settings.folds).split(rows, spoken, rows)]
    by_language = [(np.flatnonzero(spoken != one), np.flatnonzero(spoken == one)) for one in range(languages)]
    tasks = {"language": (spoken, permuted_languages, by_concept), "concept": (rows, permuted_concepts, by_language)}
    every_other = rows % 2 == 1
    half = [(np.flatnonzero(~every_other), np.flatnonzero(every_other))]

    def read(labels: NDArray[np.int_], folds: Folds) -> Array:
        hits = np.stack([_hits(x.reshape(languages * concepts, -1), labels, folds) for x in states])
        return np.asarray(hits.reshape(len(states), languages, concepts).mean(1))

    found = {}
    for name, (labels, control, folds) in tasks.items():
        score, chance = read(labels, folds), read(control, folds)
        decides = (score, chance)
        if name == "language":
            decides = (read(labels, half)[:, 1::2], read(control, half)[:, 1::2])
        found[name] = Accuracy(score, chance, decides)
    return found


def _hits(x: NDArray[np.float32], labels: NDArray[np.int_], folds: Folds) -> Array:
    """Return 1 for each word whose label is read right where it is held out."""
    hits = np.zeros(len(x))
    for train, test in folds:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
        hits[test] = probe.fit(x[train], labels[train]).predict(x[test]) == labels[test]
    return hits
