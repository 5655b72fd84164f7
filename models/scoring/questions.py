"""One word asked, and what a model answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Report = Callable[[int, int], None]
"""Told how many questions of how many are answered."""


def no_report(done: int, of: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One word asked.

    Attributes
    ----------
    place : tuple of int
        (source, target, concept), or (language, word) of an invented word.
    target : str
        Code of the language asked for.
    text : str
        The prompt.
    prompt : list of int
        Its tokens, the one that begins a document first.
    targets, sources : list of list of int
        Tokens of the accepted answers, and of the source word.
    accepted, source_words : frozenset of str
        The same as they are compared.
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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said: the greedy tokens, and the log-probability (nats) of every target and source form."""

    question: Question
    tokens: list[int]
    targets: NDArray[np.float32]
    sources: NDArray[np.float32]
