"""A corpus with changed text: the base class of the ablations ``romanised``, ``parallel`` and ``disjoint``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from tokenizers import Tokenizer

from calque.data.corpus import Corpus, PartedCorpus, Split
from calque.data.errors import UserError
from calque.data.tasks import MinimalPair, Segment, WordTask

WHOLE = "whole"
"""The only part of a stream that has no parts of its own."""


@runtime_checkable
class AlignedCorpus(Protocol):
    """A corpus with lines of two languages that translate each other."""

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Yield such lines of the languages ``first`` and ``second`` from documents of ``split`` only."""
        ...


@runtime_checkable
class SegmentedCorpus(Protocol):
    """A corpus with documents of several languages, which it can take apart."""

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return ``document`` of a ``part`` of ``stream`` in pieces with their languages; joined they equal it."""
        ...


class ChangedCorpus:
    """A corpus like ``inner``, from which everything comes that a subclass does not change (``calque.data.corpus``).

    Parameters
    ----------
    inner : Corpus
    """

    def __init__(self, inner: Corpus) -> None:
        self.inner, self.name, self.languages = inner, inner.name, inner.languages

    def streams(self) -> dict[str, float | None]:
        """Return the streams."""
        return self.inner.streams()

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of a stream's parts."""
        return self.inner.parts(stream) if isinstance(self.inner, PartedCorpus) else (WHOLE,)

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one ``part`` of ``stream`` in ``split``."""
        if isinstance(self.inner, PartedCorpus):
            return self.inner.part_documents(stream, part, split)
        return self.inner.documents(stream, split)

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of all parts of ``stream`` in ``split``."""
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Return the lines of ``first`` and ``second`` in ``split`` that are translations of each other.

        Raises
        ------
        UserError
            When the corpus has none.
        """
        if not isinstance(self.inner, AlignedCorpus):
            raise UserError(
                f"the corpus '{self.name}' has no aligned lines, which the mix 'parallel' needs; "
                "expected the corpus debian or world, or a mix without parallel"
            )
        return self.inner.aligned(first, second, split)

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return ``document`` of a ``part`` of ``stream`` in pieces with their languages; at least one."""
        if isinstance(self.inner, SegmentedCorpus):
            return self.inner.segments(stream, part, document)
        return ((stream, document),)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return self.inner.tokenizer()

    def word_task(self) -> WordTask:
        """Return the word questions."""
        return self.inner.word_task()

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the minimal pairs."""
        return self.inner.minimal_pairs()

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, and what was changed."""
        return self.inner.provenance()
