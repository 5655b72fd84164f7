"""The files of a log: found once each, through links too; opened with limits; and to which run each belongs.

A file is a run, and is called by its name. Files that are numbered parts of one (``0001.parquet``,
``train-00000-of-00004``, ``part-3``) are one run, called by their folder; so is a file with a name that all runs use
(``metrics.csv``).
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from calque.data.errors import UserError, file_error
from calque.phases.formats.base import brief

FILES = 100_000
TEXT = 2**30
"""Bytes of text that are read from one file, unpacked."""
LINE = 2**24
"""Characters of a line."""
LINES = 5_000_000
ROWS = 2_000_000
"""Rows of one file."""
DOCUMENT = 2**26
"""Characters of a file that is one JSON value."""
PART = re.compile(r"\d+|(?:part|chunk|shard|segment)[-_.]?\d+.*|.+[-_]\d+[-_]of[-_]\d+", re.IGNORECASE)
COMMON = frozenset({"metrics", "history", "log", "logs", "events", "trainer_state", "results", "run", "progress"})
"""Stems that say nothing about the run: its folder does."""
GZIP = b"\x1f\x8b"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def check_kind(path: Path) -> None:
    """Refuse what is neither file nor folder: missing, a device, a pipe, a socket.

    Parameters
    ----------
    path : Path
        What a person named.

    Raises
    ------
    UserError
        When it is none.
    """
    try:
        there, usable = path.exists(), path.is_file() or path.is_dir()
    except OSError as error:  # a name that is too long
        raise file_error(error, "read", f"'{brief(str(path))}'") from error
    if not there:
        raise UserError(f"{path} is missing; expected a file or folder to import")
    if not usable:
        raise UserError(f"{path} is neither a file nor a folder; expected a log that was written to disk")


def files_below(path: Path, notes: list[str] | None = None) -> list[Path]:
    """Return all files of a folder, at any depth, each once; links are followed.

    Parameters
    ----------
    path : Path
        A folder; a file is returned alone.
    notes : list of str, optional
        Links that lead to what is read already, or nowhere; extended in place.

    Returns
    -------
    list of Path
        In the order of their names, with numbers in numerical order; hidden ones are left out.

    Raises
    ------
    UserError
        When there are more than 100,000.
    """
    if path.is_file():
        return [path]
    found: dict[str, Path] = {}
    folders = {os.path.realpath(path)}
    waiting, links = [path], list[Path]()
    while waiting or links:
        if not waiting:
            link = links.pop(0)
            real = os.path.realpath(link)
            if link.is_dir() and real not in folders:
                folders.add(real)
                waiting.append(link)
            elif link.is_file() and real not in found:
                found[real] = link
            elif notes is not None:
                usable = link.is_file() or link.is_dir()
                what = "is read already" if usable else "is no file or folder"
                notes.append(f"the link {brief(str(link.relative_to(path)))} is left out: what it points to {what}")
            continue
        for entry in sorted(os.scandir(waiting.pop()), key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                links.append(Path(entry.path))
            elif entry.is_dir() and (real := os.path.realpath(entry.path)) not in folders:
                folders.add(real)
                waiting.append(Path(entry.path))
            elif entry.is_file():
                found.setdefault(os.path.realpath(entry.path), Path(entry.path))
        if len(found) > FILES:
            raise UserError(f"{path} holds more than {FILES} files; expected a log: name the folder that holds it")
    names = {file.relative_to(path).as_posix(): file for file in found.values()}
    return [names[name] for name in sorted(names, key=lambda name: (natural(name), name))]


def natural(text: str) -> list[tuple[int, int | str]]:
    """Return a key of ``text`` that sorts names with numbers by these numbers: step2 before step10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"([0-9]{1,300})", text) if part]


def by_run(path: Path, files: Sequence[Path], suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files by run; see the head of this module.

    Parameters
    ----------
    path : Path
        What is imported.
    files : sequence of Path
        Its files, in order.
    suffixes : sequence of str
        Endings of the format.

    Returns
    -------
    dict of str to list of Path
        Files by name of the run.
    """
    if path.is_file():
        return {without_suffix(path.name, suffixes): [path]}
    top, names = path.resolve().name or "run", []
    for file in files:
        folder, stem = file.parent.relative_to(path).as_posix(), without_suffix(file.name, suffixes)
        by_folder = PART.fullmatch(stem) or stem.lower() in COMMON
        whole = (top if folder == "." else folder) if by_folder else stem if folder == "." else f"{folder}/{stem}"
        names.append(whole.split("/"))
    while all(len(n) > 1 for n in names) and len({n[-1] for n in names}) == 1 and len(names) > 1:
        names = [n[:-1] for n in names]
    out: dict[str, list[Path]] = {}
    for name, file in zip(names, files, strict=True):
        out.setdefault("/".join(name), []).append(file)
    return out


def without_suffix(name: str, suffixes: Sequence[str]) -> str:
    """Return a file's ``name`` without the longest of its endings that is among ``suffixes``."""
    ends = sorted((s for s in suffixes if name.lower().endswith(s)), key=len)
    return name[: -len(ends[-1])] if ends else name


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what goes wrong while ``path`` is read into an error for a person; ``what`` was expected there."""
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(f"{path} is no UTF-8 text (byte {byte:#04x}); save it as UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is cut or damaged ({str(error)[:60]}); expected {what}: write it again") from error
    except OSError as error:
        raise file_error(error, "read", path) from error


def lines(path: Path, longest: int = LINE) -> Iterator[str]:
    """Yield the lines of a text file with their ends: UTF-8, or UTF-16 that begins with its mark; gzipped or not.

    Parameters
    ----------
    path : Path
        The file.
    longest : int
        Characters that a line may have.

    Raises
    ------
    UserError
        When it is longer than 1 GiB, or a line is longer than allowed.
    """
    total = count = 0
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == GZIP
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
        start = stream.peek(4)[:4]
        encoding = next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")
        with io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
            while line := text.readline(longest + 1):
                total += len(line)
                count += 1
                if count > LINES:
                    raise UserError(f"{path} has more than {LINES} lines; keep the rows needed")
                if len(line) > longest:
                    raise UserError(f"{path} has a line of more than {longest >> 20} MiB; keep the parts needed")
                if total > TEXT:
                    raise UserError(
                        f"{path} holds more than {TEXT >> 30} GiB of text; keep the columns and rows needed"
                    )
                yield line


def document(path: Path) -> str:
    """Return the whole text of ``path``, a file that is one JSON value; UserError where it is longer than 64 MiB."""
    parts, total = [], 0
    for line in lines(path, DOCUMENT):
        total += len(line)
        if total > DOCUMENT:
            raise UserError(f"{path} is longer than {DOCUMENT >> 20} MiB; keep the parts needed")
        parts.append(line)
    return "".join(parts)
