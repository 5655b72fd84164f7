"""The interface of every corpus, whether its text is vendored, fetched or simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

from tokenizers import Tokenizer

from calque.data.tasks import MinimalPair, WordTask

Split = Literal["train", "heldout"]


class Corpus(Protocol):
    """Documents by stream: one stream for each language, and possibly others with lines of two languages.

    A corpus can be pickled: preparation sends it to other processes.

    Attributes
    ----------
    name : str
        Its name in study files.
    languages : tuple of str
        Codes of its languages.
    """

    name: str
    languages: tuple[str, ...]

    def streams(self) -> dict[str, float | None]:
        """Return the streams by name: a number is a fixed share of training tokens, None is the share of the mix."""
        ...

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of ``stream`` in ``split``; the splits share no document and no paragraph."""
        ...

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of this text; if it is to be trained on the text, that happens now."""
        ...

    def word_task(self) -> WordTask:
        """Return the word questions of every checkpoint."""
        ...

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the minimal pairs of every checkpoint; a language without the phenomenon has none."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, as JSON-ready values; kept in the shards' metadata.

        The same text has the same provenance, at any time and on any machine.
        """
        ...


@runtime_checkable
class PartedCorpus(Protocol):
    """A corpus whose streams consist of parts that can be read independently.

    Preparation resumes after an interruption with the first missing part, and reads several parts in parallel. A
    stream of a corpus without parts is read as one part.
    """

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of the parts of ``stream``, in a fixed order."""
        ...

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one ``part`` of ``stream`` in ``split``; the parts in order make up the stream."""
        ...
