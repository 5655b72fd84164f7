"""Tokenising one part of a corpus: a file of token ids, with its counts and SHA-256 beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from calque.data.corpus import Corpus, PartedCorpus, Split
from calque.data.files import remove_abandoned, temporary
from calque.data.json_files import write_json
from calque.data.tasks import Segment
from calque.data.tokens.encoding import BlockCorpus, Encoding
from calque.data.tokens.tokenizers import bos

BATCH_CHARACTERS = 1 << 20
PIECE_CHARACTERS = 1 << 18
"""Most characters tokenised at once; longer documents are cut after a line end where there is one."""

OnText = Callable[[int], None]
"""Called with the bytes of text tokenised since the last call."""


@runtime_checkable
class TokenCorpus(Protocol):
    """A corpus that yields its own tokenizer's ids directly, which is faster than reading its text."""

    def token_batches(self, stream: str, split: Split) -> Iterator[NDArray[np.int64]]:
        """Yield whole documents of ``stream`` in ``split`` as token ids, each after the token that begins one."""
        ...

    def document_bytes(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the UTF-8 length of the text of each document in a batch of ``tokens``, shape (documents,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """A part to tokenise.

    Attributes
    ----------
    stream, split : str
    part : str or None
        Name of the part; None is the whole stream of a corpus without parts.
    limit : int or None
        Tokens after whose document the part ends.
    path : Path
        The file to write.
    """

    stream: str
    split: Split
    part: str | None
    limit: int | None
    path: Path

    @property
    def counts_path(self) -> Path:
        """The file of the counts, whose existence marks the part as finished."""
        return self.path.with_suffix(".json")


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """Counts of a file of tokens; ``text_bytes`` is the UTF-8 length of the text, ``sha256`` that of the file."""

    tokens: int
    documents: int
    text_bytes: int
    sha256: str


def read_counts(path: Path, counts_path: Path, dtype: np.dtype[Any]) -> TokenCounts | None:
    """Return the counts of a finished token file, or None when a file is missing or incomplete.

    Parameters
    ----------
    path : Path
        File of token ids.
    counts_path : Path
        Its counts, as JSON.
    dtype : numpy.dtype
        Type of a token id.

    Returns
    -------
    TokenCounts or None
        The counts.
    """
    try:
        counts = TokenCounts(**json.loads(counts_path.read_bytes()))
        size = path.stat().st_size
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return counts if size == counts.tokens * dtype.itemsize else None


def write_counts(counts: TokenCounts, counts_path: Path) -> None:
    """Write ``counts``, which mark a file of tokens as finished, to ``counts_path``."""
    write_json(counts_path, asdict(counts))


def tokenise(corpus: Corpus, encoding: Encoding, job: Job, dtype: np.dtype[Any], on_text: OnText) -> TokenCounts:
    """Write the token ids of a part and return their counts; a finished part is not written again.

    Parameters
    ----------
    corpus : Corpus
    encoding : Encoding
        Not used where the corpus is a ``TokenCorpus``.
    job : Job
    dtype : numpy.dtype
        Wide enough for every token id.
    on_text : callable
        Called with the bytes of text tokenised since its last call.
    """
    if (there := read_counts(job.path, job.counts_path, dtype)) is not None:
        return there
    remove_abandoned(job.path)
    partial = temporary(job.path)
    sha256, tokens, documents, text_bytes = hashlib.sha256(), 0, 0, 0
    try:
        with partial.open("wb") as file:
            for batch in _limited(_batches(corpus, encoding, job), job.limit):
                data = batch.ids.astype(dtype, copy=False).tobytes()
                sha256.update(data)
                file.write(data)
                tokens += len(batch.ids)
                documents += len(batch.ends)
                added = int(batch.text_bytes.sum())
                text_bytes += added
                on_text(added)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, job.path)
    finally:
        partial.unlink(missing_ok=True)
    counts = TokenCounts(tokens=tokens, documents=documents, text_bytes=text_bytes, sha256=sha256.hexdigest())
    write_counts(counts, job.counts_path)
    return counts


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Whole documents: token ids (tokens,), where each document ends and its bytes of text (documents,)."""

    ids: NDArray[np.integer]
    ends: NDArray[np.int64]
    text_bytes: NDArray[np.int64]


def _batches(corpus: Corpus, encoding: Encoding, job: Job) -> Iterator[_Batch]:
    if isinstance(corpus, TokenCorpus):
        first = bos(encoding.tokenizer)
        for ids in corpus.token_batches(job.stream, job.split):
            ends = np.append(np.flatnonzero(ids == first)[1:], len(ids))
            yield _Batch(ids=ids, ends=ends, text_bytes=corpus.document_bytes(ids))
        return
    for texts in _grouped(_documents(corpus, job)):
        if isinstance(corpus, BlockCorpus):
            yield _encoded(encoding, [corpus.segments(job.stream, job.part, text) for text in texts])
        else:
            yield _encoded(encoding, [((job.stream, text),) for text in texts])


def _documents(corpus: Corpus, job: Job) -> Iterator[str]:
    if job.part is None:
        return iter(corpus.documents(job.stream, job.split))
    assert isinstance(corpus, PartedCorpus), "only a corpus with parts is asked for one"
    return iter(corpus.part_documents(job.stream, job.part, job.split))


def _grouped(documents: Iterator[str]) -> Iterator[list[str]]:
    """Group documents so that what is in memory at once does not grow with their number."""
    group: list[str] = []
    characters = 0
    for document in documents:
        group.append(document)
        characters += len(document) + 1
        if characters >= BATCH_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _encoded(encoding: Encoding, documents: list[tuple[Segment, ...]]) -> _Batch:
    pieces, owners, shifts = [], [], []
    for number, segments in enumerate(documents):
        for code, text in segments:
            shift = encoding.shift(code)
            for piece in _pieces(text):
                pieces.append(piece)
                owners.append(number)
                shifts.append(shift)
    tokens = encoding.encode_many(pieces)
    if any(shifts):
        tokens = [ids + np.uint32(shift) for ids, shift in zip(tokens, shifts, strict=True)]
    lengths = np.bincount(owners, [len(ids) for ids in tokens], len(documents)).astype(np.int64) + 1
    ends = np.cumsum(lengths)
    ids = np.empty(ends[-1], np.uint32)
    ids[ends - lengths] = [encoding.begin(segments[0][0]) for segments in documents]
    place, last = 0, -1
    for piece_ids, owner in zip(tokens, owners, strict=True):
        place += owner != last  # the token that begins the document
        ids[place : place + len(piece_ids)] = piece_ids
        place, last = place + len(piece_ids), owner
    text_bytes = [sum(len(text.encode()) for _, text in segments) for segments in documents]
    return _Batch(ids=ids, ends=ends, text_bytes=np.array(text_bytes, np.int64))


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    while len(text) - begin > PIECE_CHARACTERS:
        end = text.rfind("\n", begin, begin + PIECE_CHARACTERS) + 1 or begin + PIECE_CHARACTERS
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _limited(batches: Iterator[_Batch], limit: int | None) -> Iterator[_Batch]:
    """Stop with the document that reaches ``limit`` tokens."""
    left = limit
    for batch in batches:
        if left is not None and len(batch.ids) >= left:
            kept = int(np.searchsorted(batch.ends, left)) + 1
            if left > 0:
                ids = batch.ids[: batch.ends[kept - 1]]
                yield _Batch(ids=ids, ends=batch.ends[:kept], text_bytes=batch.text_bytes[:kept])
            return
        yield batch
        left = None if left is None else left - len(batch.ids)
