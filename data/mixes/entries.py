"""The change ``entries``: a share of the training tokens is entries of catalogues, a word beside its translation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any, Protocol, runtime_checkable

from calque.data.corpus import Corpus, Split
from calque.data.errors import UserError
from calque.data.mixes.changed import ChangedCorpus
from calque.data.mixes.mix import ENTRIES
from calque.data.mixes.pair_forms import TABLE, segments_of, taken_apart, written
from calque.data.tasks import Segment, WordTask
from calque.data.words.exposure import ENTRY
from calque.data.words.words import normalise

ENTRIES_A_DOCUMENT = 8
ORDERS = 10
"""Orders in which the entries of a pair of languages are written: a run that reads them often sees other neighbours."""


@runtime_checkable
class EntryCorpus(Protocol):
    """A corpus with word pairs of its own."""

    def entries(self, first: str, second: str, concepts: int | None = None) -> Iterator[tuple[str, str]]:
        """Yield the words of the languages ``first`` and ``second`` that training text may pair.

        Parameters
        ----------
        first, second : str
            Codes.
        concepts : int, optional
            Those of the first so many concepts that are asked; None is all words.
        """
        ...


class EntriesCorpus(ChangedCorpus):
    """A corpus with one more stream, ``entries``: documents of eight words, each with its translation.

    Every pair of languages comes in both orders, a part each, and each part in ``ORDERS`` orders of its entries.
    Nothing of it is held out; what the corpus holds out as a pair of words is not in it.

    Parameters
    ----------
    inner : Corpus
        Stands on one with entries.
    entries_of : EntryCorpus
        That one.
    share : float
        Of all training tokens, on top of which the streams of the languages have the rest.
    languages : sequence of str
        Codes of those to pair.
    form : str
        ``table``, ``dictionary`` or ``codes`` (``calque.data.mixes.pair_forms``).
    concepts : int, optional
        Entries of the first so many concepts that are asked; None is all entries.
    """

    def __init__(
        self, inner: Corpus, entries_of: EntryCorpus, share: float, languages: Sequence[str], form: str = TABLE,
        concepts: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(inner)
        self.entries_of, self.share, self.paired, self.form = entries_of, share, tuple(languages), form
        self.concepts = concepts

    def __reduce__(self) -> tuple[Any, ...]:
        return EntriesCorpus, (self.inner, self.entries_of, self.share, self.paired, self.form, self.concepts)

    def streams(self) -> dict[str, float | None]:
        """Return the streams, ``entries`` with its share."""
        return {**self.inner.streams(), ENTRIES: self.share}

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of a stream's parts: those of ``entries`` are pairs such as ``de-en``."""
        if stream != ENTRIES:
            return super().parts(stream)
        return tuple(f"{first}-{second}" for first, second in permutations(self.paired, 2))

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one part."""
        if stream != ENTRIES:
            yield from super().part_documents(stream, part, split)
        elif split == "train":
            first, second = part.split("-")
            pairs = list(self.entries_of.entries(first, second, self.concepts))
            for order in range(ORDERS):
                shuffled = sorted(pairs, key=partial(_place, order))
                lines = [written(self.form, first, one, second, other) for one, other in shuffled]
                for start in range(0, len(lines), ENTRIES_A_DOCUMENT):
                    yield "\n".join(lines[start : start + ENTRIES_A_DOCUMENT])

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return a document in pieces with their languages: the source words, all else."""
        if stream != ENTRIES:
            return super().segments(stream, part, document)
        assert part is not None, "the stream entries has parts"
        first, second = part.split("-")
        pieces: list[Segment] = []
        for line in document.split("\n"):
            pieces += [(second, "\n")] if pieces else []
            one, other = taken_apart(self.form, first, second, line)
            pieces += segments_of(self.form, first, one, second, other)
        return tuple(pieces)

    def word_task(self) -> WordTask:
        """Return the word questions; where exposure is known, the pairs that are entries count as such."""
        task = self.inner.word_task()
        if task.exposure is None:
            return task
        exposure = task.exposure.copy()
        for first, second in permutations(self.paired, 2):
            entries = self.entries_of.entries(first, second, self.concepts)
            pairs = {(normalise(one), normalise(other)) for one, other in entries}
            s, t = task.languages.index(first), task.languages.index(second)
            for k, concept in enumerate(task.concepts):
                head = normalise(task.forms[first, concept][0])
                if any((head, normalise(form)) in pairs for form in task.forms[second, concept]):
                    exposure[s, t, k] = ENTRY
        return replace(task, exposure=exposure)

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, and what was added."""
        own: dict[str, Any] = {"languages": list(self.paired), "form": self.form}
        if self.concepts is not None:
            own["concepts"] = self.concepts
        return {**self.inner.provenance(), ENTRIES: own}


def with_entries(
    corpus: Corpus, plain: Corpus, share: float, languages: Sequence[str], form: str, concepts: int | None = None
) -> EntriesCorpus:
    """Return a corpus with entries.

    Parameters
    ----------
    corpus : Corpus
        The corpus as the mix has it so far.
    plain : Corpus
        The corpus itself.
    share, languages, form, concepts
        As in :class:`EntriesCorpus`.

    Raises
    ------
    UserError
        When the corpus has no entries.
    """
    if not isinstance(plain, EntryCorpus):
        raise UserError(
            f"the corpus '{plain.name}' has no catalogues, which the mix 'entries' needs; "
            "expected the corpus debian, or a mix without entries"
        )
    return EntriesCorpus(corpus, plain, share, languages, form, concepts)


def _place(order: int, pair: tuple[str, str]) -> bytes:
    return hashlib.blake2b("\n".join((str(order), *sorted(pair))).encode(), digest_size=12).digest()
