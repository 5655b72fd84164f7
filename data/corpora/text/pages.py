"""Sizes of the pages of a parquet file, read from their headers: what decoding a column will cost, before it is done.

A reader holds one page of a column at a time, expanded. The file's footer does not say how large pages are, so the
headers in front of the pages are read: structures in Thrift's compact protocol, whose first three fields are the
kind of page, its size expanded and its size in the file (Apache Parquet format, ``PageHeader``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

HEADER = 1 << 13
LONGEST_HEADER = 1 << 20
NESTING = 8

_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12
EXPANDED_SIZE, PACKED_SIZE = 2, 3


def page_sizes(file: BinaryIO, start: int, length: int) -> Iterator[int]:
    """Yield the expanded size in bytes of every page of a column in a row group.

    Parameters
    ----------
    file : binary file
    start, length : int
        Bytes of the file that hold the pages, as the footer says.

    Raises
    ------
    ValueError
        When a header is damaged.
    """
    place = start
    while place < start + length:
        header, size = _header(file, place)
        expanded, packed = header.get(EXPANDED_SIZE, -1), header.get(PACKED_SIZE, -1)
        if expanded < 0 or packed < 0:
            raise ValueError(f"the page at byte {place} has no size")
        yield expanded
        place += size + packed


def _header(file: BinaryIO, place: int) -> tuple[dict[int, int], int]:
    """Return the integers of the header at a place by field, and the header's length in bytes."""
    size = HEADER
    while True:
        file.seek(place)
        data = file.read(size)
        compact = _Compact(data)
        try:
            return compact.struct(), compact.place
        except IndexError:
            if len(data) < size or size >= LONGEST_HEADER:
                raise ValueError(f"the page at byte {place} has a damaged header") from None
            size *= 16


class _Compact:
    """Reads one structure; what is not an integer is passed over. An ``IndexError`` says that data end early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise ValueError("a header holds an impossible number")

    def integer(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def struct(self, depth: int = 0) -> dict[int, int]:
        if depth > NESTING:
            raise ValueError("a header is nested too deeply")
        field, found = 0, {}
        while head := self.byte():
            field = field + (head >> 4) if head >> 4 else self.integer()
            value = self.skip(head & 15, depth)
            if value is not None:
                found[field] = value
        return found

    def skip(self, kind: int, depth: int) -> int | None:
        if kind in _INTEGERS:
            return self.integer()
        if kind == _STRUCT:
            self.struct(depth + 1)
        elif kind in _LISTS:
            head = self.byte()
            for _ in range(self.varint() if head >> 4 == 15 else head >> 4):
                self.skip(_BYTE if head & 15 in _BOOLEANS else head & 15, depth + 1)
        elif kind in (_BYTE, _DOUBLE):
            self.place += 1 if kind == _BYTE else 8
        elif kind == _BINARY:
            length = self.varint()
            self.place += length
        elif kind not in _BOOLEANS:
            raise ValueError(f"a header holds a field of unknown type {kind}")
        return None
