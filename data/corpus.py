"""What every corpus offers, whether its text is vendored, fetched or simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

from tokenizers import Tokenizer

from calque.data.tasks import MinimalPair, WordTask

Split = Literal["train", "heldout"]


class Corpus(Protocol):
    """Documents by stream: one stream a language, and possibly further ones with lines of two languages.

    A corpus and what it is made from can be pickled: preparation hands it to other processes.

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

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of this text; one that is to be trained on it is trained now."""
        ...

    def word_task(self) -> WordTask:
        """Return the words asked at every checkpoint."""
        ...

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the minimal pairs asked at every checkpoint; a language without the phenomenon has none."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, as JSON-ready values; kept in the shards' metadata.

        The same text has the same provenance, whenever and wherever it is asked.
        """
        ...


@runtime_checkable
class PartedCorpus(Protocol):
    """A corpus whose streams come in parts that can be read one without the other.

    Preparation then goes on after an interruption with the first part that is missing, and reads several parts at
    the same time. A corpus without parts is read as one part a stream.
    """

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of a stream's parts, in a fixed order."""
        ...

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one part; all parts one after the other are the stream."""
        ...
