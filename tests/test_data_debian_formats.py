import gzip
import json
import struct

import pytest

from calque.data.corpora.debian.formats import base
from calque.data.corpora.debian.formats.base import Paragraph, Reader, Unreadable
from calque.data.corpora.debian.formats.gettext import catalogue
from calque.data.corpora.debian.formats.man import man_page, plain
from calque.data.corpora.debian.formats.markup import docbook, help_page, html_page, mallard
from calque.data.corpora.debian.formats.plain import descriptions, wiki_messages
from tests.debian_packages import catalogue_of


def texts(read: Reader, data: bytes | str) -> list[str]:
    return [paragraph.text for paragraph in read(data.encode() if isinstance(data, str) else data)]


def test_html_gives_paragraphs_without_code_and_navigation() -> None:
    page = """<!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><body>
    <div class="navheader">Next page</div><h1>A <em>heading</em></h1><p id="a">One
    paragraph with <code>code</code> in it.<p>Another<br>line<pre>int main;</pre>
    <ul><li>First<li>Second</ul><script>alert(1)</script><table><tr><td>Cell</td></tr></table></body></html>"""
    assert list(html_page(page.encode())) == [
        Paragraph("A heading"),
        Paragraph("One paragraph with code in it.", "a"),
        Paragraph("Another"),
        Paragraph("line"),
        Paragraph("First"),
        Paragraph("Second"),
        Paragraph("Cell"),
    ]


def test_html_in_a_declared_encoding() -> None:
    page = '<html><head><meta charset="euc-kr"></head><body><p>안녕하세요</p></body></html>'
    assert texts(html_page, page.encode("euc-kr")) == ["안녕하세요"]
    with pytest.raises(Unreadable, match="not UTF-8"):
        texts(html_page, "<p>한</p>".encode("euc-kr"))


def test_help_pages_show_one_of_the_hidden_alternatives() -> None:
    page = """<html><body><p>Frame</p><div id="DisplayArea"><p id="par_1">Press
    <span hidden="true" id="MAC1" class="MAC">Command</span><span hidden="true" id="default1">Ctrl</span>+A.</p>
    <p id="par_2">Prints <span hidden="true" id="IMPRESS2">slides</span><span hidden="true" id="DRAW2">pages</span>.</p>
    <div class="relatedtopics"><p>See also</p></div></div><footer><p>Debug</p></footer></body></html>"""
    assert list(help_page(page.encode())) == [
        Paragraph("Press Ctrl+A.", "par_1"),
        Paragraph("Prints slides.", "par_2"),
    ]


def test_docbook_and_mallard() -> None:
    book = """<?xml version="1.0"?><!DOCTYPE book [<!ENTITY app "MATE">]><book><bookinfo><title>No</title></bookinfo>
    <chapter><title>Panels</title><indexterm><primary>x</primary></indexterm><para>&app; has panels.</para>
    <screen>$ ls</screen><itemizedlist><listitem><para>One</para></listitem></itemizedlist></chapter></book>"""
    assert texts(docbook, book) == ["Panels", "MATE has panels.", "One"]
    page = """<page xmlns="http://projectmallard.org/1.0/"><info><desc>no</desc></info><title>Files</title>
    <p>Open <gui>Files</gui>.</p><screen>ls</screen><list><item><p>Copy</p></item></list></page>"""
    assert texts(mallard, page) == ["Files", "Open Files.", "Copy"]


@pytest.mark.parametrize("read", [html_page, help_page, docbook, mallard])
def test_hostile_markup_is_bounded(read: Reader) -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x><p>&a11;</p><para>&a11;</para></x>'
    external = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x><p>&e;</p><para>&e;</para></x>'
    deep = "<x>" + "<p><i>" * 100_000 + "text"
    for data in (bomb, external, deep, "\0\1\2", "<", ""):
        try:
            found = "".join(texts(read, data))
        except Unreadable:
            continue
        assert len(found) < 1_000_000 and "root:" not in found


