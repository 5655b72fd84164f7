"""Token shards: a corpus as memory-mapped token ids, one file a stream and split, with provenance and hashes.

A folder holds ``tokenizer.json``, ``meta.json`` and ``STREAM.SPLIT.bin`` files of little-endian uint16, or
uint32 where the vocabulary needs it. Each document follows a ``<bos>``. The folder is made under a temporary
name and renamed when complete, so a folder under its own name is whole.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.corpora.base import Corpus, Split
from data.errors import UserError
from data.tokenizers import BOS, digest, load, save

SCHEMA = 1
META, TOKENIZER = "meta.json", "tokenizer.json"
DOCUMENTS_AT_ONCE = 1000
REMEDY = "remove the folder to have it made again, or choose another"
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)
SPLITS: tuple[Split, ...] = get_args(Split)


@runtime_checkable
class TokenCorpus(Protocol):
    """A corpus that yields its own tokenizer's ids directly, which is faster than reading its text."""

    def token_batches(self, stream: str, split: Split) -> Iterator[NDArray[np.int64]]:
        """Yield whole documents as token ids, each after a ``<bos>``."""
        ...

    def document_bytes(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the UTF-8 length of the text of each document in such a batch, shape (documents,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One stream's tokens of one split.

    Attributes
    ----------
    stream, split : str
    tokens, documents : int
        Tokens include the ``<bos>`` before each document.
    text_bytes : int
        UTF-8 length of the documents' text: bits per byte = nats per token x tokens / (text_bytes x ln 2).
    sha256 : str
        Of the file, in hexadecimal.
    dtype : str
        ``<u2`` or ``<u4``.
    path : Path
    """

    stream: str
    split: Split
    tokens: int
    documents: int
    text_bytes: int
    sha256: str
    dtype: str
    path: Path

    @cached_property
    def ids(self) -> NDArray[np.unsignedinteger]:
        """The token ids, memory-mapped, shape (tokens,)."""
        if self.tokens == 0:
            return np.empty(0, self.dtype)
        return np.memmap(self.path, self.dtype, "r", shape=(self.tokens,))


@dataclass(frozen=True, kw_only=True)
class Shards:
    """A folder of shards.

    Attributes
    ----------
    folder : Path
    fingerprint : str
        Hash of what the shards were made from: corpus, tokenizer and limits.
    tokenizer_sha256 : str
    vocabulary : int
        Number of tokens of the tokenizer.
    provenance : dict
        As the corpus gave it: licence, source, settings.
    train, heldout : dict of str to Shard
        By stream.
    """

    folder: Path
    fingerprint: str
    tokenizer_sha256: str
    vocabulary: int
    provenance: dict[str, Any]
    train: dict[str, Shard]
    heldout: dict[str, Shard]

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, tokenizer_sha256: str | None = None, verify: bool = False
    ) -> Shards:
        """Open a folder of shards; the tokens are not read yet.

        Parameters
        ----------
        folder : path
        tokenizer_sha256 : str, optional
            The tokenizer that the shards must have been made with.
        verify : bool
            Read every file and compare its hash (sizes are always compared).

        Raises
        ------
        UserError
            When there are no complete shards, a file is missing, truncated or changed, or the tokenizer is
            another.
        """
        folder = Path(folder)
        meta = _read_meta(folder)
        if tokenizer_sha256 not in (None, meta["tokenizer_sha256"]):
            raise UserError(
                f"the shards in {folder} were made with another tokenizer ({meta['tokenizer_sha256'][:12]}, "
                f"expected {str(tokenizer_sha256)[:12]}); {REMEDY}"
            )
        found: dict[str, dict[str, Shard]] = {"train": {}, "heldout": {}}
        for entry in meta["shards"]:
            shard = Shard(path=folder / _file_name(entry["stream"], entry["split"]), **entry)
            found[shard.split][shard.stream] = shard
            _check_file(shard, verify)
        return cls(
            folder=folder,
            fingerprint=meta["fingerprint"],
            tokenizer_sha256=meta["tokenizer_sha256"],
            vocabulary=meta["vocabulary"],
            provenance=meta["corpus"],
            train=found["train"],
            heldout=found["heldout"],
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the shards were made with.

        Raises
        ------
        UserError
            When its file has been changed.
        """
        tokenizer = load(self.folder / TOKENIZER)
        if digest(tokenizer) != self.tokenizer_sha256:
            raise UserError(f"{self.folder / TOKENIZER} is not the tokenizer of these shards; {REMEDY}")
        return tokenizer


def prepare(
    corpus: Corpus,
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    *,
    max_tokens: Mapping[str, int] | int | None = None,
    max_heldout_tokens: int | None = None,
) -> Shards:
    """Write a corpus as shards, or return those that are there already.

    Parameters
    ----------
    corpus : Corpus
    tokenizer : tokenizers.Tokenizer
        Has a token ``<bos>``. A corpus's own (``TokenCorpus``) is not run: its ids come directly.
    folder : path
        Appears when it is complete, never before; its parents are made.
    max_tokens : int or mapping of stream to int, optional
        Stop a training stream with the document that reaches so many tokens.
    max_heldout_tokens : int, optional
        The same for each held-out stream.

    Returns
    -------
    Shards

    Raises
    ------
    UserError
        When ``folder`` holds something else (other text, tokenizer or limits, or no complete shards), which
        is left as it is; when the folder cannot be written or the disk is full, and what was half written is
        removed.
    """
    folder = Path(folder)
    streams = corpus.streams()
    train_limits = max_tokens if isinstance(max_tokens, Mapping) else dict.fromkeys(streams, max_tokens)
    limits = {stream: {"train": train_limits.get(stream), "heldout": max_heldout_tokens} for stream in streams}
    recipe: dict[str, Any] = {
        "schema": SCHEMA,
        "tokenizer_sha256": digest(tokenizer),
        "max_tokens": limits,
        "corpus": corpus.provenance(),
    }
    recipe["fingerprint"] = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    if (there := _already_there(folder, recipe["fingerprint"])) is not None:
        return there
    partial = folder.with_name(f"{_partial_prefix(folder)}{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        try:
            partial.mkdir()
            _write(corpus, tokenizer, partial, recipe)
            _publish(partial, folder, recipe["fingerprint"])
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise UserError(
            f"cannot write shards to {folder}: {error.strerror}; free some space or choose another folder"
        ) from error
    return Shards.open(folder)


def _already_there(folder: Path, fingerprint: str) -> Shards | None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    shards = Shards.open(folder)
    if shards.fingerprint != fingerprint:
        raise UserError(f"{folder} holds shards of other text, tokenizer or limits; {REMEDY}")
    return shards


def _partial_prefix(folder: Path) -> str:
    return f".{folder.name}.partial-{socket.gethostname()}-"


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes of this machine that no longer run left half written."""
    for partial in folder.parent.glob(f"{glob.escape(_partial_prefix(folder))}*"):
        try:
            os.kill(int(partial.name.rpartition("-")[2]), 0)
        except ProcessLookupError:
            shutil.rmtree(partial, ignore_errors=True)
        except PermissionError:  # runs, under another user
            pass


def _publish(partial: Path, folder: Path, fingerprint: str) -> None:
    try:
        os.replace(partial, folder)
    except OSError:
        if _already_there(folder, fingerprint) is None:  # else another process was first
            raise
    _sync_folder(folder.parent)


def _write(corpus: Corpus, tokenizer: Tokenizer, folder: Path, recipe: dict[str, Any]) -> None:
    vocabulary = tokenizer.get_vocab_size()
    dtype = np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")
    entries = []
    for stream, limits in recipe["max_tokens"].items():
        for split in SPLITS:
            batches = _batches(corpus, tokenizer, stream, split)
            path = folder / _file_name(stream, split)
            counts = _write_tokens(path, dtype, _limited(batches, limits[split]))
            entries.append({"stream": stream, "split": split, "dtype": dtype.str, **counts})
    save(tokenizer, folder / TOKENIZER)
    text = json.dumps({**recipe, "vocabulary": vocabulary, "shards": entries}, indent=1, ensure_ascii=False)
    with (folder / META).open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)


def _write_tokens(path: Path, dtype: np.dtype[Any], batches: Iterator[_Batch]) -> dict[str, Any]:
    sha256, tokens, documents, text_bytes = hashlib.sha256(), 0, 0, 0
    with path.open("wb") as file:
        for batch in batches:
            data = batch.ids.astype(dtype).tobytes()
            sha256.update(data)
            file.write(data)
            tokens += len(batch.ids)
            documents += len(batch.ends)
            text_bytes += int(batch.text_bytes.sum())
        file.flush()
        os.fsync(file.fileno())
    return {
        "tokens": tokens,
        "documents": documents,
        "text_bytes": text_bytes,
        "sha256": sha256.hexdigest(),
    }


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Whole documents: token ids (tokens,), where each document ends and its bytes of text (documents,)."""

    ids: NDArray[np.int64]
    ends: NDArray[np.int64]
    text_bytes: NDArray[np.int64]


def _batches(corpus: Corpus, tokenizer: Tokenizer, stream: str, split: Split) -> Iterator[_Batch]:
    bos = tokenizer.token_to_id(BOS)
    if isinstance(corpus, TokenCorpus):
        for ids in corpus.token_batches(stream, split):
            ends = np.append(np.flatnonzero(ids == bos)[1:], len(ids))
            yield _Batch(ids=ids, ends=ends, text_bytes=corpus.document_bytes(ids))
        return
    documents = iter(corpus.documents(stream, split))
    while texts := list(islice(documents, DOCUMENTS_AT_ONCE)):
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        yield _Batch(
            ids=np.array([token for document in encoded for token in (bos, *document.ids)], np.int64),
            ends=np.cumsum([1 + len(document.ids) for document in encoded]),
            text_bytes=np.array([len(text.encode()) for text in texts], np.int64),
        )


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


def _file_name(stream: str, split: str) -> str:
    return f"{stream}.{split}.bin"


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} holds no complete token shards ({META} is missing); {REMEDY}") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(f"{folder / META} is damaged; {REMEDY}") from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise UserError(f"{folder / META} is not of schema {SCHEMA}; {REMEDY}")
    return meta


def _check_file(shard: Shard, verify: bool) -> None:
    expected = shard.tokens * np.dtype(shard.dtype).itemsize
    size = shard.path.stat().st_size if shard.path.exists() else None
    if size is None:
        raise UserError(f"the shard {shard.path} is missing; {REMEDY}")
    if size != expected:
        raise UserError(f"the shard {shard.path} has {size} bytes, expected {expected}; {REMEDY}")
    if verify:
        with shard.path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                raise UserError(f"the shard {shard.path} has been changed since it was written; {REMEDY}")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
