"""Plain formats: game descriptions (%%%% blocks), MediaWiki's messages (JSON)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

from calque.data.corpora.debian.formats.base import Paragraph, Unreadable, decoded

WIKI_HOLE = re.compile(r"\{\{|\$\d|^\s*[*#:;=|!{]|&lt;|<[^>]*=")
LINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]")
TAG = re.compile(r"<[^<>]*>")


def descriptions(data: bytes) -> Iterator[Paragraph]:
    """Yield descriptions: blocks between lines of ``%%%%``, each a name, an empty line and paragraphs.

    Names are English in every language, so they key the paragraphs. Blocks with code (``{{``) are left out.

    Parameters
    ----------
    data : bytes
        Content of the file, UTF-8.

    Yields
    ------
    Paragraph
        Text, with the English name and the paragraph's number as key.

    Raises
    ------
    Unreadable
        When it is not UTF-8.
    """
    for block in re.split(r"^%%%%.*$", decoded(data), flags=re.MULTILINE):
        lines = [line for line in block.strip().split("\n") if not line.startswith("#")]
        name, _, body = "\n".join(lines).strip().partition("\n")
        if "{{" in body or "\n" in name:
            continue
        for number, text in enumerate(re.split(r"\n\s*\n", body.strip())):
            if text and not re.search(r"@\w+@|\$\w|^\s*(?:w:\d+|:)", text):
                yield Paragraph(TAG.sub("", text), f"{name}\n{number}")


def wiki_messages(data: bytes) -> Iterator[Paragraph]:
    """Yield the messages of a JSON object of strings; lines with templates or words to fill in are left out.

    Parameters
    ----------
    data : bytes
        Content of the JSON file.

    Yields
    ------
    Paragraph
        A line of a message, with the message's name and the line's number as key.

    Raises
    ------
    Unreadable
        When it is no JSON object.
    """
    try:
        messages = json.loads(decoded(data))
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable(f"no JSON: {error}") from None
    if not isinstance(messages, dict):
        raise Unreadable("no JSON object")
    for key, message in messages.items():
        if key.startswith("@") or not isinstance(message, str):
            continue
        for number, line in enumerate(message.split("\n")):
            if line and not WIKI_HOLE.search(line):
                text = TAG.sub("", LINK.sub(r"\1", line)).replace("'''", "").replace("''", "")
                if not re.search(r"[\[\]{}|]", text):
                    yield Paragraph(html.unescape(text), f"{key}\n{number}")
