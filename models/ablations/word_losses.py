"""Losses of word questions with gradients: minus log p of the word, by clusters of concepts.

Formula: of ``translation``, where the word has to change and shares no token with the source word, and of ``copying``,
where source and target language are the same: the mean of minus log p(headword) after the prompt, nats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import ModelParts
from calque.models.scoring.questions import Question
from calque.models.scoring.words import WordScorer

KINDS = ("translation", "copying")
ROWS = 64
"""Questions that are read at once."""


class WordLosses:
    """The losses of one kind.

    Parameters
    ----------
    scorer : WordScorer
        Its word questions are asked.
    kind : {"translation", "copying"}
    clusters : int
        Groups of concepts; less where less concepts have a question of this kind.

    Raises
    ------
    UserError
        When less than two concepts have one.
    """

    def __init__(self, scorer: WordScorer, kind: str, clusters: int) -> None:
        table = overlap(scorer.task, scorer.encoding)
        chosen = [
            item for item in scorer.items
            if (item.place[0] == item.place[1] if kind == "copying"
                else item.place[0] != item.place[1] and table[item.place] == NONE)
        ]  # fmt: skip
        concepts = sorted({item.place[2] for item in chosen})
        if len(concepts) < 2:
            raise UserError(
                f"`concepts` leaves {len(concepts)} with a question of {kind}; expected 2 or more: ask more concepts"
            )
        self.count = min(clusters, len(concepts))
        self.clusters: dict[int, list[Question]] = defaultdict(list)
        for item in chosen:
            self.clusters[concepts.index(item.place[2]) % self.count].append(item)

    def of(self, parts: ModelParts) -> Callable[[int], Iterator[Tensor]]:
        """Return what gives the loss of a cluster, in pieces, of a model with these ``parts``."""

        def pieces(cluster: int) -> Iterator[Tensor]:
            items = self.clusters[cluster]
            by_length: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
            for item in items:
                by_length[len(item.prompt), len(item.targets[0])].append([*item.prompt, *item.targets[0]])
            for (begin, length), rows in by_length.items():
                for start in range(0, len(rows), ROWS):
                    yield _loss(parts, rows[start : start + ROWS], begin, length) / len(items)

        return pieces


def _loss(parts: ModelParts, rows: list[list[int]], begin: int, length: int) -> Tensor:
    """Return the sum over rows of minus the log-probability of their last ``length`` tokens, after ``begin``."""
    tokens = torch.tensor(rows, device=parts.device)
    hidden = parts.run(tokens[:, :-1])[:, begin - 1 :]
    logprob = as_float32(parts.unembedding(hidden)).log_softmax(-1)
    assert hidden.shape[1] == length
    return -logprob.gather(-1, tokens[:, begin:, None]).sum()
