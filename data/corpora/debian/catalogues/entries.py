"""Entries of catalogues whose two sides are one word each, as ``LANGUAGE PROJECT ENGLISH FORM PART`` rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from calque.data.corpora.debian.archive import read_files
from calque.data.corpora.debian.catalogues.projects import Project
from calque.data.corpora.debian.extracting import COPYRIGHT, LICENCE
from calque.data.corpora.debian.formats.base import Unreadable
from calque.data.corpora.debian.formats.gettext import Message, messages, plain_lines
from calque.data.corpora.debian.text import SCRIPT, is_dense, tidy
from calque.data.languages import language

WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]{2,})?")
ENGLISH_WORD = re.compile(r"[A-Za-z]{2,}(?:-[A-Za-z]{2,})?")
DENSE_WORD = re.compile(r"[^\W\d_]{1,8}")
LONGEST = 32  # characters
ACCELERATOR = re.compile(r"\(&\w\)|&(?=[^\W\d_])")
"""The key that chooses a menu entry in programs of KDE and wxWidgets: "&File"."""
ENDING = re.compile(r"\s*(?:[:：…]|\.\.\.)$")
PART = re.compile(r"\b(noun|verb|adjective|adverb)\b", re.IGNORECASE)


class Entry(NamedTuple):
    """A word and its translation in one project's catalogues.

    Attributes
    ----------
    language, project : str
    english : str
        As it is spelled there, upper case or not.
    form : str
        The translation, as it is spelled there.
    part : str
        Part of speech where the message's context names one: ``noun``, ``verb``, ``adjective``, ``adverb``; else empty.
    """

    language: str
    project: str
    english: str
    form: str
    part: str


def entry_of(message: Message, code: str, project: str) -> Entry | None:
    """Return a message as an entry, or None when one of its sides is not one word.

    Parameters
    ----------
    message : Message
        Messages with plural forms are none: which English form belongs to the translation is not known.
    code : str
        Language of the translation.
    project : str
        Its name.
    """
    if message.plural or max(len(message.english), len(message.translated)) > LONGEST:
        return None
    english, form = one_word(message.english, "en"), one_word(message.translated, code)
    if english is None or form is None:
        return None
    parts = {part.lower() for part in PART.findall(message.context)}
    return Entry(code, project, english, form, parts.pop() if len(parts) == 1 else "")


def one_word(text: str, code: str) -> str | None:
    """Return the word that ``text`` is, without shortcuts and a closing colon or dots; None when it is not one word.

    A word has two letters or more, all of the script of the language ``code`` (in Chinese, Japanese and Korean one to
    eight signs without a space).
    """
    lines = plain_lines(ACCELERATOR.sub("", text))
    if len(lines) != 1:
        return None
    word = tidy(ENDING.sub("", lines[0]), code)
    pattern = ENGLISH_WORD if code == "en" else DENSE_WORD if is_dense(code) else WORD
    if not pattern.fullmatch(word):
        return None
    letters = word.replace("-", "").replace("ー", "")
    return word if len(SCRIPT[language(code).script].findall(letters)) == len(letters) else None


class ProjectEntries(NamedTuple):
    """What the catalogues of one project hold.

    Attributes
    ----------
    entries : frozenset of Entry
    licences : frozenset of str
        Licences that the packages' copyright files name.
    unreadable : int
        Catalogues left out because they are damaged.
    """

    entries: frozenset[Entry]
    licences: frozenset[str]
    unreadable: int


def read_project(project: Project, packages: list[Path]) -> ProjectEntries:
    """Return the entries of one project.

    Parameters
    ----------
    project : Project
    packages : list of path
        Its package files.

    Raises
    ------
    UserError
        When a package is damaged or hostile.
    """
    entries: set[Entry] = set()
    licences: set[str] = set()
    unreadable = 0
    for package in packages:
        wanted = read_files(package, lambda name: bool(project.place(name) or COPYRIGHT.fullmatch(name)))
        for name, data in wanted:
            code = project.place(name)
            if code is None:
                licences.update(LICENCE.findall(data.decode("utf-8", "replace")))
                continue
            try:
                entries.update(_entries(data, code, project.name))
            except Unreadable:
                unreadable += 1
    return ProjectEntries(frozenset(entries), frozenset(licences), unreadable)


def _entries(data: bytes, code: str, project: str) -> list[Entry]:
    found = (entry_of(message, code, project) for message in messages(data))
    return [entry for entry in found if entry is not None]


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the entries in the file ``path``, which has a row for each, fields separated by tabs."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield Entry(*line.rstrip("\n").split("\t"))
