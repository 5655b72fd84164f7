"""What an intervention is judged by: log-probabilities of the words that answer a question, by concept.

Measures, each the mean over the pairs of languages in which the concept is asked:

- ``translation``: log p(target word) where the word has to change and shares no token with the source word, nats;
- ``translation_probability``: p(target word) there;
- ``preference``: log p(target word) - log p(source word) there, nats: above 0 the model translates rather than copies;
- ``copying``: log p(word) where source and target language are the same, nats; ``copying_probability``: p(word) there.

Log-probability and probability stand side by side, for they may tell different stories (Zhang and Nanda 2024,
arXiv 2309.16042). Cost: one forward pass of each prompt and its forms; nothing is generated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.selection import Selection
from calque.models.scoring.word_logprobs import word_logprobs
from calque.models.scoring.words import WordScorer

MEASURES = ("translation", "translation_probability", "preference", "copying", "copying_probability")
UNITS = {name: "1" if name.endswith("_probability") else "nat" for name in MEASURES}
Array = NDArray[np.float64]


class WordScores:
    """Scores a model by concept; prompts are tokenised once.

    Parameters
    ----------
    task : WordTask
    encoding : Encoding
    concepts : int
        Ask the first so many concepts, in all pairs of languages; 2 at least.

    Attributes
    ----------
    concepts : tuple of str
        The concepts.
    scorer : WordScorer
        Its questions.
    concept_of : array of int, shape (questions)
        Place of each question's concept.
    changed, same : array of bool, shape (questions)
        Where the word has to change and shares no token with the source word; where both languages are the same.

    Raises
    ------
    UserError
        When there are less than two concepts.
    """

    def __init__(self, task: WordTask, encoding: Encoding, concepts: int) -> None:
        self.scorer = WordScorer(task, encoding, concepts, Selection(tasks=("words",), limit=None, seed=0))
        self.concepts = tuple(self.scorer.concepts)
        if len(self.concepts) < 2:
            raise UserError(f"`concepts` gives {len(self.concepts)}; expected 2 or more: intervals are over concepts")
        places = np.array([item.place for item in self.scorer.items])
        self.concept_of, same = places[:, 2], places[:, 0] == places[:, 1]
        self.changed, self.same = ~same & (overlap(task, encoding)[tuple(places.T)] == NONE), same

    @property
    def questions(self) -> int:
        """Number of questions."""
        return len(self.scorer.items)

    def __call__(self, model: Decoder | LanguageModel) -> Array:
        """Return the scores of a ``model``, shape (measures, concepts); NaN where a concept is not asked."""
        target, source = word_logprobs(model, self.scorer.items, self.scorer.prompts).astype(float).T
        return self.measured(target, source, np.ones(len(target), bool))

    def measured(self, target: Array, source: Array, asked: NDArray[np.bool_]) -> Array:
        """Return the scores, shape (measures, concepts); NaN where a concept is not asked.

        Parameters
        ----------
        target, source : array, shape (questions)
            Log-probabilities of target and source word, nats.
        asked : array of bool, shape (questions)
            Which questions count.
        """
        changed, same = self.changed & asked, self.same & asked
        values = (target, np.exp(target), target - source, target, np.exp(target))
        of = (changed, changed, changed, same, same)
        return np.stack([self._mean(value, which) for value, which in zip(values, of, strict=True)])

    def _mean(self, values: Array, asked: NDArray[np.bool_]) -> Array:
        count = len(self.concepts)
        sums = np.bincount(self.concept_of[asked], values[asked], count)
        times = np.bincount(self.concept_of[asked], minlength=count)
        mean: Array = np.divide(sums, times, out=np.full(count, np.nan), where=times > 0)
        return mean
