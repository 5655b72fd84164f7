"""A finished folder of token shards: what it holds, and the checks that it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.data.corpus import Split
from calque.data.errors import UserError
from calque.data.tokens.tokenizers import digest, load

SCHEMA = 2
META, TOKENIZER = "meta.json", "tokenizer.json"
REMEDY = "remove the folder to have it made again, or choose another"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One stream's tokens of one split.

    Attributes
    ----------
    stream, split : str
    tokens, documents : int
        Tokens include the one that begins each document.
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
        Number of tokens of a model: the tokenizer's, times the blocks where there are any.
    blocks : tuple of str
        Languages that have tokens of their own (see ``calque.data.tokens.encoding``); none where all share them.
    provenance : dict
        As the corpus gave it: licence, source, settings.
    fertility : dict of str to dict
        By language; see ``calque.data.tokens.fertility``.
    train, heldout : dict of str to Shard
        By stream.
    """

    folder: Path
    fingerprint: str
    tokenizer_sha256: str
    vocabulary: int
    blocks: tuple[str, ...] = ()
    provenance: dict[str, Any]
    fertility: dict[str, dict[str, Any]]
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
            shard = Shard(path=folder / file_name(entry["stream"], entry["split"]), **entry)
            found[shard.split][shard.stream] = shard
            _check_file(shard, verify)
        return cls(
            folder=folder,
            fingerprint=meta["fingerprint"],
            tokenizer_sha256=meta["tokenizer_sha256"],
            vocabulary=meta["vocabulary"],
            blocks=tuple(meta["blocks"]),
            provenance=meta["corpus"],
            fertility=meta["fertility"],
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

    @property
    def sha256(self) -> str:
        """One hash over the hashes of all shards and of the tokenizer."""
        shards = [shard for split in (self.train, self.heldout) for shard in split.values()]
        lines = [f"{file_name(shard.stream, shard.split)} {shard.sha256}" for shard in shards]
        return hashlib.sha256("\n".join([self.tokenizer_sha256, *sorted(lines)]).encode()).hexdigest()

    @property
    def shares(self) -> dict[str, float]:
        """Share of each stream among all training tokens on disk; what a run draws is its mix's."""
        total = sum(shard.tokens for shard in self.train.values())
        return {stream: shard.tokens / max(total, 1) for stream, shard in self.train.items()}


def file_name(stream: str, split: str) -> str:
    """Return the name of the file of ``stream`` and ``split``."""
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
