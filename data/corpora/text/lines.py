"""Lines of a text file: strict UTF-8, bounded in length, with their numbers for the errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from calque.data.errors import UserError

BOM = b"\xef\xbb\xbf"
WIDE = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """One line.

    Attributes
    ----------
    number : int
        From 1.
    offset : int
        Bytes of the (expanded) file before it.
    raw : bytes
        Without the line end (line feed, or carriage return and line feed).
    """

    number: int
    offset: int
    raw: bytes


def text_of(group: Sequence[Line], where: str) -> str:
    """Return the text of consecutive lines of the file that ``where`` names.

    Parameters
    ----------
    group : sequence of Line
        Consecutive lines.
    where : str
        Name of the file, for errors.

    Returns
    -------
    str
        The lines, joined by line breaks.

    Raises
    ------
    UserError
        When it is no UTF-8, or holds a zero byte; names the line, and the byte's place in the file.
    """
    try:
        text = b"\n".join([line.raw for line in group]).decode()
    except UnicodeDecodeError:
        for line in group:
            _check_utf8(line, where)
        raise
    if "\0" in text:
        line = next(line for line in group if 0 in line.raw)
        place = line.offset + line.raw.index(0)
        raise UserError(f"{where} line {line.number}: a zero byte at byte {place}; expected text: is the file binary?")
    return text


def _check_utf8(line: Line, where: str) -> None:
    try:
        line.raw.decode()
    except UnicodeDecodeError as error:
        place, byte = line.offset + error.start, line.raw[error.start]
        kind = " (it looks like UTF-16)" if line.number == 1 and line.raw.startswith(WIDE) else ""
        raise UserError(
            f"{where} line {line.number}: invalid UTF-8 at byte {place} (0x{byte:02x}){kind}; expected UTF-8: "
            "convert the file, for instance with iconv"
        ) from None


def lines(chunks: Iterable[bytes], where: str, limit: int) -> Iterator[Line]:
    """Yield the lines of a stream of bytes; a byte order mark is dropped. The last may be empty.

    Parameters
    ----------
    chunks : iterable of bytes
    where : str
        Names the file in errors.
    limit : int
        Bytes a line may have.

    Raises
    ------
    UserError
        When a line is longer; it is not read to its end.
    """
    number, offset, rest = 1, 0, b""
    for chunk in chain(chunks, (b"\n",)):
        *whole, rest = (rest + chunk).split(b"\n")
        if number == 1 and whole and whole[0].startswith(BOM):
            offset, whole[0] = len(BOM), whole[0][len(BOM) :]
        for raw in whole:
            if len(raw) > limit:
                raise _too_long(where, number, limit)
            yield Line(number, offset, raw[:-1] if raw.endswith(b"\r") else raw)
            number, offset = number + 1, offset + len(raw) + 1
        if len(rest) > limit:
            raise _too_long(where, number, limit)


def _too_long(where: str, number: int, limit: int) -> UserError:
    return UserError(
        f"{where} line {number}: longer than {limit} bytes; expected shorter lines: break it, or raise max_line"
    )
