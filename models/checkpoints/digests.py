"""SHA-256 sums of checkpoints: one small file beside each, which ``sha256sum -c`` can read."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from calque.data.errors import UserError
from calque.data.files import write_atomically

LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def digest_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the content of the file ``path``, in hexadecimal digits."""
    path = Path(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_file(path: str | os.PathLike[str]) -> Path:
    """Return the file with the SHA-256 of the file ``path``, or of every file in the folder ``path``."""
    path = Path(path)
    return path.with_name(f"{path.name}.sha256")


def write_digests(path: str | os.PathLike[str], digests: Mapping[str, str]) -> None:
    """Write the SHA-256 file of a checkpoint.

    Parameters
    ----------
    path : path
        A file or a folder.
    digests : mapping of str to str
        SHA-256 by file, relative to the folder that ``path`` is in.
    """
    path = Path(path)
    text = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    write_atomically(digest_file(path), text.encode())


def verify(path: str | os.PathLike[str]) -> None:
    """Check that a checkpoint has the content that training wrote.

    Parameters
    ----------
    path : path
        A file or a folder.

    Raises
    ------
    UserError
        When a file is missing or has another SHA-256, or there is no file of sums.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} is missing; expected a checkpoint that training wrote")
    sums = digest_file(path)
    if not sums.exists():
        raise UserError(f"{path} has no {sums.name} beside it; expected a checkpoint that training finished writing")
    lines = sums.read_text(errors="replace").splitlines()
    parts = [LINE.fullmatch(line) for line in lines]
    files = [path.parent / part[2] for part in parts if part]
    if not lines or not all(parts) or not all(file == path or path in file.parents for file in files):
        raise UserError(f"{sums} is damaged; expected the SHA-256 of {path.name}: choose another checkpoint")
    for expected, file in zip([part[1] for part in parts if part], files, strict=True):
        found = digest_of(file) if file.exists() else "missing"
        if found != expected:
            raise UserError(
                f"{file} is not what was written under this name (SHA-256 {found[:12]}, on record {expected[:12]}): it "
                "is damaged or was swapped; restore it or choose another checkpoint"
            )


def remove(path: str | os.PathLike[str]) -> None:
    """Remove the checkpoint ``path``, a file or a folder, and its SHA-256 file."""
    path = Path(path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    digest_file(path).unlink(missing_ok=True)
