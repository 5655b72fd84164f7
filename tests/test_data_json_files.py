"""JSON files are strict and whole, and errors of reading name the file."""

from __future__ import annotations

import errno
import json
import math
import os
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from calque.data import files
from calque.data.errors import UserError
from calque.data.json_files import read_json, read_json_if_there, to_json, write_json


class Word(StrEnum):
    one = "first"


def test_json_is_strict_whatever_the_numbers_come_from() -> None:
    value = {
        "a": [math.nan, -math.inf, np.float32(0.5), np.float64(np.inf), np.int64(3)], "b": (True, None, Word.one),
        "c": {"ü": 10**20},
    }  # fmt: skip
    expected = {"a": [None, None, 0.5, None, 3], "b": [True, None, "first"], "c": {"ü": 10**20}}
    assert json.loads(to_json(value), parse_constant=pytest.fail) == expected
    assert to_json({"b": 1, "a": "ü"}, indent=None, sort_keys=True) == '{"a": "ü", "b": 1}\n'


def test_a_file_is_whole_or_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "a.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1} and path.read_text().endswith("}\n")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"a": 2})
    assert read_json(path) == {"a": 1} and [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[" * 100_000])
def test_what_is_no_json_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON \(.+\); expected an answer") as caught:
        read_json(path, "an answer")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_or_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match="^cannot read .*a.json: No such file or directory; expected an answer$"):
        read_json(path, "an answer")
    assert read_json_if_there(path, dict[str, int]) is None
    path.write_text("{")
    assert read_json_if_there(path, dict[str, int]) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"7", b'"text"', b'{"a": "1"}', b'{"a": 1.5}', b'{"a": null}', b"\xff\xfe{}",
     b"[" * 20000, b"\0" * 64],
)  # fmt: skip
def test_a_file_that_can_be_made_again_is_of_its_kind_or_not_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert read_json_if_there(path, dict[str, int]) is None
    assert read_json_if_there(tmp_path, dict[str, int]) is None
    assert read_json_if_there(path / "below", dict[str, int]) is None
    path.write_text('{"a": 1}')
    assert read_json_if_there(path, dict[str, int]) == {"a": 1}
