"""The hidden folder in which shards are made: finished parts outlive an interruption, and only a whole leaves it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calque.data.errors import UserError
from calque.data.files import SUFFIX, replacing, sync_folder, write_atomically
from calque.data.json_files import write_json
from calque.data.shards.folder import META, TOKENIZER, file_name
from calque.data.shards.tokenise import Job, TokenCounts, read_counts, write_counts
from calque.data.tokens.tokenizers import save

BLOCK = 1 << 22


class WorkFolder:
    """``.NAME.work`` beside the folder NAME that is made in it.

    ``parts`` holds finished parts, ``whole`` the streams that are joined already, ``counts`` what they hold.

    Parameters
    ----------
    target : Path
        The folder to make.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.work")
        self.lock = self.path / "lock"
        self.parts, self.whole, self.counts = (self.path / name for name in ("parts", "whole", "counts"))

    def begin(self, recipe: dict[str, Any]) -> None:
        """Keep what an earlier process finished from the same recipe; remove what is of another one."""
        text, kept = json.dumps(recipe, sort_keys=True).encode(), self.path / "recipe.json"
        if not kept.exists() or kept.read_bytes() != text:
            kept.unlink(missing_ok=True)
            for path in (self.parts, self.whole, self.counts):
                shutil.rmtree(path, ignore_errors=True)
            (self.path / TOKENIZER).unlink(missing_ok=True)
            write_atomically(kept, text)
        for path in (self.parts, self.whole, self.counts):
            path.mkdir(exist_ok=True)
            for left in path.glob(f".*{SUFFIX}"):  # by whoever was killed while holding the lock
                left.unlink(missing_ok=True)

    def tokenizer_file(self, make: Callable[[], Tokenizer]) -> Path:
        """Return the file of the tokenizer; ``make`` returns it when the file is missing."""
        path = self.path / TOKENIZER
        if not path.exists():
            save(make(), path)
        return path

    def part_path(self, stream: str, split: str, number: int, cut: bool = False) -> Path:
        """Return the file of part ``number`` of ``stream`` in ``split``; ``cut`` tells whether the limit ends it."""
        return self.parts / f"{stream}.{split}.{number:06d}{'.cut' if cut else ''}.bin"

    def joined(self, stream: str, split: str, dtype: np.dtype[Any]) -> TokenCounts | None:
        """Return the counts of ``stream`` in ``split``, of type ``dtype``, if its parts are joined already, or None."""
        return read_counts(*self._joined_paths(stream, split), dtype)

    def join(self, stream: str, split: str, parts: list[tuple[Job, TokenCounts]]) -> TokenCounts:
        """Join the parts of ``stream`` in ``split`` in order, and remove their files.

        Raises
        ------
        UserError
            When a part is not what was written, as after a disk fault; it is removed, to be made again.
        """
        path, counts_path = self._joined_paths(stream, split)
        if len(parts) == 1:
            ((job, counts),) = parts
            os.replace(job.path, path)
        else:
            counts = _concatenate(path, parts)
        write_counts(counts, counts_path)
        for job, _ in parts:
            _forget(job)
        return counts

    def publish(self, meta: dict[str, Any]) -> None:
        """Give the finished folder its name: it appears under that name complete, or not at all.

        Parameters
        ----------
        meta : dict
            Content of ``meta.json``.
        """
        write_atomically(self.whole / TOKENIZER, (self.path / TOKENIZER).read_bytes())
        write_json(self.whole / META, meta)
        sync_folder(self.whole)
        os.replace(self.whole, self.target)
        sync_folder(self.target.parent)
        self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _joined_paths(self, stream: str, split: str) -> tuple[Path, Path]:
        return self.whole / file_name(stream, split), self.counts / f"{stream}.{split}.json"


def _concatenate(path: Path, parts: list[tuple[Job, TokenCounts]]) -> TokenCounts:
    sha256 = hashlib.sha256()
    with replacing(path) as partial, partial.open("wb") as whole:
        for job, counts in parts:
            own = hashlib.sha256()
            with job.path.open("rb") as file:
                while block := file.read(BLOCK):
                    own.update(block)
                    sha256.update(block)
                    whole.write(block)
            if own.hexdigest() != counts.sha256:
                _forget(job)
                raise UserError(
                    f"{job.path} has been changed since it was written and is removed; run the same again, it is "
                    "made anew, and look after the disk"
                )
    return TokenCounts(
        tokens=sum(counts.tokens for _, counts in parts),
        documents=sum(counts.documents for _, counts in parts),
        text_bytes=sum(counts.text_bytes for _, counts in parts),
        sha256=sha256.hexdigest(),
    )


def _forget(job: Job) -> None:
    job.counts_path.unlink(missing_ok=True)
    job.path.unlink(missing_ok=True)
