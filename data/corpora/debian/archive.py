"""Reading Debian packages: files come out as bytes, and nothing is ever unpacked to the disk.

A package is an ``ar`` archive of ``control.tar`` and ``data.tar``, compressed (deb(5)). Only regular files are
read; links are skipped, never followed. A package that asks to be unpacked elsewhere, or into more than it should
hold, is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

from calque.data.corpora.debian.formats.base import LONGEST_FILE
from calque.data.errors import UserError

LARGEST_PACKAGE = 4 << 30  # bytes of data.tar, unpacked: the largest wanted one has 0.2 billion
LARGEST_CONTROL = 16 << 20
MOST_MEMBERS = 200_000
LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
NOT_OF_DEBIAN = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_SPARSE)
"""Extended attributes and sparse files, which dpkg refuses too; ``tarfile`` reads them in quadratic time."""
LONGEST_HEADER = 1 << 20  # bytes of a long name, which tarfile reads into memory
DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError, OSError)
OPENERS: dict[str, Callable[[Any], Any]] = {
    "": lambda file: file,
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": lambda file: bz2.BZ2File(file),
    ".xz": lambda file: lzma.LZMAFile(file),
    ".zst": lambda file: zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file, closefd=False),
}


@dataclass(frozen=True, kw_only=True)
class PackageName:
    """Name, version and architecture of a package.

    Attributes
    ----------
    name, version, architecture : str
    """

    name: str
    version: str
    architecture: str


def read_name(path: Path) -> PackageName:
    """Return name, version and architecture from a package's control file.

    Parameters
    ----------
    path : Path
        A ``.deb`` file.

    Returns
    -------
    PackageName
        Its name, version and architecture.

    Raises
    ------
    UserError
        When the file is no Debian package, or is damaged.
    """
    for name, data in _members(path, "control.tar", LARGEST_CONTROL, lambda name: name == "control"):
        fields = HeaderParser().parsestr(data.decode("utf-8", "replace"))
        if name == "control" and fields["Package"] and fields["Version"]:
            return PackageName(
                name=fields["Package"], version=fields["Version"], architecture=fields["Architecture"] or "all"
            )
    raise UserError(f"{path} names no package; expected a Debian package, remove it or fetch it again")


def read_files(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files that are ``wanted`` (called with ``usr/share/...``), in the package's order.

    Parameters
    ----------
    path : Path
        A ``.deb`` file.
    wanted : callable
        Called with the path inside the package, ``usr/share/...``; returns whether to read the file.

    Yields
    ------
    tuple of str and bytes
        The path inside the package, and the content.

    Raises
    ------
    UserError
        When the file is no Debian package, is damaged, names a file outside its own tree, or unpacks to more than
        any package of this corpus does.
    """
    yield from _members(path, "data.tar", LARGEST_PACKAGE, wanted)


class _Section(io.RawIOBase):
    """A given number of bytes of a file, from its current position."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._file.read(min(len(buffer), self._left))
        buffer[: len(found)] = found
        self._left -= len(found)
        return len(found)


class _Bounded(io.RawIOBase):
    """A stream that raises an error beyond a limit of bytes."""

    def __init__(self, stream: IO[bytes], limit: int, path: Path) -> None:
        self._stream, self._left, self._limit, self._path = stream, limit, limit, path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise UserError(f"{self._path} unpacks to more than {self._limit} bytes; remove it or fetch it again")
        return found


class _Member(tarfile.TarInfo):
    """A header of a tar archive; an overlong name, and what no Debian package holds, is refused before it is read."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type in NOT_OF_DEBIAN:
            raise tarfile.HeaderError(f"a header of the kind '{member.type.decode()}', which no Debian package has")
        if member.type in LONG_NAMES and member.size > LONGEST_HEADER:
            raise tarfile.HeaderError(f"a header of {member.size} bytes")
        return member


def _members(path: Path, tar_name: str, limit: int, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file, closing(_open_tar(file, path, tar_name, limit)) as tar:
            for count, member in enumerate(tar):
                if count > MOST_MEMBERS:
                    raise UserError(f"{path} holds more than {MOST_MEMBERS} files; remove it or fetch it again")
                name = _checked(path, member.name)
                if not (member.isfile() and wanted(name)):
                    continue
                if member.size > LONGEST_FILE:
                    raise UserError(
                        f"{path} holds {name} of {member.size} bytes, expected at most {LONGEST_FILE}; "
                        "remove the package or fetch it again"
                    )
                content = tar.extractfile(member)
                assert content is not None
                data = content.read()
                if len(data) != member.size:
                    raise tarfile.ReadError(f"{name} is cut off")
                yield name, data
    except DAMAGE as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path} cannot be read as a Debian package ({error or type(error).__name__}); remove it or fetch it again"
        ) from error


def _open_tar(file: IO[bytes], path: Path, tar_name: str, limit: int) -> tarfile.TarFile:
    for name, size in _sections(file):
        stem, _, rest = name.partition(".tar")
        if f"{stem}.tar" == tar_name:
            if rest not in OPENERS:
                raise UserError(f"{path} is compressed as {name}; expected one of {', '.join(filter(None, OPENERS))}")
            section = io.BufferedReader(_Section(file, size))
            stream = _Bounded(OPENERS[rest](section), limit, path)
            return tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member)  # noqa: SIM115 - the caller closes it
    raise UserError(f"{path} has no {tar_name}; expected a Debian package, remove it or fetch it again")


def _sections(file: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Yield name and size of each member of an ``ar`` archive, the file standing at its first byte."""
    if file.read(8) != b"!<arch>\n":
        raise tarfile.ReadError("no ar archive")
    place = 8
    while header := file.read(60):
        size = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size.isdigit():
            raise tarfile.ReadError("damaged ar archive")
        yield header[:16].decode("ascii", "replace").rstrip(" /"), int(size)
        place += 60 + int(size) + int(size) % 2
        file.seek(place)


def _checked(path: Path, name: str) -> str:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise UserError(f"{path} holds {name!r}, a file outside its own tree; remove the package or fetch it again")
    return "/".join(part for part in parts if part != ".")
