"""What every corpus offers, whether its text is vendored, fetched or simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from tokenizers import Tokenizer

from data.tasks import MinimalPair, WordTask

Split = Literal["train", "heldout"]


class Corpus(Protocol):
    """Documents by stream: one stream a language, and possibly ``glossary`` with lines of two languages.

    Attributes
    ----------
    name : str
        The word a study file uses.
    languages : tuple of str
        Codes of the languages it holds.
    """

    name: str
    languages: tuple[str, ...]

    def streams(self) -> dict[str, float | None]:
        """Return the streams; a number is a fixed share of training tokens, None means the mix's share."""
        ...

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of a stream; the splits share no document and no paragraph."""
        ...

    def tokenizer(self) -> Tokenizer | None:
        """Return the corpus's own tokenizer, or None when one is to be trained on its text."""
        ...

    def word_task(self) -> WordTask:
        """Return the words asked at every checkpoint."""
        ...

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the minimal pairs asked at every checkpoint; a language without the phenomenon has none."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, as JSON-ready values; kept in the shards' metadata."""
        ...
