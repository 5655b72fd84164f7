"""Questions to a model at a checkpoint: words to translate, words to copy, and minimal pairs.

Plain text and correct answers only: a corpus or the word list creates them, ``calque.models.scoring`` asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Segment = tuple[str, str]
"""The code of a language and a piece of text that belongs to it."""


@runtime_checkable
class SegmentedPrompt(Protocol):
    """A prompt that can be taken apart by language, as is needed where each language has tokens of its own."""

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        """Return the text before the answer."""
        ...

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        """Return the text for ``source``, ``target``, ``word`` and ``concept`` in pieces, each with its language."""
        ...


@runtime_checkable
class InContextPrompt(SegmentedPrompt, Protocol):
    """A prompt that can stand after complete lines of its own kind."""

    def in_context(self, source: str, target: str, lines: Sequence[tuple[str, str]], word: str) -> tuple[Segment, ...]:
        """Return the question after complete lines, in pieces, each with its language.

        Parameters
        ----------
        source : str
            Code of the source language.
        target : str
            Code of the target language.
        lines : sequence of (str, str)
            Source word and answer of each.
        word : str
            The source word.

        Returns
        -------
        tuple of Segment
            Code of the language and text, in order.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class WordTask:
    """Word translation over all ordered pairs of languages, same-language repetition, and invented words.

    Attributes
    ----------
    languages : tuple of str
        Codes, length L; sources and targets alike.
    concepts : tuple of str
        Names of the concepts, length C.
    forms : mapping of (language, concept) to tuple of str
        Accepted forms, the headword first. A concept that a language lacks is absent.
    nonce : mapping of language to tuple of str
        Invented words that no text contains; asked with source = target = language.
    prompt : callable
        ``prompt(source, target, word, concept)`` gives the text before the answer; ``concept`` is None for an
        invented word. The answer follows without a space of its own. A ``SegmentedPrompt`` where the language of each
        piece is known.
    stop : str
        What follows a complete answer (such as a closing quotation mark); the answer ends before it.
    exposure : array of int8, shape (L, L, C), optional
        1 where training text pairs these two strings as an entry, 2 where they stand in aligned lines and in no entry,
        0 where neither is so, -1 unknown.
    template : str
        Name of the wording.
    zipf : array of float, shape (L, C), optional
        How common the headwords are: log10 of uses per billion words; NaN where that is not known.
    scripts : mapping of str to str
        Script of each language (ISO 15924); empty when the writing is no real one.
    """

    languages: tuple[str, ...]
    concepts: tuple[str, ...]
    forms: Mapping[tuple[str, str], tuple[str, ...]]
    nonce: Mapping[str, tuple[str, ...]]
    prompt: Callable[[str, str, str, str | None], str]
    stop: str
    exposure: NDArray[np.int8] | None = None
    template: str = ""
    zipf: NDArray[np.floating] | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MinimalPair:
    """Two texts that differ in one property; a model that knows it gives ``good`` the higher probability.

    ``cluster`` names what several pairs share (a unit of measure, a frame), for resampling.
    """

    language: str
    phenomenon: str
    good: str
    bad: str
    cluster: str
