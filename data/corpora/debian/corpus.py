"""The ``debian`` corpus: about a hundred megabytes of real text in nine languages, aligned in part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from calque.data.corpora.debian.building import CLEAN, MANIFEST, Report, build, silent
from calque.data.corpora.debian.catalogues import questions
from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon
from calque.data.corpora.debian.catalogues.making import make_lexicon
from calque.data.corpora.debian.catalogues.projects import PROJECTS, Project
from calque.data.corpora.debian.cleaning import HELDOUT
from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.debian.fetching import VARIABLE
from calque.data.corpora.debian.provenance import ProvenanceRow, rows_of
from calque.data.corpora.debian.sources import SOURCES, DebianSource
from calque.data.corpora.real_text import RealText
from calque.data.corpus import Split
from calque.data.errors import UserError
from calque.data.home import home
from calque.data.tasks import WordTask


class DebianCorpus(RealText):
    """Documentation, manuals, game stories and interfaces from Debian packages.

    The text is made at the first use (:meth:`prepare`), which takes minutes, and found again afterwards.

    Parameters
    ----------
    config : DebianConfig
    folder : path, optional
        Where packages and text are kept; ``debian`` in the folder for prepared data if not given.
    sources : tuple of DebianSource
    projects : tuple of Project
        Whose catalogues make the word list of :meth:`lexicon`.
    words : {"cldr", "catalogue"}
        The list that is asked: the reviewed one, or that of the catalogues.
    """

    name = "debian"

    def __init__(
        self, config: DebianConfig, folder: Path | None = None, *, sources: tuple[DebianSource, ...] = SOURCES,
        projects: tuple[Project, ...] = PROJECTS, words: Literal["cldr", "catalogue"] = "cldr",
    ) -> None:  # fmt: skip
        super().__init__(config)
        self.folder = folder or home() / self.name
        self.sources, self.projects, self.words = sources, projects, words
        self._lexicon: CatalogueLexicon | None = None
        self._built: Path | None = None

    def prepare(self, report: Report = silent) -> Path:
        """Fetch, extract and clean what is missing; return the folder of the clean text.

        Parameters
        ----------
        report : callable
            Called as ``report(what, done, of)``.

        Raises
        ------
        UserError
            When packages cannot be had or read, or those there are have no text in one of the languages.
        """
        if self._built is None:
            built = build(self.folder, report, self.sources)
            bare = [code for code in self.languages if not any((built / CLEAN / code).glob("*.tsv"))]
            if bare:
                raise UserError(
                    f"the packages hold no text in {', '.join(bare)}; put more of them into the folder that {VARIABLE} "
                    "names, or leave the language out of 'languages'"
                )
            self._built = built
        return self._built

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.prepare() / MANIFEST).read_text(encoding="utf-8"))
        return found

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the sources that have text in a language.

        Parameters
        ----------
        stream : str
            Code of a language.

        Returns
        -------
        tuple of str
            Names of the sources, in the order of ``sources``.

        Raises
        ------
        UserError
            When there is no such stream, or the text cannot be made.
        """
        self.check_stream(stream)
        folder = self.prepare() / CLEAN / stream
        return tuple(source.name for source in self.sources if (folder / f"{source.name}.tsv").exists())

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one source in one language; a paragraph is a line.

        Parameters
        ----------
        stream : str
            Code of a language.
        part : str
            Name of a source.
        split : {"train", "heldout"}
            The part of the text to read.

        Yields
        ------
        str
            A document, its paragraphs separated by line breaks.
        """
        self.check_stream(stream)
        document, lines = "", list[str]()
        for name, _, text in self._lines(stream, part, split):
            if name != document and lines:
                yield "\n".join(lines)
                lines = []
            document = name
            lines.append(text)
        if lines:
            yield "\n".join(lines)

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield a language's documents, source by source."""
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Yield lines of two languages that translate each other, both of the split.

        They come from catalogues, where each message names the English it translates, and from help pages and game
        descriptions, whose paragraphs have names.

        Parameters
        ----------
        first, second : str
            Codes.
        split : str

        Raises
        ------
        UserError
            When the corpus lacks a language.
        """
        others = set(self.parts(second))
        for part in self.parts(first):
            if part not in others:
                continue
            translations: dict[str, str] = {}
            for _, key, text in self._lines(second, part, split):
                if key:
                    translations.setdefault(key, text)
            for _, key, text in self._lines(first, part, split):
                if key and (translation := translations.pop(key, None)) is not None:
                    yield text, translation

    def lexicon(self, report: Report = silent) -> CatalogueLexicon:
        """Return the words that catalogues agree on; they are read at the first use, which takes minutes.

        Parameters
        ----------
        report : callable
            Called as ``report(what, done, of)``.

        Raises
        ------
        UserError
            When packages cannot be had or read.
        """
        if self._lexicon is None:
            self.prepare(report)
            self._lexicon = make_lexicon(
                self.folder, self.sources, self._manifest["sha256"], self._training_lines, projects=self.projects,
                report=report,
            )  # fmt: skip
        return self._lexicon

    def entries(self, first: str, second: str, concepts: int | None = None) -> Iterator[tuple[str, str]]:
        """Yield the catalogues' entries of one word on both sides, without those of the concepts that are held out.

        Parameters
        ----------
        first, second : str
            Codes.
        concepts : int, optional
            Of the first so many concepts of these languages alone; by default of all English words.
        """
        lexicon = self.lexicon()
        if concepts is None:
            return questions.entries(lexicon, first, second)
        return questions.entries(lexicon, first, second, questions.first_concepts(lexicon, self.languages, concepts))

    def word_task(self) -> WordTask:
        """Return the questions of the list that the settings name, in these languages."""
        if self.words == "cldr":
            return super().word_task()
        return questions.word_task(self.lexicon(), self.config)

    def _training_lines(self, code: str) -> Iterator[str]:
        """Yield the training lines of a language, whether it is among these languages or not."""
        folder = self.prepare() / CLEAN / code
        for source in self.sources:
            if (folder / f"{source.name}.tsv").exists():
                yield from (text for _, _, text in self._lines(code, source.name, "train"))

    def _lines(self, stream: str, part: str, split: Split) -> Iterator[tuple[str, str, str]]:
        """Yield document, key and text of the lines of a source."""
        path = self.prepare() / CLEAN / stream / f"{part}.tsv"
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                side, document, key, text = line.rstrip("\n").split("\t")
                if side == split:
                    yield document, key, text

    def provenance(self) -> dict[str, Any]:
        """Return licences, packages with their SHA-256, counts and a hash over all clean text."""
        sources = {}
        for source in self.sources:
            entry = self._manifest["sources"][source.name]
            counts = {code: entry["languages"][code] for code in self.languages if code in entry["languages"]}
            sources[source.name] = {**entry, "title": source.title, "licence": source.licence, "languages": counts}
        return {
            "corpus": self.name,
            "languages": list(self.languages),
            "recipe": self._manifest["recipe"],
            "sha256": self._manifest["sha256"],
            "sources": sources,
            "split": f"by document, {HELDOUT:.0%} drawn by a hash; training paragraphs near a held-out one are dropped",
        }

    def provenance_table(self) -> list[ProvenanceRow]:
        """Return what is known of each source in each language."""
        return rows_of(self.provenance())
