"""The ablation ``parallel``: a share of the training tokens is lines of two languages that translate each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.data.corpus import Corpus, Split
from calque.data.errors import UserError
from calque.data.files import replacing
from calque.data.home import home
from calque.data.mixes.changed import ChangedCorpus
from calque.data.mixes.mix import PARALLEL
from calque.data.mixes.pair_forms import CODES, DICTIONARY, LINES, TABLE, segments_of, taken_apart, written
from calque.data.tasks import Segment, WordTask
from calque.data.words.exposure import ENTRY, IN_LINES, NEVER, in_lines

PAIR_BYTES = 2_000_000
"""Text of a pair of languages in one order, at most: what is there is mostly more, and much more between some."""

LONGEST_LINE = 2000
"""Characters; a longer line is a whole page, and its other half does not fit into a context beside it."""

FORM_WORDS = {
    LINES: "line, translation", TABLE: "line, tab, translation", DICTIONARY: "as a word question, answered",
    CODES: "as a word question with codes, answered",
}  # fmt: skip


class ParallelCorpus(ChangedCorpus):
    """A corpus with one more stream, ``parallel``: documents of a line and the same line in another language.

    Every pair of languages comes in both orders, a part each. A pair of lines is left out when one of them stands
    in a held-out document of its language, when both are the same (not translated), or when one is empty or longer
    than ``LONGEST_LINE``. Where a pair of languages has more than ``PAIR_BYTES``, lines are chosen by their hashes, the
    same in both orders. Nothing of it is held out.

    Parameters
    ----------
    inner : Corpus
        Has aligned lines (``calque.data.mixes.changed.AlignedCorpus``).
    share : float
        Of all training tokens, on top of which the streams of the languages have the rest.
    languages : sequence of str
        Codes of those to pair.
    form : str
        How a pair is written (``calque.data.mixes.pair_forms``).

    Raises
    ------
    UserError
        When the corpus has no aligned lines, or its own fixed streams leave no room.
    """

    def __init__(self, inner: Corpus, share: float, languages: Sequence[str], form: str = LINES) -> None:
        super().__init__(inner)
        self.share, self.paired, self.form = share, tuple(languages), form
        self.aligned(self.paired[0], self.paired[1], "train")
        fixed = sum(own for own in inner.streams().values() if own is not None)
        if fixed + share >= 1:
            raise UserError(
                f"mix 'parallel:{share:g}' leaves the languages nothing: other streams of the corpus '{inner.name}' "
                f"have a share of {fixed:g}; expected less than {1 - fixed:g}"
            )
        self._heldout = cache(self._heldout_lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return ParallelCorpus, (self.inner, self.share, self.paired, self.form)

    def streams(self) -> dict[str, float | None]:
        """Return the streams, ``parallel`` with its share."""
        return {**self.inner.streams(), PARALLEL: self.share}

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of a stream's parts: those of ``parallel`` are pairs such as ``de-en``."""
        if stream != PARALLEL:
            return super().parts(stream)
        return tuple(f"{first}-{second}" for first, second in permutations(self.paired, 2))

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one part."""
        if stream != PARALLEL:
            yield from super().part_documents(stream, part, split)
        elif split == "train":
            first, second = part.split("-")
            for one, other in self._chosen(first, second):
                yield written(self.form, first, one, second, other)

    def _chosen(self, first: str, second: str) -> Iterator[tuple[str, str]]:
        """Yield as many pairs of lines as ``PAIR_BYTES`` allow, in the order of their hashes."""
        found: list[tuple[bytes, str, str]] = []
        for lines in self.aligned(first, second, "train"):
            one, other = (" ".join(line.splitlines()).strip() for line in lines)
            if self._teaches(first, one, second, other):
                found.append((_key("\n".join(sorted((one, other)))), one, other))
        left = PAIR_BYTES
        for _, one, other in sorted(found):
            left -= len(f"{one}\n{other}".encode())
            if left < 0:
                break
            yield one, other

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return a document in pieces with their languages: the source line, all else."""
        if stream != PARALLEL:
            return super().segments(stream, part, document)
        assert part is not None, "the stream parallel has parts"
        first, second = part.split("-")
        one, other = taken_apart(self.form, first, second, document)
        return segments_of(self.form, first, one, second, other)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of the corpus without ``parallel``, so that mixes can be compared."""
        return self.inner.tokenizer()

    def word_task(self) -> WordTask:
        """Return the word questions; where exposure is known, with what aligned lines add to it.

        Of real text, the pairs are those that some line of the stream holds on both sides. A line of a simulated world
        holds any words: all pairs count as paired.
        """
        task = self.inner.word_task()
        if task.exposure is None:
            return task
        if task.scripts:
            return replace(task, exposure=self._with_lines(task, task.exposure))
        paired = np.isin(task.languages, self.paired)
        exposure = np.where((paired[:, None] & paired)[..., None] & (task.exposure == NEVER), ENTRY, task.exposure)
        return replace(task, exposure=exposure.astype(task.exposure.dtype))

    def _with_lines(self, task: WordTask, exposure: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return an exposure with the pairs in lines marked; they are searched once and kept with the prepared data."""
        said = [[*key, *forms] for key, forms in sorted(task.forms.items())]
        key = hashlib.sha256(json.dumps([self.provenance(), said], sort_keys=True).encode()).hexdigest()[:12]
        path = home() / "exposure" / f"{key}.npy"
        if not path.exists():
            pairs = {(first, second): self._chosen(first, second) for first, second in combinations(self.paired, 2)}
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, in_lines(task, pairs))
        found = np.load(path) & (exposure == NEVER)
        return np.where(found, IN_LINES, exposure).astype(np.int8)

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, and what was added."""
        return {**self.inner.provenance(), PARALLEL: {"languages": list(self.paired), "form": FORM_WORDS[self.form]}}

    def _teaches(self, first: str, one: str, second: str, other: str) -> bool:
        if not one or not other or one == other or max(len(one), len(other)) > LONGEST_LINE:
            return False
        return _key(one) not in self._heldout(first) and _key(other) not in self._heldout(second)

    def _heldout_lines(self, code: str) -> frozenset[bytes]:
        documents = self.inner.documents(code, "heldout")
        return frozenset(_key(line) for document in documents for line in document.split("\n"))


def _key(line: str) -> bytes:
    return hashlib.blake2b(" ".join(line.split()).encode(), digest_size=12).digest()
