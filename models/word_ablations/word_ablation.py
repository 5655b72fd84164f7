"""Heads, attention and MLPs taken away while words are asked: what that changes, by concept.

A part gives, at every position, what it gives at the same position of another question (``resample``), or the mean of
that over others (``mean``); the other questions are of other concepts and have the same length, word included. Scores
are those of :mod:`~calque.models.ablations.word_scores`: log-probability, probability and the difference to the source
word side by side, over at most ``QUESTIONS`` questions of each kind and concept. Which question gives what is the same
for all interventions. Cost: one forward pass of each question and word that is read, and one for every intervention.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.data.errors import UserError
from calque.models.ablations.instead import mixed, shares
from calque.models.ablations.settings import QUESTIONS, Kind, check_kind
from calque.models.ablations.word_scores import WordScores
from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, bytes_a_prompt, read
from calque.models.reading.replacing import heads_replaced, parts_replaced

Array = NDArray[np.float64]
Head = tuple[int, int]
"""Layer and head."""
Part = tuple[str, int]
"""``attention`` or ``mlp``, and its layer."""
Intervention = Sequence[Head | Part]
"""What is taken away together."""
ROWS = 64
"""Rows that are read at once, and that give one another their outputs; less where the budget is small."""


@dataclass(frozen=True)
class _Row:
    """A question with one form of its target word (side 0) or source word (side 1) after it."""

    question: int
    side: int
    prompt: tuple[int, ...]
    form: tuple[int, ...]


@dataclass(frozen=True)
class _Chunk:
    """Rows of one length that are read together, and how much of each other's outputs they are given."""

    rows: list[int]
    given: Array


