"""Pages of help and of the declaration as paragraphs: the running text of their HTML."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

# Guides read as prose; the reference pages of the other folders are lists of settings.
FOLDERS = tuple(f"{module}/guide" for module in ("shared", "swriter", "scalc", "simpress", "sdraw", "smath"))
HELP = {"en": "en-us", "zh": "zh-cn"}
HAN_COMMA = re.compile(r"(?<=[\u4e00-\u9fff])[,;:](?=[\u4e00-\u9fff])")
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
        """Open a tag; paragraphs start at blocks.

        Parameters
        ----------
        tag : str
            Name of the element.
        attrs : list of tuple
            Names and values of its attributes.
        """
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
        """Keep text that no enclosing tag hides; add a space between a tag's end and a capital that follows it.

        Parameters
        ----------
        data : str
            Text between two tags.
        """
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


def read(path: Path) -> list[str]:
    """Return the paragraphs of one HTML file, headings included.

    Parameters
    ----------
    path : Path
        A page of help, or of the declaration.

    Returns
    -------
    list of str
        Paragraphs, in order.
    """
    text = path.read_text(encoding="utf-8")
    body = re.search(r'<div id="DisplayArea"[^>]*>(.*?)<div id="SearchFrame"|<body>(.*)</body>', text, re.S)
    assert body is not None, path
    page = Page()
    page.feed(body.group(1) or body.group(2))
    page.close()
    page._flush()
    return page.paragraphs


def pages(debian: Path, language: str) -> Iterator[tuple[str, list[str]]]:
    """Yield name and paragraphs of the guide pages of a language, in an order drawn from their names.

    Parameters
    ----------
    debian : Path
        Folder of unpacked packages, one folder a package.
    language : str
        Code of the language.

    Yields
    ------
    tuple of str and list of str
        Name of the page, and its paragraphs.
    """
    package = f"libreoffice-help-{HELP.get(language, language)}"
    (root,) = (debian / package / "usr/share/libreoffice/help").glob("*/text")
    found = [page for folder in FOLDERS for page in sorted((root / folder).glob("*.html"))]
    names = {page.relative_to(root).as_posix(): page for page in found}
    for name in sorted(names, key=lambda name: hashlib.sha256(f"{language} {name}".encode()).digest()):
        yield name, read(names[name])
