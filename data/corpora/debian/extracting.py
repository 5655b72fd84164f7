"""One source's packages to one file of paragraphs: language, document, key, text, separated by tabs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from calque.data.corpora.debian.archive import read_files
from calque.data.corpora.debian.files import written
from calque.data.corpora.debian.formats.base import Paragraph, Unreadable
from calque.data.corpora.debian.sources import DebianSource
from calque.data.corpora.debian.text import tidy
from calque.data.json_files import read_json, write_json

COPYRIGHT = re.compile(r"usr/share/doc/[^/]+/copyright")
LICENCE = re.compile(r"^Licen[cs]e: *(\S.*?) *$", re.MULTILINE)


class Row(NamedTuple):
    """One paragraph as extracted.

    Attributes
    ----------
    language, document : str
    key : str
        The same for paragraphs that translate each other, in all of the corpus; empty if unknown.
    text : str
        Tidy, on one line.
    """

    language: str
    document: str
    key: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ExtractedSource:
    """What was found in a source's packages.

    Attributes
    ----------
    path : Path
        The file of rows.
    files : int
        Files read.
    unreadable : dict of str to str
        Files left out, and why.
    licences : dict of str to int
        Licences the packages' copyright files name, and how often.
    """

    path: Path
    files: int
    unreadable: dict[str, str]
    licences: dict[str, int]


def extract(
    source: DebianSource, packages: Sequence[Path], folder: Path, report: Callable[[int], None] = lambda done: None
) -> ExtractedSource:
    """Extract a source into ``folder``, or return what is there already.

    Parameters
    ----------
    source : DebianSource
    packages : sequence of path
        Its packages' files, in the order of ``source.packages``.
    folder : path
        Belongs to this set of packages alone.
    report : callable
        Called with the number of packages read.

    Raises
    ------
    UserError
        When a package is damaged or hostile.
    """
    rows, facts = folder / f"{source.name}.tsv", folder / f"{source.name}.json"
    if not facts.exists():
        unreadable: dict[str, str] = {}
        licences: Counter[str] = Counter()
        files = 0
        with written(rows) as file:
            write = _writer(file)
            for done, package in enumerate(packages):
                report(done)
                for name, data in read_files(
                    package, lambda name: bool(source.place(name) or COPYRIGHT.fullmatch(name))
                ):
                    if COPYRIGHT.fullmatch(name):
                        licences.update(LICENCE.findall(data.decode("utf-8", "replace")))
                        continue
                    place = source.place(name)
                    assert place is not None
                    code, document, read = place
                    try:
                        paragraphs = list(read(data))
                    except Unreadable as error:
                        unreadable[name] = str(error)
                        continue
                    files += 1
                    write(source.name, code, document, paragraphs)
        write_json(facts, {"files": files, "unreadable": unreadable, "licences": dict(licences)}, sort_keys=True)
    return ExtractedSource(path=rows, **read_json(facts))


def _writer(file: TextIO) -> Callable[[str, str, str, list[Paragraph]], None]:
    english_seen: set[str] = set()

    def write(source: str, code: str, document: str, paragraphs: list[Paragraph]) -> None:
        for paragraph in paragraphs:
            key = _key(source, document, paragraph.key) if paragraph.key else ""
            if paragraph.english and key not in english_seen:  # every translation brings the same English
                english_seen.add(key)
                _write(file, Row("en", document, key, tidy(paragraph.english, "en")))
            _write(file, Row(code, document, key, tidy(paragraph.text, code)))

    return write


def _write(file: TextIO, row: Row) -> None:
    if row.text:
        file.write("\t".join(row) + "\n")


def _key(source: str, document: str, key: str) -> str:
    return hashlib.blake2b(f"{source}\n{document}\n{key}".encode(), digest_size=8).hexdigest()


def rows(path: Path, code: str | None = None) -> Iterator[Row]:
    """Yield the rows of an extracted file, of one language or all.

    Parameters
    ----------
    path : Path
        A file that extraction wrote.
    code : str, optional
        Code of a language; all languages when None.

    Yields
    ------
    Row
        Language, document, key and text.
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if code is None or line.startswith(f"{code}\t"):
                yield Row(*line.rstrip("\n").split("\t"))
