"""Debian packages and gettext catalogues, made by hand for tests."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import zstandard

COMPRESS = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar_of(sections: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in sections.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def deb(
    path: Path,
    files: Mapping[str, bytes | str] | None = None,
    *,
    version: str = "1.0-1",
    tar: bytes | None = None,
    suffix: str = ".xz",
) -> Path:
    """Write ``NAME_VERSION_all.deb``; the package's name is that of the file."""
    name = path.name.partition("_")[0]
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nDescription: text\n"
    if tar is None:
        tar = tar_of(
            member(f"./{file}", text.encode() if isinstance(text, str) else text)
            for file, text in (files or {}).items()
        )
    sections = {
        "debian-binary": b"2.0\n",
        f"control.tar{suffix}": COMPRESS[suffix](tar_of([member("./control", control.encode())])),
        f"data.tar{suffix}": COMPRESS[suffix](tar),
    }
    path.write_bytes(ar_of(sections))
    return path


def catalogue_of(messages: Mapping[str, str]) -> bytes:
    """Return a compiled gettext catalogue of these messages and the empty one that every catalogue has."""
    entries = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **messages}.items(), key=lambda e: e[0].encode())
    strings = [text.encode() for entry in entries for text in entry]
    place = 28 + 16 * len(entries)
    tables: tuple[list[bytes], list[bytes]] = ([], [])
    for number, text in enumerate(strings):
        tables[number % 2].append(struct.pack("<2I", len(text), place))
        place += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(entries), 28, 28 + 8 * len(entries), 0, 0)
    return head + b"".join(tables[0]) + b"".join(tables[1]) + b"".join(text + b"\0" for text in strings)
