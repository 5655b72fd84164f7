"""A question for a word, and a model's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calque.data.answers import LoggedAnswer

Report = Callable[[int, int], None]
"""Called with the number of questions answered so far, and of all questions."""


PartReport = Callable[[str, int, int], None]
"""The same, with the part of the scoring in front: one of ``calque.models.scoring.selection.TASKS``."""
Keep = Callable[[LoggedAnswer], None]
"""Called with every answer that is logged."""


def no_report(done: int, of: int) -> None:
    """Ignore that ``done`` of ``of`` questions are answered."""


def no_part_report(part: str, done: int, of: int) -> None:
    """Ignore that ``done`` of ``of`` questions of ``part`` are answered."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question for one word.

    Attributes
    ----------
    place : tuple of int
        Indices (source, target, concept), or (language, word) of an invented word.
    target : str
        Code of the language of the answer.
    text : str
        The prompt.
    prompt : list of int
        Its tokens, after the one that begins a document.
    targets, sources : list of list of int
        Tokens of the accepted answers, and of the source word.
    accepted, source_words : frozenset of str
        The same as normalised text.
    elsewhere : mapping of str to frozenset of str
        The concept's words in each language.
    """

    place: tuple[int, ...]
    target: str
    text: str
    prompt: list[int]
    targets: list[list[int]]
    sources: list[list[int]]
    accepted: frozenset[str]
    source_words: frozenset[str]
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)


def of_different_concepts(items: Sequence[Question], most: int, generator: np.random.Generator) -> list[Question]:
    """Return word questions drawn from ``items``, at most so many, of different concepts first.

    Parameters
    ----------
    items : sequence of Question
    most : int
    generator : np.random.Generator
    """
    times, ranked = dict[int, int](), []
    for i in generator.permutation(len(items)):
        k = items[i].place[2]
        times[k] = times.get(k, 0) + 1
        ranked.append((times[k], i))
    return [items[i] for _, i in sorted(ranked)[:most]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's answer to a question.

    Attributes
    ----------
    question : Question
    tokens : list of int, optional
        Generated greedily; None where logits were not finite.
    targets, sources : array of float32
        Log-probability (nats) of every target form and of every source form; empty where it was not computed.
    """

    question: Question
    tokens: list[int] | None
    targets: NDArray[np.float32]
    sources: NDArray[np.float32]
