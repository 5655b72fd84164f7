"""Manual pages (roff with the macros of man and mdoc): running text, without displays and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from calque.data.corpora.debian.formats.base import Paragraph, decoded, gunzipped

FONTS = frozenset("B I SB SM BR IR RB RI BI IB".split())
INLINE = frozenset("Nm Fa Fn Ar Em Xr Dv Va Pa Li Sy Ql Dq Sq Cm Fl Ev Er Ic Op No Qq Tn Ns".split())
DISPLAYS = {"nf": "fi", "EX": "EE", "TS": "TE", "SY": "YS", "Bd": "Ed", "ig": ".", "de": ".", "PS": "PE", "EQ": "EN"}
NAMED = {
    "aq": "'", "dq": '"', "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "em": "—", "en": "–", "bu": "", "co": "©",
    "hy": "-", "ga": "`", "ha": "^", "ti": "~", "rs": "\\", "tm": "™", "rg": "®", "->": "→", "<=": "≤", ">=": "≥",
    "mu": "×", "ss": "ß", ":a": "ä", ":o": "ö", ":u": "ü", ":A": "Ä", ":O": "Ö", ":U": "Ü", "ba": "|", "sq": "□",
    "Fo": "«", "Fc": "»", "Bq": "„", "cd": "·", "de": "°", "ul": "_", "at": "@", "sh": "#", "Do": "$", "pl": "+",
}  # fmt: skip
ESCAPE = re.compile(
    r"\\(?:f(?:\[[^\]]*\]|\(..|.)|s[-+]?\d+|\((?P<two>..)|\[(?P<long>[^\]]*)\]|\*(?:\[[^\]]*\]|\(..|.)"
    r"|[mM]\[[^\]]*\]|[hvwkoD]'[^']*'|n(?:\[[^\]]*\]|\(..|.)|(?P<one>.))"
)
ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|(\S+)')
REQUEST = re.compile(r"[.']\s*(\S*)\s*(.*)")


def man_page(data: bytes) -> Iterator[Paragraph]:
    """Yield headings, paragraphs and list items of a gzipped manual page.

    Parameters
    ----------
    data : bytes
        Content of a gzipped manual page.

    Yields
    ------
    Paragraph
        Text without macros; it has no key.

    Raises
    ------
    Unreadable
        When it is damaged or not UTF-8.
    """
    words: list[str] = []
    until: str | None = None
    tag = False
    # A sentence may be split by a line that ends in \c or by a font macro: only other macros end a paragraph.
    for line in decoded(gunzipped(data)).split("\n"):
        found = REQUEST.match(line)
        name, rest = (found[1], found[2]) if found else ("", "")
        if until is not None:
            until = None if name == until else until
            continue
        if line.startswith((r".\"", r"'\"", r".\}")):
            continue
        if name in DISPLAYS:
            until = DISPLAYS[name]
        elif found and (name in FONTS or name in INLINE):
            words.append(_macro(name, rest))
            if not tag:
                continue
        elif not found:
            words.append(line)
            if line.strip() and not tag:
                continue
        if words:
            yield Paragraph(plain(" ".join(words)))
            words = []
        tag = name in ("TP", "TQ")  # the next line is a term, a paragraph of its own
        if name in ("SH", "SS", "Sh", "Ss"):
            yield Paragraph(plain(" ".join(_arguments(rest))))
    if words:
        yield Paragraph(plain(" ".join(words)))


def _arguments(rest: str) -> list[str]:
    return [(quoted or bare).replace('""', '"') for quoted, bare in ARGUMENT.findall(rest)]


def _macro(name: str, rest: str) -> str:
    joined = len(name) == 2 and name in FONTS and name not in ("SB", "SM")
    return ("" if joined else " ").join(_arguments(rest))


def plain(text: str) -> str:
    r"""Return roff text without escapes: ``\fBls\fP \-l`` becomes ``ls -l``."""
    return " ".join(ESCAPE.sub(_replaced, text).split())


def _replaced(found: re.Match[str]) -> str:
    name = found["two"] or found["long"]
    if name is not None:
        if re.fullmatch(r"u[0-9A-F]{4,5}", name):
            return chr(int(name[1:], 16))
        return NAMED.get(name, "")
    return {"-": "-", "e": "\\", " ": " ", "~": " ", "0": " ", "'": "'", "`": "`", "\\": "\\", ".": "."}.get(
        found["one"] or "", ""
    )
