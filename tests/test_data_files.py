"""Atomic files: whole or absent, and nothing left of writers that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calque.data import files
from calque.data.files import remove_abandoned, temporary, write_atomically


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    mine = temporary(path).name
    abandoned = path.with_name(mine.replace(str(os.getpid()), str(dead_process())))
    at_work = path.with_name(mine.replace(str(os.getpid()), str(os.getppid())))
    elsewhere = path.with_name(abandoned.name.replace(f".{path.name}.", f".{path.name}.otherhost"))
    of_another = temporary(tmp_path / "other.json").with_name(abandoned.name.replace("tokenizer", "other"))
    for file in (abandoned, at_work, elsewhere, of_another):
        file.write_bytes(b"half")
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert not abandoned.exists()
    assert at_work.exists() and elsewhere.exists() and of_another.exists()
    remove_abandoned(tmp_path / "other.json")
    assert not of_another.exists()


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"old"
