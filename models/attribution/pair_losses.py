"""Losses of word questions by pair of languages: minus log p of the word that answers, by clusters of concepts.

Formula: of a pair of two languages, over concepts whose words share no token; of a language with itself, over all: the
mean over clusters of the mean of minus log p(headword) after the prompt, nats.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.ablations.word_losses import padded, sum_of_losses
from calque.models.reading.parts import ModelParts
from calque.models.scoring.questions import Question
from calque.models.scoring.words import WordScorer


class PairLosses:
    """The losses of pairs of languages.

    Parameters
    ----------
    scorer : WordScorer
        Its word questions are asked.
    places : mapping of str to bool
        Pairs by name, and whether each has to be there (``calque.models.config.attribution``).
    clusters : int
        Groups of a pair's concepts.

    Attributes
    ----------
    pairs : tuple of str
        Those with a concept for each cluster.
    questions : int
        Of all pairs.

    Raises
    ------
    UserError
        When a pair that has to be there, or all, have fewer concepts than clusters.
    """

    def __init__(self, scorer: WordScorer, places: Mapping[str, bool], clusters: int) -> None:
        task, table = scorer.task, overlap(scorer.task, scorer.encoding)
        found: dict[str, list[Question]] = {pair: [] for pair in places}
        for item in scorer.items:
            s, t = item.place[:2]
            pair = f"{task.languages[s]}-{task.languages[t]}"
            if pair in found and (s == t or table[item.place] == NONE):
                found[pair].append(item)
        for pair, needed in places.items():
            if len(found[pair]) < clusters and needed:
                raise UserError(
                    f"`pairs` has '{pair}' with {plural(len(found[pair]), 'question')} whose words share no token; "
                    f"expected at least {clusters}, one for each of `clusters`: ask more `concepts`"
                )
        chosen = {pair: items for pair, items in found.items() if len(items) >= clusters}
        if not chosen:
            raise UserError(
                f"no pair of `pairs` has at least {plural(clusters, 'question')}, one for each of `clusters`; ask more "
                "`concepts`"
            )
        self.pairs, self.clusters = tuple(chosen), clusters
        self.questions = sum(map(len, chosen.values()))
        self._rows = [[padded(items[c::clusters]) for c in range(clusters)] for items in chosen.values()]

    def loss(self, parts: ModelParts, pair: int, cluster: int) -> Tensor:
        """Return the loss of a cluster, with a graph.

        Parameters
        ----------
        parts : ModelParts
        pair : int
            Its number.
        cluster : int
        """
        tokens, wanted = self._rows[pair][cluster]
        return sum_of_losses(parts, tokens, wanted) / len(tokens)

    def tokens(self) -> int:
        """Return the tokens that are read for all losses, with padding."""
        return sum(int(torch.numel(tokens)) for clusters in self._rows for tokens, _ in clusters)
