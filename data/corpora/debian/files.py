"""Files that are whole or absent, and a folder that one process at a time works in."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

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


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that is whole or absent."""
    with written(path) as file:
        json.dump(value, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")


def publish(partial: Path, path: Path) -> None:
    """Give a file or folder its final name, and make sure the name lasts."""
    os.replace(partial, path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; another process waits for it. A killed process lets go of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
