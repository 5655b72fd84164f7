"""What every reader of a file format gives, and how bytes become text."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST_FILE = 32 << 20  # bytes of one file, unpacked: the largest wanted one has 12 million


class Unreadable(Exception):
    """A file that is not what its name says; it is counted and left out."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of a file.

    Attributes
    ----------
    text : str
        As it stands; white space and markup are not tidied yet.
    key : str
        Names the paragraph within its file; the paragraphs of one key in two languages translate each other.
        Empty where the format has no such names.
    english : str
        What it was translated from, where the file says so.
    """

    text: str
    key: str = ""
    english: str = ""


Reader = Callable[[bytes], Iterator[Paragraph]]


def decoded(data: bytes, declared: str = "utf-8") -> str:
    """Return UTF-8 as text, or what is in the encoding that the file declares.

    Parameters
    ----------
    data : bytes
        Content of a file.
    declared : str
        Encoding that is tried when the file is not UTF-8.

    Returns
    -------
    str
        The text, without a byte order mark.

    Raises
    ------
    Unreadable
        When it is neither.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            return data.decode(declared)
        except (LookupError, ValueError):
            raise Unreadable(f"not UTF-8: {error.reason} at byte {error.start}") from None


def gunzipped(data: bytes, most: int | None = None) -> bytes:
    """Return what a gzip file holds.

    Parameters
    ----------
    data : bytes
        Content of a gzip file.
    most : int, optional
        Bytes that it may hold, ``LONGEST_FILE`` when None.

    Returns
    -------
    bytes
        The decompressed content.

    Raises
    ------
    Unreadable
        When it is damaged, or larger than ``most``.
    """
    most = LONGEST_FILE if most is None else most
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(most + 1)
    except (OSError, EOFError) as error:
        raise Unreadable(f"damaged gzip: {error}") from None
    if len(found) > most:
        raise Unreadable(f"unpacks to more than {most} bytes")
    return found
