"""HTML, DocBook and Mallard: paragraphs of a page, without code, navigation and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree, html

from calque.data.corpora.debian.formats.base import Paragraph, Unreadable, decoded

DECLARED = re.compile(rb"<meta[^>]*charset=[\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MarkupRules:
    """Which elements separate paragraphs, and which are left out with their content.

    Attributes
    ----------
    blocks, skipped : frozenset of str
        Names of elements, without name space.
    skipped_classes : frozenset of str
        Values of ``class`` that have an element left out.
    holes : frozenset of str
        Elements that stand for words; a paragraph around one is left out.
    """

    blocks: frozenset[str]
    skipped: frozenset[str]
    skipped_classes: frozenset[str] = frozenset()
    holes: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HTML = MarkupRules(
    blocks=_words(
        "p h1 h2 h3 h4 h5 h6 li ul ol dl dt dd table thead tbody tr th td caption div section article header main "
        "blockquote figure figcaption center hr br body"
    ),
    skipped=_words("head script style pre nav footer noscript form button select svg math object iframe aside"),
    skipped_classes=_words(
        "navheader navfooter programlisting screen literallayout related relatedtopics relatedbody embedded howtoget "
        "noteicon footer header toc nav sphinxsidebar related toplang bottomlang up copyright "
        "synopsis funcsynopsis top qlink quickview directive-table debug documents_navigation translated-by"
    ),
)
DOCBOOK = MarkupRules(
    blocks=_words(
        "para simpara title subtitle titleabbrev listitem term varlistentry variablelist itemizedlist "
        "orderedlist entry row section sect1 sect2 sect3 sect4 chapter appendix note tip warning caution important "
        "formalpara glossdef glossterm glossentry caption step procedure question answer abbrev article book"
    ),
    skipped=_words(
        "bookinfo articleinfo info programlisting screen literallayout indexterm synopsis cmdsynopsis remark "
        "primary secondary mediaobject inlinemediaobject revhistory legalnotice authorgroup glossseealso glosssee"
    ),
)
MALLARD = MarkupRules(
    blocks=_words(
        "page section p title subtitle desc item list steps terms tree table tr td thead tbody note quote cite"
    ),
    skipped=_words("info screen code media synopsis figure comment credit links"),
)


class _Collector:
    def __init__(self, grammar: MarkupRules) -> None:
        self.grammar = grammar
        self.paragraphs: list[Paragraph] = []
        self._text: list[str] = []
        self._key = ""
        self._spoiled = False

    def flush(self) -> None:
        text = " ".join("".join(self._text).split())
        if text and not self._spoiled:
            self.paragraphs.append(Paragraph(text, self._key))
        self._text, self._key, self._spoiled = [], "", False

    def walk(self, element: Any) -> None:
        tag = element.tag
        if not isinstance(tag, str):  # a comment or an instruction; an entity nobody has defined stands for words
            self._spoiled |= tag is etree.Entity
            return
        name, grammar = tag.rpartition("}")[2].lower(), self.grammar
        if name in grammar.skipped or grammar.skipped_classes.intersection((element.get("class") or "").split()):
            # A gap in the middle of a sentence makes it useless; a gap between paragraphs does not.
            self._spoiled |= name in grammar.holes or (name == "code" and bool("".join(self._text).strip()))
            return
        if _left_out(element):
            return
        block = name in grammar.blocks
        if block:
            self.flush()
            self._key = element.get("id") or ""
        self._add(element.text)
        for child in element:
            self.walk(child)
            self._add(child.tail)
        if block:
            self.flush()

    def _add(self, text: str | None) -> None:
        if not text:
            return
        if text[0].isupper() and self._text and self._text[-1][-1:].islower():
            self._text.append(" ")  # the space before an emphasised name is often lost
        self._text.append(text)


def _left_out(element: Any) -> bool:
    """Whether a hidden alternative (for one module or system) gives way to the default or to the first."""
    if "hidden" not in element.attrib or (element.get("id") or "").startswith("default"):
        return False
    alternatives = [child for child in element.getparent() if "hidden" in child.attrib]
    defaults = [child for child in alternatives if (child.get("id") or "").startswith("default")]
    return bool(defaults) or alternatives[0] is not element


def html_page(data: bytes) -> Iterator[Paragraph]:
    """Yield the paragraphs of an HTML page; keys are the elements' ids.

    Parameters
    ----------
    data : bytes
        Content of the file.

    Yields
    ------
    Paragraph
        Text and key.

    Raises
    ------
    Unreadable
        When it is not in the encoding it declares (UTF-8 if none), or no HTML.
    """
    yield from _html(data, None)


def help_page(data: bytes) -> Iterator[Paragraph]:
    """Yield the paragraphs of a LibreOffice help page: its display area alone.

    Parameters
    ----------
    data : bytes
        Content of the file.

    Yields
    ------
    Paragraph
        Text and key.

    Raises
    ------
    Unreadable
        When it is not in the encoding it declares (UTF-8 if none), or not HTML.
    """
    yield from _html(data, "DisplayArea")


def _html(data: bytes, area: str | None) -> Iterator[Paragraph]:
    declared = DECLARED.search(data[:2048])
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", decoded(data, declared[1].decode() if declared else "utf-8"))
    if not text.strip():
        return
    try:
        root = html.document_fromstring(text)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise Unreadable(f"no HTML: {error}") from None
    if area is not None:
        found = root.get_element_by_id(area, None)
        root = root if found is None else found
    yield from _collected(root, HTML)


def docbook(data: bytes) -> Iterator[Paragraph]:
    """Yield the paragraphs of a DocBook file.

    Parameters
    ----------
    data : bytes
        Content of the file.

    Yields
    ------
    Paragraph
        Text and key.

    Raises
    ------
    Unreadable
        When it is no XML.
    """
    yield from _collected(_xml(data), DOCBOOK)


def mallard(data: bytes) -> Iterator[Paragraph]:
    """Yield the paragraphs of a Mallard page (GNOME help).

    Parameters
    ----------
    data : bytes
        Content of the file.

    Yields
    ------
    Paragraph
        Text and key.

    Raises
    ------
    Unreadable
        When it is no XML.
    """
    yield from _collected(_xml(data), MALLARD)


def _xml(data: bytes) -> Any:
    # Entities of the file itself are text ("&app;"); libxml2 bounds how far they expand and how deep elements nest.
    parser = etree.XMLParser(resolve_entities="internal", no_network=True, load_dtd=False, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.LxmlError as error:
        raise Unreadable(f"no XML: {error}") from None
    if root is None:
        raise Unreadable("no XML")
    return root


def _collected(root: Any, grammar: MarkupRules) -> Iterator[Paragraph]:
    collector = _Collector(grammar)
    collector.walk(root)
    collector.flush()
    yield from collector.paragraphs