class WordAblation:
    """Takes parts of a model away while words are asked.

    Parameters
    ----------
    parts : ModelParts
    words : WordScores
        Its questions are asked.
    generator : np.random.Generator
        Chooses questions, and which gives what to which.
    kind : {"resample", "mean", "zero"}
        What parts give instead.
    budget : int
        Bytes that a batch of rows may take.

    Attributes
    ----------
    asked : array of bool, shape (questions)
        Which questions are asked: those whose words have the length of words of another concept.

    Raises
    ------
    UserError
        When no question can be asked, or the model is in training mode.
    """

    def __init__(
        self, parts: ModelParts, words: WordScores, generator: np.random.Generator, *, kind: Kind = "resample",
        budget: int = BUDGET,
    ) -> None:  # fmt: skip
        check_kind(kind, "kind")
        if parts.dropout and parts.model.training:
            raise UserError("the model is in training mode, where dropout changes its output; call its eval() first")
        self.parts, self.words, self.budget = parts, words, budget
        self.rows = self._rows(generator)
        self.chunks = list(self._chunks(kind, generator))
        kept = np.zeros(len(self.rows), bool)
        kept[[row for chunk in self.chunks for row in chunk.rows]] = True
        of = np.array([row.question for row in self.rows], int)
        self.asked = np.isin(np.arange(words.questions), of[kept]) & ~np.isin(np.arange(words.questions), of[~kept])
        if not self.asked.any():
            raise UserError(
                "no two concepts have questions and words of the same number of tokens, so that none can give another "
                "its outputs; ask more `concepts`"
            )

    def _rows(self, generator: np.random.Generator) -> list[_Row]:
        chosen: list[int] = []
        for of in (self.words.changed, self.words.same):
            times: dict[int, int] = defaultdict(int)
            for question in generator.permutation(np.flatnonzero(of)):
                concept = int(self.words.concept_of[question])
                if times[concept] < QUESTIONS:
                    times[concept] += 1
                    chosen.append(int(question))
        found = []
        for question in chosen:
            item = self.words.scorer.items[question]
            sides = (item.targets, item.sources if self.words.changed[question] else [])
            found += [
                _Row(question, side, tuple(item.prompt), tuple(form)) for side, of in enumerate(sides) for form in of
            ]
        return found

    def _chunks(self, kind: Kind, generator: np.random.Generator) -> Iterable[_Chunk]:
        by_length: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, row in enumerate(self.rows):
            by_length[len(row.prompt), len(row.form)].append(i)
        for (before, after), rows in by_length.items():
            length = before + after - 1
            need = bytes_a_prompt(self.parts, length, length, ("heads", "attention", "mlp"))
            need += 3 * after * self.parts.unembedding.out_features * self.parts.kind.itemsize
            size = int(np.clip(self.budget // need, 2, ROWS))
            for some in np.array_split(generator.permutation(rows), -(-len(rows) // size)):
                concepts = self.words.concept_of[[self.rows[i].question for i in some]]
                others = concepts[:, None] != concepts
                if others.any(1).all():
                    yield _Chunk([int(i) for i in some], shares(kind, others, generator))

    @torch.no_grad()
    def effects(self, interventions: Sequence[Intervention]) -> tuple[Array, Array]:
        """Return the scores of the whole model, and how each intervention changes them.

        Parameters
        ----------
        interventions : sequence of sequences of (layer, head) or ({"attention", "mlp"}, layer)
            What is taken away together.

        Returns
        -------
        intact : array, shape (measures, concepts)
            NaN where a concept is not asked.
        changes : array, shape (interventions, measures, concepts)

        Raises
        ------
        UserError
            When the model has no such head or part.
        """
        logprob = np.full((1 + len(interventions), len(self.rows)), np.nan)
        places = sorted({place for of in interventions for place in of}, key=str)
        for chunk in self.chunks:
            rows = [self.rows[i] for i in chunk.rows]
            tokens = torch.tensor([[*row.prompt, *row.form] for row in rows], device=self.parts.device)
            instead = self._instead(tokens[:, :-1].tolist(), places, chunk.given)
            for i, of in enumerate(((), *interventions)):
                with ExitStack() as stack:
                    heads = {place: instead[place] for place in of if isinstance(place[0], int)}
                    others = {place: instead[place] for place in of if isinstance(place[0], str)}
                    stack.enter_context(heads_replaced(self.parts, heads))
                    stack.enter_context(parts_replaced(self.parts, others))
                    logprob[i, chunk.rows] = self._said(tokens, len(rows[0].form))
        scores = np.stack([self._measured(of) for of in logprob])
        return scores[0], scores[1:] - scores[0]

    def _instead(self, rows: list[list[int]], places: Sequence[Head | Part], given: Array) -> dict[Head | Part, Tensor]:
        wanted = {"heads" if isinstance(place[0], int) else place[0] for place in places}
        held: dict[Head | Part, list[Tensor]] = {place: [] for place in places}
        for reading in read(self.parts, rows, wanted, budget=self.budget) if places else ():
            for place in places:
                if isinstance(place[0], int):
                    assert reading.heads is not None
                    held[place].append(reading.heads[place[0], :, place[1]])
                else:
                    held[place].append(getattr(reading, place[0])[place[1]])
        return {place: mixed(torch.cat(pieces), given) for place, pieces in held.items()}

    def _said(self, tokens: Tensor, after: int) -> Array:
        """Return log p of the last ``after`` tokens of each row."""
        hidden = self.parts.run(tokens[:, :-1])[:, -after:]
        logprob = as_float32(self.parts.unembedding(hidden)).log_softmax(-1)
        return np.asarray(logprob.gather(-1, tokens[:, -after:, None]).sum((1, 2)).double().cpu())

    def _measured(self, logprob: Array) -> Array:
        forms: dict[tuple[int, int], list[float]] = defaultdict(list)
        for row, value in zip(self.rows, logprob, strict=True):
            if self.asked[row.question]:
                forms[row.side, row.question].append(value)
        both = np.zeros((2, self.words.questions))
        for place, values in forms.items():
            both[place] = np.logaddexp.reduce(values) if np.isfinite(values).all() else np.nan
        return self.words.measured(both[0], both[1], self.asked)
