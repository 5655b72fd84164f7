"""Compressed files as bounded streams of bytes: no file can fill the memory or the disk by expanding."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from calque.data.errors import UserError

CHUNK = 1 << 16
ZSTD_INPUT = 512
"""Bytes given to the Zstandard decoder at a time: each may become 32 kB."""
DICTIONARY = 1 << 26
"""The largest window or dictionary a stream may ask for, bytes (``zstd -19`` asks for 8 MB, ``xz -9`` for 64 MB)."""
RATIO_FROM = 1 << 24
"""Expanded bytes from which the ratio is checked: small files may expand by any ratio."""
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
BROKEN = (zlib.error, lzma.LZMAError, zstandard.ZstdError, zipfile.BadZipFile, EOFError)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on reading a file.

    Attributes
    ----------
    line : int
        Bytes of a line of text or JSON, or of a value of a parquet column.
    ratio : float
        Expanded bytes a compressed byte.
    expanded : int
        Bytes a file may have when expanded.
    """

    line: int
    ratio: float
    expanded: int


def contents(path: Path, where: str, limits: Limits) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the name and the expanded content of every file in a zip archive, by name; of another file, its own.

    Parameters
    ----------
    path : Path
        Its last suffix tells the compression: ``COMPRESSIONS``, or none.
    where : str
        Its name in errors.
    limits : Limits
        Bounds on the expansion.

    Yields
    ------
    tuple of str and iterator of bytes
        Name within the archive, empty for a file that is none; and pieces of at most a few megabytes, to be read
        before the next file is asked for.

    Raises
    ------
    UserError
        When the file cannot be read, is damaged or cut off, or expands beyond the limits.
    """
    suffix = path.suffix.lower()
    with file_errors(where), path.open("rb") as file:
        if suffix != ".zip":
            yield "", _bounded(_READERS.get(suffix, _plain)(file), where, limits)
            return
        with zipfile.ZipFile(file) as archive:  # its list of files is read once, however many there are
            infos = [info for info in archive.infolist() if not info.is_dir()]
            size = os.fstat(file.fileno()).st_size
            check_expansion(sum(info.file_size for info in infos), size, where, limits)
            for info in sorted(infos, key=lambda info: info.filename):
                name = f"{where}!{info.filename}"
                yield info.filename, _bounded(_zipped(archive, info, name, size), name, limits)


def _bounded(pieces: Iterator[tuple[bytes, int]], where: str, limits: Limits) -> Iterator[bytes]:
    """Yield pieces of one file, as long as it expands within the limits."""
    expanded = 0
    with file_errors(where):
        for piece, read in pieces:
            expanded += len(piece)
            check_expansion(expanded, read, where, limits)
            yield piece


def check_expansion(expanded: int, read: int, where: str, limits: Limits) -> None:
    """Refuse a file that expands beyond the limits.

    Parameters
    ----------
    expanded : int
        Bytes after decompression.
    read : int
        Bytes read from the compressed file.
    where : str
        Name of the file in errors.
    limits : Limits
        Bounds on the size and on the ratio.

    Raises
    ------
    UserError
        When a limit is exceeded.
    """
    if expanded > limits.expanded:
        raise UserError(
            f"{where} expands to more than {limits.expanded} bytes; expected at most so many a file: "
            "split it, or raise max_expanded"
        )
    if expanded > max(RATIO_FROM, limits.ratio * read):
        raise UserError(
            f"{where} expands more than {limits.ratio:g}-fold ({expanded} bytes out of {read}), as a zip bomb does; "
            "expand it yourself if it is what you want, or raise max_ratio"
        )


@contextmanager
def file_errors(where: str) -> Iterator[None]:
    """Turn errors of reading or decompressing a file into one user error.

    Parameters
    ----------
    where : str
        Name of the file in errors.

    Raises
    ------
    UserError
        When the file is damaged, cut off or not readable.
    """
    try:
        yield
    except BROKEN as error:
        raise UserError(f"{where} is damaged or cut off ({error}); fetch or pack it again") from None
    except gzip.BadGzipFile as error:
        raise UserError(f"{where} is damaged ({error}); fetch or pack it again") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot read {where}: {reason}; mend it, or remove it from the folder") from None


def _plain(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    read = 0
    while piece := file.read(CHUNK):
        read += len(piece)
        yield piece, read


def _stream(open_stream: Callable[[BinaryIO], io.BufferedIOBase]) -> Callable[[BinaryIO], Iterator[tuple[bytes, int]]]:
    def read(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
        with open_stream(file) as stream:
            while piece := stream.read(CHUNK):
                yield piece, file.tell()

    return read


def _xz(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    decoder, fresh = lzma.LZMADecompressor(memlimit=2 * DICTIONARY), True
    read, data = 0, b""
    while True:
        if not data and decoder.needs_input:
            data = file.read(CHUNK)
            read += len(data)
            if not data:
                break
        if fresh and not (data := data.lstrip(b"\0")):  # padding between streams
            continue
        piece, data, fresh = decoder.decompress(data, CHUNK), b"", False
        if piece:
            yield piece, read
        if decoder.eof:
            data, fresh = decoder.unused_data, True
            decoder = lzma.LZMADecompressor(memlimit=2 * DICTIONARY)
    if not fresh:
        raise EOFError("the stream ends early")


def _zstd(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    context = zstandard.ZstdDecompressor(max_window_size=DICTIONARY)
    decoder, fresh, read = context.decompressobj(), True, 0
    while data := file.read(ZSTD_INPUT):
        read += len(data)
        while data:
            piece, fresh = decoder.decompress(data), False
            if piece:
                yield piece, read
            data = b""
            if decoder.eof:
                data, decoder, fresh = decoder.unused_data, context.decompressobj(), True
    if not fresh:
        raise EOFError("the stream ends early")


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, most: int) -> Iterator[tuple[bytes, int]]:
    if info.flag_bits & 1:
        raise UserError(f"{where} is encrypted; expected files that can be read: pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{where} is packed by method {info.compress_type}; expected deflate or none: pack it again")
    packed = min(info.compress_size, most)  # what the archive says may be a lie
    with archive.open(info) as stream:
        while piece := stream.read(CHUNK):
            yield piece, packed


_READERS: dict[str, Callable[[BinaryIO], Iterator[tuple[bytes, int]]]] = {
    ".gz": _stream(lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": _stream(lambda file: bz2.BZ2File(file)),
    ".xz": _xz,
    ".zst": _zstd,
}
