"""Text files written line by line that are whole or absent."""

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
    """Open a text file that appears under its name when it is complete and on the disk."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    publish(partial, path)


def publish(partial: Path, path: Path) -> None:
    """Give a file or folder its final name, and make sure the name lasts."""
    os.replace(partial, path)
    sync_folder(path.parent)
