"""Losses of word questions with gradients: minus log p of the word, by clusters of concepts.

Formula: of ``translation``, where the word has to change and shares no token with the source word, and of ``copying``,
where source and target language are the same: the mean of minus log p(headword) after the prompt, nats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from calque.data.errors import UserError
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.decoder.linear import as_float32
from calque.models.decoder.targets import IGNORED
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
            for start in range(0, len(items), ROWS):
                yield sum_of_losses(parts, *padded(items[start : start + ROWS])) / len(items)

        return pieces


def padded(items: Sequence[Question]) -> tuple[Tensor, Tensor]:
    """Return prompts with their answers, and what is asked at each position, shape (items, length - 1).

    Rows end with padding, which no position before it reads. Of an answer that has several forms, the first.

    Parameters
    ----------
    items : sequence of Question

    Returns
    -------
    tokens : int tensor, shape (items, length)
    wanted : int tensor, shape (items, length - 1)
        The next token where it is of the answer, ignored elsewhere.
    """
    rows = [[*item.prompt, *item.targets[0]] for item in items]
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    wanted = torch.full((len(rows), tokens.shape[1] - 1), IGNORED)
    for i, (item, row) in enumerate(zip(items, rows, strict=True)):
        begin = len(item.prompt)
        tokens[i, : len(row)] = torch.tensor(row)
        wanted[i, begin - 1 : len(row) - 1] = torch.tensor(item.targets[0])
    return tokens, wanted


def sum_of_losses(parts: ModelParts, tokens: Tensor, wanted: Tensor) -> Tensor:
    """Return the sum over rows of minus the log-probability of their answers, nats, with a graph.

    Parameters
    ----------
    parts : ModelParts
    tokens, wanted : Tensor
        From :func:`padded`.
    """
    tokens, wanted = tokens.to(parts.device), wanted.to(parts.device)
    asked = wanted != IGNORED
    hidden = parts.run(tokens[:, :-1])[asked]
    return F.cross_entropy(as_float32(parts.unembedding(hidden)), wanted[asked], reduction="sum")
