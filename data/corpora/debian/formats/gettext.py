"""Compiled gettext catalogues (.mo): the translated messages, each with the English it translates."""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from calque.data.corpora.debian.formats.base import Paragraph, Unreadable

MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}
# Lines with placeholders, which are filled in at run time, are left out.
HOLE = re.compile(r"%(?:\d+\$)?[-+#0']*[\d*]*(?:\.\d+)?[hlqjzt]*[a-zA-Z]|%\d|%[({]|\$[\w({]|\{[^}]*\}|@\w+@")
MARKUP = re.compile(r"</?[A-Za-z_][^<>]*>|<[A-Za-z]+='[^<>]*>")
UNCLOSED = re.compile(r"<(?!br\b|p\b|li\b|/)[A-Za-z_]+>")  # a name to fill in, where no tag is closed
SHORTCUT = re.compile(
    r"\(_\w\)|(?<![^\W_])[_~](?=[^\W\d_])"
)  # the key that chooses a menu entry: "_File", "ファイル(_F)"
CONTEXT = re.compile(r"^[^\n^]{1,60}\^")  # Wesnoth: "female^Wose"


class Message(NamedTuple):
    """One message of a catalogue.

    Attributes
    ----------
    context : str
        What tells it from other messages of the same English; mostly empty.
    english, translated : str
        Of plural forms the first in English, the last in the translation.
    plural : bool
        Whether it has plural forms.
    """

    context: str
    english: str
    translated: str
    plural: bool


def catalogue(data: bytes) -> Iterator[Paragraph]:
    """Yield the lines of each message, keyed by the English message and the line's number in it.

    The format: https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html. Of plural forms the last is
    taken. A message is split at its line breaks when both sides have the same number of lines.

    Parameters
    ----------
    data : bytes
        Content of a ``.mo`` file.

    Yields
    ------
    Paragraph
        A line of a message.

    Raises
    ------
    Unreadable
        When it is no such file, or its tables point out of it.
    """
    for _, english, translated, _ in messages(data):
        if not english or english == translated:
            continue
        if any(UNCLOSED.search(message) and "</" not in message for message in (english, translated)):
            continue
        sources, lines = plain_lines(english), plain_lines(translated)
        if len(sources) == len(lines):
            for number, (source, line) in enumerate(zip(sources, lines, strict=True)):
                if not (HOLE.search(line) or HOLE.search(source)):
                    yield Paragraph(line, f"{english}\n{number}", source)
        else:
            yield from (Paragraph(line) for line in lines if not HOLE.search(line))


def plain_lines(message: str) -> list[str]:
    """Return the lines of a ``message`` without shortcuts, markup and empty lines."""
    message = SHORTCUT.sub("", CONTEXT.sub("", message))
    text = html.unescape(MARKUP.sub("", message)) if "<" in message or "&" in message else message
    return [line for line in (" ".join(line.split()) for line in text.split("\n")) if line]


def messages(data: bytes) -> Iterator[Message]:
    """Yield the messages of a catalogue, the empty one included.

    Parameters
    ----------
    data : bytes
        Content of a ``.mo`` file.

    Yields
    ------
    Message

    Raises
    ------
    Unreadable
        When it is no such file, or its tables point out of it.
    """
    order = MAGIC.get(data[:4])
    if order is None or len(data) < 28:
        raise Unreadable("no gettext catalogue")
    try:
        count, sources, translations = struct.unpack_from(f"{order}3I", data, 8)
        if 8 * count > len(data):
            raise Unreadable(f"a catalogue of {len(data)} bytes cannot hold {count} messages")
        for place in range(count):
            first, second = (_string(data, order, table + 8 * place) for table in (sources, translations))
            context, _, source = first.rpartition("\x04")
            yield Message(context, source.partition("\0")[0], second.rpartition("\0")[2], "\0" in source)
    except (struct.error, UnicodeDecodeError) as error:
        raise Unreadable(f"damaged catalogue: {error}") from None


def _string(data: bytes, order: str, entry: int) -> str:
    length, start = struct.unpack_from(f"{order}2I", data, entry)
    if start + length > len(data):
        raise Unreadable("damaged catalogue: a message lies outside the file")
    return data[start : start + length].decode()
