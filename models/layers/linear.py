"""Linear probes of the residual after a word: its language and its concept as a linear map reads them.

Formula: accuracy of a logistic regression (L2, C = 1, standardised coordinates) on held-out words. The language is read
on held-out concepts (``GroupKFold``), the concept in a held-out language, trained on the others. Control: the same with
labels permuted among the words of a concept (language), or among the words of each language (concept), so that nothing
can be read but by chance; accuracy minus control is the selectivity. Permuting labels within concepts would leave
concepts as they are, and the control would be the score itself. Interval and paired test: Student's over concepts,
adjusted over depths. Source: Alain and Bengio 2017; Hewitt and Liang 2019 (arXiv 1909.03368). Cost: a fit for each
fold, depth and kind of label. That a map reads something does not show that the model uses it.
"""

from __future__ import annotations

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
ITERATIONS = 500


def linear_probes(states: NDArray[np.float32], settings: LayerSettings) -> dict[str, tuple[Array, Array]]:
    """Return the accuracy of ``language`` and ``concept`` with its control, each (depths, concepts).

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
    found = {}
    for name, (labels, control, folds) in tasks.items():
        scores = np.stack([
            [_hits(x.reshape(languages * concepts, -1), of, folds).reshape(languages, concepts).mean(0) for x in states]
            for of in (labels, control)
        ])  # fmt: skip
        found[name] = scores[0], scores[1]
    return found


def _hits(x: NDArray[np.float32], labels: NDArray[np.int_], folds: list[tuple[Array, Array]]) -> Array:
    """Return 1 for each word whose label is read right where it is held out."""
    hits = np.zeros(len(x))
    for train, test in folds:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
        hits[test] = probe.fit(x[train], labels[train]).predict(x[test]) == labels[test]
    return hits
