"""Patching of concept and language: from which depth on a concept serves another language.

The residual of one question (concept A, answered in language t) takes the place of that of another question (concept B,
answered in language u) at the last position, after d blocks. Formulas, first tokens, nats: ``concept`` is log p(A in u)
patched minus as it was: what was patched says which concept, and the rest of the prompt which language; ``language`` is
the same of log p(B in t). Controls: a third concept's question is patched (concept); one of A that is answered in u
(language). Interval and paired test: Student's over concepts, adjusted over depths. Source: Dumas et al. 2025
(arXiv 2411.08745). Cost: two reading passes of each question, and three passes from each depth on. An effect at one
depth shows that later blocks can use what was patched, not that they do so in a prompt that nobody changed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.layers.lens import first_tokens
from calque.models.layers.settings import MOST, LayerSettings
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read
from calque.models.reading.replacing import residual_replaced
from calque.models.scoring.questions import Question
from calque.models.scoring.words import WordScorer

Array = NDArray[np.float64]
TRIES = 10
"""Other questions that are tried for each."""


@dataclass(frozen=True)
class PatchedQuestions:
    """Questions that are patched into another one.

    Attributes
    ----------
    given : Question
        Concept A, answered in t.
    into : Question
        Concept B, answered in u.
    third : Question
        A third concept, with the languages of ``given``.
    same : Question
        Concept A, answered in u, from the source language of ``given``.
    concept_tokens, language_tokens : tuple of int
        First tokens of A in u, and of B in t.
    """

    given: Question
    into: Question
    third: Question
    same: Question
    concept_tokens: tuple[int, ...]
    language_tokens: tuple[int, ...]


def patched_questions(scorer: WordScorer, generator: np.random.Generator) -> list[PatchedQuestions]:
    """Return pairs of questions whose four words begin with different tokens, at most ``MOST`` for each concept.

    Parameters
    ----------
    scorer : WordScorer
    generator : np.random.Generator

    Raises
    ------
    UserError
        When there are less than four concepts of them: two target languages and three concepts are needed.
    """
    first, languages = first_tokens(scorer), scorer.task.languages
    asked = {item.place: item for item in scorer.items}
    times: dict[int, int] = defaultdict(int)
    found = []
    items = [item for item in scorer.items if item.place[0] != item.place[1]]
    for i in np.repeat(generator.permutation(len(items)), TRIES):
        s, t, a = items[i].place
        if times[a] >= MOST:
            continue
        v, u, b = items[generator.integers(len(items))].place
        c = int(generator.integers(len(scorer.concepts)))
        places = ((v, u, b), (s, t, c), (s, u, a))
        if len({a, b, c}) < 3 or t == u or s == u or any(place not in asked for place in places):
            continue
        words = [first[languages[code]].get(k, ()) for code, k in ((u, a), (u, b), (t, a), (t, b))]
        tokens = [token for word in words for token in word]
        if all(words) and len(set(tokens)) == len(tokens):
            times[a] += 1
            into, third, same = (asked[place] for place in places)
            found.append(PatchedQuestions(items[i], into, third, same, words[0], words[3]))
    if len(times) < 4:
        raise UserError(
            f"`probes` has patching, and {plural(len(times), 'concept')} with "
            "questions whose words begin with different tokens; "
            "expected 4 or more: leave it out, or ask more words in three languages or more"
        )
    return found


@torch.no_grad()
def patching_scores(
    parts: ModelParts, scorer: WordScorer, settings: LayerSettings, *, budget: int = BUDGET
) -> dict[str, tuple[Array, Array]]:
    """Return the effects on ``concept`` and ``language`` with their controls, each (depths, concepts).

    Parameters
    ----------
    parts : ModelParts
    scorer : WordScorer
        Its word questions are asked.
    settings : LayerSettings
    budget : int
        Bytes that a batch of prompts may take when they are read.

    Raises
    ------
    UserError
        When there are too few questions.
    """
    words = patched_questions(scorer, np.random.default_rng(np.random.SeedSequence([settings.seed, 6])))
    depths = len(parts.blocks) + 1
    held = {
        name: _residuals(parts, [getattr(one, name) for one in words], budget) for name in ("given", "third", "same")
    }
    effects = {name: np.empty((2, depths, len(words))) for name in ("concept", "language")}
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, one in enumerate(words):
        by_length[len(one.into.prompt)].append(i)
    for rows in by_length.values():
        tokens = torch.tensor([words[i].into.prompt for i in rows], device=parts.device)
        plain = _said(parts, tokens, [words[i] for i in rows])
        for depth in range(depths):
            said = {}
            for name, residual in held.items():
                with residual_replaced(parts, depth, residual[depth, rows]):
                    said[name] = _said(parts, tokens, [words[i] for i in rows]) - plain
            effects["concept"][:, depth, rows] = said["given"][0], said["third"][0]
            effects["language"][:, depth, rows] = said["given"][1], said["same"][1]
    concepts = np.array([one.given.place[2] for one in words])
    count = len(scorer.concepts)
    return {name: (_means(x[0], concepts, count), _means(x[1], concepts, count)) for name, x in effects.items()}


def _residuals(parts: ModelParts, items: list[Question], budget: int) -> Tensor:
    """Return the residual at the last position of each prompt, shape (depths, prompts, width)."""
    found = torch.empty(len(parts.blocks) + 1, len(items), parts.width, device=parts.device, dtype=parts.kind)
    prompts = [item.prompt for item in items]
    for reading in read(parts, prompts, ["residual"], positions=[[-1]] * len(items), budget=budget):
        assert reading.residual is not None
        found[:, reading.prompts] = reading.residual[:, :, 0]
    return found


def _said(parts: ModelParts, tokens: Tensor, words: list[PatchedQuestions]) -> Array:
    """Return log p of A in u and of B in t after each prompt, shape (2, prompts)."""
    final = parts.run(tokens)[:, -1]
    logprob = parts.unembedding(final).to(parts.kind).log_softmax(-1)
    return np.array([
        [float(row[list(getattr(one, name))].logsumexp(0)) for row, one in zip(logprob, words, strict=True)]
        for name in ("concept_tokens", "language_tokens")
    ])  # fmt: skip


def _means(values: Array, concepts: NDArray[np.int_], count: int) -> Array:
    """Return means over the pairs of each concept, shape (depths, concepts)."""
    found = np.full((len(values), count), np.nan)
    for k in np.unique(concepts):
        found[:, k] = values[:, concepts == k].mean(1)
    return found
