"""Token shards: a corpus as memory-mapped token ids, one file for each stream and split, with provenance and hashes.

A folder holds ``tokenizer.json``, ``meta.json`` and ``STREAM.SPLIT.bin`` files of little-endian uint16, or uint32 where
the vocabulary needs it. Each document follows the token that begins one. The folder is made, part by part, in a hidden
one beside it and renamed when complete: a folder under its own name is complete, and an interrupted preparation resumes
with the first missing part. The result is the same bytes for any number of interruptions and processes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calque.data.corpus import Corpus
from calque.data.errors import STORAGE, UserError, file_error
from calque.data.locks import locked
from calque.data.shards.folder import REMEDY, SCHEMA, Shard, Shards
from calque.data.shards.pool import Task
from calque.data.shards.streams import OnProgress, Progress, Streams
from calque.data.shards.tokenise import TokenCorpus
from calque.data.shards.work import WorkFolder
from calque.data.tokens import fertility
from calque.data.tokens.encoding import Encoding, blocks_of
from calque.data.tokens.tokenizers import digest, load

__all__ = ["OnProgress", "Progress", "Shard", "Shards", "TokenCorpus", "prepare"]


def prepare(
    corpus: Corpus,
    tokenizer: Tokenizer | Callable[[], Tokenizer],
    folder: str | os.PathLike[str],
    *,
    max_tokens: Mapping[str, int] | int | None = None,
    max_heldout_tokens: int | None = None,
    workers: int = 1,
    on_progress: OnProgress = lambda progress: None,
) -> Shards:
    """Write a corpus as shards, or return those that are there already.

    Parameters
    ----------
    corpus : Corpus
        A ``PartedCorpus`` is read part by part.
    tokenizer : tokenizers.Tokenizer or callable
        A callable (such as ``corpus.tokenizer``) is called when no interrupted preparation has kept its answer. A
        ``TokenCorpus``'s own is not run: its ids come directly.
    folder : path
        Appears when it is complete, never before; its parents are made.
    max_tokens : int or mapping of stream to int, optional
        Most tokens of a training stream, which ends with the document that reaches them.
    max_heldout_tokens : int, optional
        The same for each held-out stream.
    workers : int
        Processes that tokenise; with 1 it happens in this one.
    on_progress : callable
        Called a few times a second.

    Returns
    -------
    Shards

    Raises
    ------
    UserError
        When ``folder`` holds something else (other text, tokenizer or limits, or no complete shards), which is left as
        it is; when the folder cannot be written or the disk is full. What was finished is kept for the next call.
    """
    if workers < 1:
        raise UserError(f"workers is {workers}; expected 1 or more")
    folder = Path(folder)
    streams = corpus.streams()
    train_limits = max_tokens if isinstance(max_tokens, Mapping) else dict.fromkeys(streams, max_tokens)
    limits = {stream: {"train": train_limits.get(stream), "heldout": max_heldout_tokens} for stream in streams}
    recipe: dict[str, Any] = {"schema": SCHEMA, "max_tokens": limits, "corpus": corpus.provenance()}
    given = digest(tokenizer) if isinstance(tokenizer, Tokenizer) else None
    work = WorkFolder(folder)
    if (there := _already_there(folder, recipe, given)) is not None:
        work.remove()
        return there
    with (
        _complaints(folder),
        locked(work.lock, on_wait=lambda: on_progress(Progress(doing="waits for another process"))),
    ):
        if (there := _already_there(folder, recipe, given)) is not None:  # another process was first
            work.remove()
            return there
        work.begin({**recipe, "tokenizer_sha256": given})
        on_progress(Progress(doing="makes the tokenizer"))
        file = work.tokenizer_file((lambda: tokenizer) if isinstance(tokenizer, Tokenizer) else tokenizer)
        made, sha256 = load(file), hashlib.sha256(file.read_bytes()).hexdigest()
        encoding = Encoding(made, blocks_of(corpus))
        dtype = np.dtype("<u2" if encoding.vocabulary <= 1 << 16 else "<u4")
        task = Task(corpus=corpus, tokenizer_file=file, dtype=dtype.str)
        counts = Streams(task, encoding, limits, work, on_progress).tokenise(workers)
        on_progress(Progress(doing="measures fertility"))
        work.publish(
            {
                **recipe,
                "tokenizer_sha256": sha256,
                "fingerprint": _fingerprint(recipe, sha256),
                "vocabulary": encoding.vocabulary,
                "blocks": encoding.blocks,
                "fertility": fertility.of_corpus(made, corpus),
                "shards": [
                    {"stream": stream, "split": split, "dtype": dtype.str, **asdict(held)}
                    for (stream, split), held in counts.items()
                ],
            }
        )
    return Shards.open(folder)


def _fingerprint(recipe: dict[str, Any], tokenizer_sha256: str) -> str:
    whole = {**recipe, "tokenizer_sha256": tokenizer_sha256}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _already_there(folder: Path, recipe: dict[str, Any], tokenizer_sha256: str | None) -> Shards | None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    shards = Shards.open(folder)
    if shards.fingerprint != _fingerprint(recipe, tokenizer_sha256 or shards.tokenizer_sha256):
        raise UserError(f"{folder} holds shards of other text, tokenizer or limits; {REMEDY}")
    return shards


@contextmanager
def _complaints(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        found = file_error(error, "write", f"shards to {folder}")
        raise type(found)(f"{found}: what is finished is kept") from error
