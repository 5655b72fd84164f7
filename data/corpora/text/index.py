"""What is in a user's files: a hash of every document, from which duplicates and the held-out split follow.

Reading the files once tells whether all of them can be read, how much they hold, which documents occur before, and
which are held out. Hashes lie on the disk under ``CALQUE_HOME``, one file of them a text file, so memory does not
grow with the text, an interrupted reading resumes with the next file, and a file is read again only if it changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from calque.data.command_line.quiet import is_quiet
from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.documents import documents
from calque.data.corpora.text.duplicates import EMPTY, HASH, compare, document_hash
from calque.data.corpora.text.folder import TextFile
from calque.data.errors import UserError
from calque.data.files import remove_abandoned, temporary
from calque.data.home import home
from calque.data.json_files import read_json_if_there, write_json

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """What was found in a file.

    Attributes
    ----------
    name : str
    bytes, changed : int
        Size and time of the last change when it was read.
    sha256 : str
        Of the file as it is.
    documents, empty : int
        Documents with text, and those without.
    text_bytes : int
        UTF-8 length of all documents.
    """

    name: str
    bytes: int
    changed: int
    sha256: str
    documents: int
    empty: int
    text_bytes: int


@dataclass(frozen=True, kw_only=True)
class LanguageEntry:
    """What was found in a language's files together.

    Attributes
    ----------
    files : tuple of FileEntry
    documents, duplicates, heldout : int
        Documents that are used, repeated ones that are not, and those of the used that are held out.
    threshold : int
        Documents whose hash is below are held out.
    """

    files: tuple[FileEntry, ...]
    documents: int
    duplicates: int
    heldout: int
    threshold: int


class TextIndex:
    """The hashes of a folder's documents.

    Parameters
    ----------
    config : TextConfig
    files : mapping of str to tuple of TextFile
        By language.
    """

    def __init__(self, config: TextConfig, files: dict[str, tuple[TextFile, ...]]) -> None:
        self.config, self.files = config, files
        self._languages: dict[str, LanguageEntry] = {}
        reading = [SCHEMA, config.field, config.document, *asdict(config.limits).values()]
        place = hashlib.sha256(json.dumps([os.path.realpath(Path(config.folder).expanduser()), *reading]).encode())
        self.folder = home() / "text" / place.hexdigest()[:16]

    def language(self, code: str) -> LanguageEntry:
        """Return what a language's files hold; reads those that were not read before.

        Parameters
        ----------
        code : str
            Code of the language.

        Returns
        -------
        LanguageEntry
            Documents, bytes and the threshold of the held-out split.

        Raises
        ------
        UserError
            When a file is not as expected, or the language has fewer than two different documents.
        """
        if code not in self._languages:
            self._read(code)
            entries = tuple(entry for file in self.files[code] if (entry := self._known(file)) is not None)
            self._languages[code] = self._summary(code, entries)
        return self._languages[code]

    def selected(self, code: str, place: int, split: str) -> NDArray[np.bool_]:
        """Return which documents of one file belong to a split.

        Parameters
        ----------
        code : str
            Code of the language.
        place : int
            Index of the file among those of the language.
        split : {"train", "heldout"}
            The split.

        Returns
        -------
        array of bool, shape (documents + empty,)
        """
        entry = self.language(code)
        below = np.cumsum([0, *(file.documents + file.empty for file in entry.files)])
        first = np.load(self._path(code, entry.files, "first.npy"), mmap_mode="r")[below[place] : below[place + 1]]
        heldout = self._hashes(self.files[code][place]) < np.uint64(entry.threshold)
        return np.asarray(first & (heldout if split == "heldout" else ~heldout))

    def _name(self, file: TextFile) -> str:
        key = json.dumps([file.name, file.bytes, file.changed])
        return hashlib.sha256(key.encode()).hexdigest()[:24]

    def _known(self, file: TextFile) -> FileEntry | None:
        values = read_json_if_there(self.folder / f"{self._name(file)}.json", dict[str, Any])
        if values is None or set(values) != {field.name for field in fields(FileEntry)}:
            return None
        entry, hashes = FileEntry(**values), self._hashes_path(file)
        whole = hashes.exists() and hashes.stat().st_size == HASH.itemsize * (entry.documents + entry.empty)
        return entry if whole else None

    def _hashes_path(self, file: TextFile) -> Path:
        return self.folder / f"{self._name(file)}.hashes"

    def _hashes(self, file: TextFile) -> NDArray[np.uint64]:
        return np.memmap(self._hashes_path(file), HASH, "r")

    def _read(self, code: str) -> None:
        files = [file for file in self.files[code] if self._known(file) is None]
        if not files:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=is_quiet() or not sys.stderr.isatty()) as progress:
            task = progress.add_task("", total=sum(file.bytes for file in files))
            for file in files:
                progress.update(task, description=f"reading {file.name}")
                self._read_file(file)
                progress.advance(task, file.bytes)

    def _read_file(self, file: TextFile) -> None:
        """Hash a file's documents; what was found is written last, so that half a reading is none."""
        where = str(file.path)
        counts = {"documents": 0, "empty": 0, "text_bytes": 0}
        hashes = self._hashes_path(file)
        remove_abandoned(hashes)
        partial = temporary(hashes)
        try:
            with partial.open("wb") as out:
                for block in _blocks(documents(file.path, where, self.config), counts):
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            with file.path.open("rb") as raw:
                digest = hashlib.file_digest(raw, "sha256").hexdigest()
            check_unchanged(file)
            if not counts["documents"]:
                raise UserError(f"{where} holds no text, only white space; expected text: remove it")
            os.replace(partial, hashes)
        finally:
            partial.unlink(missing_ok=True)
        entry = FileEntry(name=file.name, bytes=file.bytes, changed=file.changed, sha256=digest, **counts)
        write_json(self.folder / f"{self._name(file)}.json", asdict(entry))

    def _path(self, code: str, entries: tuple[FileEntry, ...], suffix: str) -> Path:
        key = json.dumps([[entry.name, entry.sha256] for entry in entries] + [self.config.heldout])
        return self.folder / f"{code}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.{suffix}"

    def _summary(self, code: str, entries: tuple[FileEntry, ...]) -> LanguageEntry:
        path, first = (self._path(code, entries, suffix) for suffix in ("json", "first.npy"))
        counts = read_json_if_there(path, dict[str, int])
        if counts is None or not first.exists():
            counts = self._compare(code, first)
            write_json(path, counts)
        return LanguageEntry(files=entries, **counts)

    def _compare(self, code: str, path: Path) -> dict[str, int]:
        hashes = [self._hashes(file) for file in self.files[code]]
        remove_abandoned(path)
        partial = temporary(path)
        try:
            first = np.lib.format.open_memmap(partial, "w+", np.dtype(bool), (sum(map(len, hashes)),))
            counts = compare(hashes, first, self.config.heldout)
            first.flush()
            del first
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            if counts["heldout"] == counts["documents"]:
                raise UserError(
                    f"{self.config.folder}/{code} holds {counts['documents']} different document; expected two or "
                    "more, one to train on and one to hold out: add text, or lower text.document"
                )
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return counts


def check_unchanged(file: TextFile) -> None:
    """Refuse a file that is not the one that was found in the folder."""
    status = file.path.stat() if file.path.exists() else None
    if status is None or (status.st_size, status.st_mtime_ns) != (file.bytes, file.changed):
        raise UserError(f"{file.path} was changed while it was read; start again when it no longer changes")


def _blocks(texts: Iterator[str], counts: dict[str, int]) -> Iterator[bytes]:
    block = np.empty(1 << 14, HASH)
    filled = 0
    for text in texts:
        counts["documents" if text else "empty"] += 1
        counts["text_bytes"] += len(text.encode())
        block[filled] = document_hash(text) if text else EMPTY
        filled += 1
        if filled == len(block):
            yield block.tobytes()
            filled = 0
    yield block[:filled].tobytes()