def test_catalogues_give_lines_with_their_english() -> None:
    messages = {
        "Hello, world.": "Hallo Welt.",
        "female^Wose": "female^Wose",
        "menu\x04_Open the file": "_Die Datei",
        "Two lines\nof text": "Zwei Zeilen\nText",
        "Two\nlines": "Eine",
        "<b>Bold</b> &amp; old": "<b>Fett</b> &amp; alt",
        "one\0many": "eins\0viele",
        "You have %d apples": "Du hast %d Äpfel",
        "Hit {name}": "Triff {name}",
        "same": "same",
    }
    found = list(catalogue(catalogue_of(messages)))
    assert {(paragraph.english, paragraph.text) for paragraph in found} == {
        ("Hello, world.", "Hallo Welt."),
        ("Open the file", "Die Datei"),
        ("Two lines", "Zwei Zeilen"),
        ("of text", "Text"),
        ("", "Eine"),
        ("Bold & old", "Fett & alt"),
        ("one", "viele"),
    }
    assert len({paragraph.key for paragraph in found if paragraph.english}) == 6
    assert [paragraph.key for paragraph in found if paragraph.text == "Eine"] == [""]


@pytest.mark.parametrize(
    "text", ["50 % of it", "100% sure of it", "It costs 5 $ a day.", "a < b", "Wait...", "e-mail me@home"]
)
def test_text_without_holes_is_kept(text: str) -> None:
    assert texts(catalogue, catalogue_of({"x": text})) == [text]


@pytest.mark.parametrize(
    "text", ["%s files", "%1$s of %2$s", "%(n)d", "by %1", "{0} is", "$name dies", "$(ARG1) x", "<npcname>"]
)
def test_lines_with_words_to_fill_in_are_left_out(text: str) -> None:
    assert texts(catalogue, catalogue_of({"x": text, text: "y"})) == []


def test_damaged_catalogues_are_unreadable() -> None:
    whole = catalogue_of({"a": "b"})
    outside = bytearray(whole)
    struct.pack_into("<I", outside, 28, 1 << 30)
    many = whole[:8] + struct.pack("<I", 1 << 31) + whole[12:]
    for data in (
        b"",
        b"text",
        whole[:20],
        whole[:40],
        bytes(outside),
        many,
        catalogue_of({"a": "b"}).replace(b"b", b"\xff"),
    ):
        with pytest.raises(Unreadable):
            list(catalogue(data))


def test_manual_pages() -> None:
    page = r""".\" comment
.TH LS 1 "May 2022"
.SH "NAME"
ls \- list \fBdirectory\fP contents
.SH DESCRIPTION
.PP
Lists the \(lqfiles\(rq of
.BR "directory " ( dir )
and more.
.nf
code here
.fi
.TP
.B \-a
do not ignore entries
that start with a dot
.IP \(bu 2
A bullet\&.
"""
    assert texts(man_page, gzip.compress(page.encode())) == [
        "NAME",
        "ls - list directory contents",
        "DESCRIPTION",
        "Lists the “files” of directory (dir) and more.",
        "-a",
        "do not ignore entries that start with a dot",
        "A bullet.",
    ]


def test_roff_escapes() -> None:
    assert plain(r"\f[B]a\f[R] \[u00E9]t\(:a \s-2x\s+2 \*(lq \m[blue]y\m[] a\e b") == "a étä x y a\\ b"


def test_a_gzip_bomb_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LONGEST_FILE", 1000)
    assert base.gunzipped(gzip.compress(bytes(1000))) == bytes(1000)
    with pytest.raises(Unreadable, match="more than 1000 bytes"):
        list(man_page(gzip.compress(bytes(1001))))
    with pytest.raises(Unreadable, match="damaged gzip"):
        list(man_page(gzip.compress(bytes(100))[:-9]))


def test_descriptions() -> None:
    data = "%%%%\n# comment\nOrc\n\nA brute\nof a thing.\n\nIt is @adj@.\n%%%%\nGod\n\n{{ code }}\n%%%%\n"
    assert list(descriptions(data.encode())) == [Paragraph("A brute\nof a thing.", "Orc\n0")]


def test_wiki_messages() -> None:
    messages = {
        "@metadata": {"authors": ["x"]},
        "a": "See [[Help:Me|the help]] for '''more'''.",
        "b": "{{PLURAL:$1|one|many}}",
        "c": "Has $1 pages",
        "d": "First\n* list\nThird",
        "e": 3,
    }
    assert list(wiki_messages(json.dumps(messages).encode())) == [
        Paragraph("See the help for more.", "a\n0"),
        Paragraph("First", "d\n0"),
        Paragraph("Third", "d\n2"),
    ]
    for data in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(Unreadable):
            list(wiki_messages(data))
