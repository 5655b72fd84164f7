"""Logit lens: which word the residual stream says before each block, where a word has to be translated.

Formula: log p of the word's first token after W_U norm(residual), summed over its accepted forms' different first
tokens, nats; at depth d the residual is that after d blocks, so that the last depth is the model itself. Words: the
``target``, the ``source`` word, and the English word as a ``pivot`` where neither language is English; ``_mass`` is the
probability of all first tokens of words of that language which begin no word of another one. Only questions whose
source and target word share no token are asked.
Control: the word of another concept, in the same language. Interval and test: Student's over concepts, adjusted over
depths. Source: nostalgebraist 2020; Wendler et al. 2024 (arXiv 2402.10588). Cost: one forward pass of each prompt, and
the logits of one position at every depth.
Early layers may write in other directions than the last one reads: a low score does not show that the word is not
there. Words that begin with the same token are told apart by none of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read
from calque.models.scoring.words import WordScorer

ROLES = ("target", "source", "pivot")
PIVOT = "en"
AT_ONCE = 1 << 24
"""Logits that are computed at once."""
Array = NDArray[np.float64]
_Tokens = tuple[int, ...]


@torch.no_grad()
def lens_logprobs(parts: ModelParts, residual: Tensor) -> Tensor:
    """Return the log-probabilities of all tokens, shape (..., vocabulary), that the final norm and unembedding give.

    Parameters
    ----------
    parts : ModelParts
    residual : Tensor, shape (..., width)
        Of any depth.
    """
    hidden = parts.norm(residual.to(parts.embedding.weight.dtype)) * parts.output_multiplier
    return as_float32(parts.unembedding(hidden)).log_softmax(-1)


def first_tokens(scorer: WordScorer) -> dict[str, dict[int, _Tokens]]:
    """Return the different first tokens of a concept's forms, by language and place of the concept.

    Parameters
    ----------
    scorer : WordScorer
    """
    task = scorer.task
    return {
        code: {
            k: tuple(sorted({scorer.answer_tokens(code, form)[0] for form in task.forms[code, concept]}))
            for k, concept in enumerate(scorer.concepts) if (code, concept) in task.forms
        }
        for code in task.languages
    }  # fmt: skip


def lens_scores(parts: ModelParts, scorer: WordScorer, *, budget: int = BUDGET) -> dict[str, tuple[Array, Array]]:
    """Return the lens of every role with its control, each (depths, concepts); NaN where a concept is not asked.

    Parameters
    ----------
    parts : ModelParts
    scorer : WordScorer
        Its word questions are asked.
    budget : int
        Bytes that a batch of prompts may take.

    Returns
    -------
    dict of str to (array, array)
        ``target``, ``source``, ``pivot``: log-probabilities; with ``_mass``: probabilities, whose control is the mean
        of the other languages'.
    """
    first, table = first_tokens(scorer), overlap(scorer.task, scorer.encoding)
    items = [item for item in scorer.items if item.place[0] != item.place[1] and table[item.place] == NONE]
    own = _own_tokens(first)
    asked = [_asked(first, scorer.task.languages, item.place) for item in items]
    depths = len(parts.blocks) + 1
    found = {name: np.full((2, depths, len(items)), np.nan) for role in ROLES for name in (role, f"{role}_mass")}
    for reading in read(parts, [i.prompt for i in items], ["residual"], positions=[[-1]] * len(items), budget=budget):
        residual = reading.residual
        assert residual is not None
        step = max(1, AT_ONCE // parts.unembedding.out_features)
        for depth in range(depths):
            for start in range(0, len(reading.prompts), step):
                logprob = lens_logprobs(parts, residual[depth, start : start + step, 0])
                for row, i in enumerate(reading.prompts[start : start + step]):
                    _put(found, logprob[row], asked[i], own, depth, i)
    concepts = np.array([item.place[2] for item in items], int)
    return {
        name: (_by_concept(x[0], concepts, len(scorer.concepts)), _by_concept(x[1], concepts, len(scorer.concepts)))
        for name, x in found.items()
    }


def _put(
    found: Mapping[str, Array], logprob: Tensor, asked: Mapping[str, tuple[str, _Tokens, _Tokens]],
    own: Mapping[str, Tensor], depth: int, i: int,
) -> None:  # fmt: skip
    mass = {code: float(logprob[tokens.to(logprob.device)].exp().sum()) for code, tokens in own.items()}
    for role, (code, word, other) in asked.items():
        found[role][0, depth, i] = float(logprob[list(word)].logsumexp(0))
        if other:
            found[role][1, depth, i] = float(logprob[list(other)].logsumexp(0))
        found[f"{role}_mass"][0, depth, i] = mass[code]
        rest = [value for name, value in mass.items() if name != code]
        found[f"{role}_mass"][1, depth, i] = np.mean(rest) if rest else np.nan


def _asked(
    first: Mapping[str, Mapping[int, _Tokens]], languages: Sequence[str], place: tuple[int, ...]
) -> dict[str, tuple[str, _Tokens, _Tokens]]:
    """Return, by role, the language, the word's first tokens, and those of another concept's word."""
    source, target, k = languages[place[0]], languages[place[1]], place[2]
    codes = {"target": target, "source": source}
    if PIVOT in first and PIVOT not in (source, target) and k in first[PIVOT]:
        codes["pivot"] = PIVOT
    found = {}
    for role, code in codes.items():
        known = sorted(first[code])
        other = first[code][known[(known.index(k) + 1) % len(known)]]
        found[role] = code, first[code][k], tuple(token for token in other if token not in first[code][k])
    return found


def _own_tokens(first: Mapping[str, Mapping[int, _Tokens]]) -> dict[str, Tensor]:
    """Return the first tokens of a language's words that begin no word of another one."""
    sets = {code: {token for tokens in words.values() for token in tokens} for code, words in first.items()}
    times = Counter(token for tokens in sets.values() for token in tokens)
    return {code: torch.tensor(sorted(t for t in tokens if times[t] == 1), dtype=torch.long)
            for code, tokens in sets.items()}  # fmt: skip


def _by_concept(values: Array, concepts: NDArray[np.int_], count: int) -> Array:
    """Return means over the questions of each concept, shape (depths, concepts)."""
    there = np.isfinite(values).all(0)
    found = np.full((len(values), count), np.nan)
    for k in range(count):
        chosen = there & (concepts == k)
        if chosen.any():
            found[:, k] = values[:, chosen].mean(1)
    return found
