"""Text files written line by line that are complete or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from calque.data.files import sync_folder

PARTIAL = ".partial"


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """Open a text file that appears under its name when it is complete and on the disk.

    Parameters
    ----------
    path : Path
        The final name.

    Yields
    ------
    TextIO
        The open file, UTF-8; it is written under a temporary name until the context ends.
    """
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    publish(partial, path)


def publish(partial: Path, path: Path) -> None:
    """Give a file or folder its final name, and write the directory entry to the disk.

    Parameters
    ----------
    partial : Path
        The temporary name.
    path : Path
        The final name, in the same folder.
    """
    os.replace(partial, path)
    sync_folder(path.parent)
