"""A hostile folder ends in one clear line that names file and place, before anything is prepared."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.corpus import TextCorpus
from calque.data.corpora.text.documents import documents
from calque.data.errors import UserError

GOOD = "".join(json.dumps({"text": f"document {i} with some words"}) + "\n" for i in range(200)).encode()


@pytest.fixture
def english(tmp_path: Path) -> Path:
    folder = tmp_path / "text" / "en"
    folder.mkdir(parents=True)
    (folder / "good.jsonl").write_bytes(GOOD)
    return folder


def refusal(folder: Path, **settings: object) -> str:
    """Return the one line with which the folder is refused."""
    with pytest.raises(UserError) as caught:
        TextCorpus(TextConfig(**{"folder": str(folder), "languages": ("en",), **settings})).provenance()  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400 + message.count(str(folder)) * len(str(folder))
    assert str(folder) in message and ";" in message, "says where, and what to do"
    return message


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


CONTENT = [
    ("bad.txt", b"first\nsec\xffond\n", r"bad\.txt line 2: invalid UTF-8 at byte 9 \(0xff\); expected UTF-8"),
    ("bad.txt", b"good\n" * 30_000 + b"caf\xe9", r"line 30001: invalid UTF-8 at byte 150003 \(0xe9\)"),
    ("bad.txt", b"\xef\xbb\xbfab\xc3", r"line 1: invalid UTF-8 at byte 5 \(0xc3\)"),
    ("bad.txt", "text".encode("utf-16"), r"line 1: invalid UTF-8 at byte 0 \(0xff\) \(it looks like UTF-16\)"),
    ("bad.txt", b"one\ntw\0o", r"line 2: a zero byte at byte 6; expected text: is the file binary"),
    ("bad.txt", b"", r"bad\.txt is empty; expected text"),
    ("bad.txt", b" \n\r\n", r"bad\.txt holds no text, only white space"),
    ("bad.jsonl", GOOD + b"{oops}\n", r"bad\.jsonl line 201: no JSON \(Expecting"),
    ("bad.jsonl", b"[" * 200_000, r"line 1: nested too deeply"),
    ("bad.jsonl", b"[1, 2]\n", r"line 1: a list; expected one object a line"),
    ("bad.jsonl", b'{"text": ' + b"9" * 5000 + b"}", r"line 1: no JSON \(Exceeds the limit"),
    ("bad.jsonl", b'{"body": "x", "id": 1}\n', r"line 1: no field 'text' \(it has body, id\).*set text\.field"),
    ("bad.jsonl", b'{"text": null}\n', r"line 1: the field 'text' is null; expected text"),
    ("bad.jsonl", b'{"text": "\\ud83d"}\n', r"line 1: half a surrogate pair \(U\+D83D\)"),
    ("bad.jsonl", b'{"text": "\\u0000"}\n', r"line 1: a zero character"),
    ("bad.jsonl", b'{"text": "\xe9"}\n', r"line 1: invalid UTF-8 at byte 10 \(0xe9\)"),
    ("bad.json", b'[{"text": "x"}]', r"bad\.json is no file of text that can be read; expected \.txt, \.jsonl"),
    ("bad.gz", gzip.compress(GOOD), r"bad\.gz is no file of text that can be read"),
    ("bad.parquet.gz", gzip.compress(GOOD), r"bad\.parquet\.gz is no file of text that can be read"),
    ("bad.jsonl.gz", gzip.compress(GOOD)[:-9], r"bad\.jsonl\.gz is damaged or cut off"),
    ("bad.jsonl.gz", GOOD, r"bad\.jsonl\.gz is damaged \(Not a gzipped file"),
    ("bad.jsonl.bz2", bz2.compress(GOOD)[:-9], r"bad\.jsonl\.bz2 is damaged or cut off"),
    ("bad.jsonl.bz2", GOOD, r"bad\.jsonl\.bz2: Invalid data stream"),
    ("bad.jsonl.xz", lzma.compress(GOOD)[:-9], r"bad\.jsonl\.xz is damaged or cut off \(the stream ends early"),
    ("bad.jsonl.xz", GOOD, r"bad\.jsonl\.xz is damaged or cut off \(Input format not supported"),
    ("bad.jsonl.zst", zstandard.compress(GOOD)[:-9], r"bad\.jsonl\.zst is damaged or cut off \(the stream ends early"),
    ("bad.jsonl.zst", GOOD, r"bad\.jsonl\.zst is damaged or cut off"),
    ("bad.zip", zipped({"a.txt": b"x"})[:-9], r"bad\.zip is damaged or cut off \(File is not a zip file"),
    ("bad.zip", zipped({"deep/a.csv": b"x"}), r"bad\.zip!deep/a\.csv is no text; expected \.txt or \.jsonl within"),
    ("bad.zip", zipped({"b.zip": b"x"}), r"bad\.zip!b\.zip is no text"),
    ("bad.zip", zipped({"a.jsonl": b"{}\n"}), r"bad\.zip!a\.jsonl line 1: no field 'text' \(it has nothing\)"),
    ("bad.parquet", b"PAR1" + GOOD, r"bad\.parquet is no parquet file that can be read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), CONTENT, ids=lambda value: value if len(value) < 20 else "")
def test_content(english: Path, name: str, content: bytes, message: str) -> None:
    (english / name).write_bytes(content)
    assert re.search(message, refusal(english.parent))


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [
        (gzip.compress, ".gz"),
        (bz2.compress, ".bz2"),
        (lambda data: lzma.compress(data, preset=0), ".xz"),
        (zstandard.compress, ".zst"),
    ],
)
def test_bombs_in_every_compression(english: Path, pack: Callable[[bytes], bytes], suffix: str) -> None:
    (english / f"bomb.txt{suffix}").write_bytes(pack((b"a" * 999 + b"\n") * 40_000))
    message = refusal(english.parent)
    assert re.search(rf"bomb\.txt{suffix} expands more than 250-fold \(\d+ bytes out of \d+\)", message)
    assert "max_expanded" in refusal(english.parent, max_ratio=1e9, max_expanded=1_000_000)
    TextCorpus(TextConfig(folder=str(english.parent), languages=("en",), max_ratio=1e9)).provenance()


def test_bombs_in_archives(english: Path) -> None:
    members = {f"{i}.txt": (b"a" * 999 + b"\n") * 2_000 for i in range(20)}
    (english / "bomb.zip").write_bytes(zipped(members))
    assert re.search(r"bomb\.zip expands more than 250-fold", refusal(english.parent)), "all members together count"
    lying = bytearray(zipped({"a.txt": (b"a" * 999 + b"\n") * 40_000}))
    place = lying.rindex(b"PK\x01\x02")
    lying[place + 24 : place + 28] = struct.pack("<I", 1000)  # the size that the directory states
    (english / "bomb.zip").write_bytes(lying)
    assert re.search(r"bomb\.zip!?.* is damaged or cut off", refusal(english.parent))


def test_archives_that_cannot_be_read_in_pieces(english: Path) -> None:
    with zipfile.ZipFile(english / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.txt", "text")
    assert re.search(r"a\.zip!a\.txt is packed by method 14; expected deflate or none", refusal(english.parent))
    locked = bytearray(zipped({"a.txt": b"text"}))
    for head, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        locked[locked.index(head) + flags] |= 1
    (english / "a.zip").write_bytes(locked)
    assert re.search(r"a\.zip!a\.txt is encrypted", refusal(english.parent))


def test_an_archive_is_opened_once_however_many_files_it_holds(english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"document {i} of an archive" for i in range(300)]
    packed = zipped({f"{i:03}.txt": f"{text}\n".encode() for i, text in enumerate(texts)})
    (english / "many.zip").write_bytes(packed)
    opened: list[int] = []
    read = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: (opened.append(1), read(self))[1])
    path = english / "many.zip"
    assert list(documents(path, str(path), TextConfig())) == texts
    assert len(opened) == 1, "its list of files is read once, or the time grows with the square of their number"
    some = documents(path, str(path), TextConfig(), lambda ordinal: ordinal in (3, 250))
    assert list(some) == [texts[3], texts[250]]


def test_streams_that_ask_for_much_memory(english: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]
    (english / "a.txt.xz").write_bytes(lzma.compress(b"text", filters=filters))
    assert "Memory usage limit exceeded" in refusal(english.parent)
    (english / "a.txt.xz").unlink()
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (english / "a.txt.zst").write_bytes(stream.compress(b"text") + stream.flush())
    assert re.search(r"a\.txt\.zst is damaged or cut off .*too much memory", refusal(english.parent))


def test_lines_are_limited(english: Path) -> None:
    (english / "a.txt").write_bytes(b"short\n" + b"x" * 100 + b"\nshort")
    assert re.search(
        r"a\.txt line 2: longer than 99 bytes; expected shorter lines.*max_line", refusal(english.parent, max_line=99)
    )
    TextCorpus(TextConfig(folder=str(english.parent), languages=("en",), max_line=100)).provenance()


def test_links(english: Path, tmp_path: Path) -> None:
    root, elsewhere = english.parent, tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.txt").write_text("secret")
    link = english / "a.txt"
    link.symlink_to(elsewhere / "secret.txt")
    assert re.search(
        r"en/a\.txt is a link out of the folder, to .*secret\.txt; expected all text within", refusal(root)
    )
    link.unlink()
    link.symlink_to(english / "none.txt")
    assert re.search(r"en/a\.txt is a link to .*none\.txt, which is missing", refusal(root))
    link.unlink()
    link.symlink_to(link)
    assert "en/a.txt is a link to" in refusal(root)
    link.unlink()
    (english / "loop").symlink_to(english)
    assert "en/loop is a link to a folder" in refusal(root)
    (english / "loop").unlink()
    (root / "de").symlink_to(elsewhere)
    assert re.search(r"de is a link out of the folder", refusal(root))


def test_what_is_no_file(english: Path) -> None:
    os.mkfifo(english / "pipe.txt")
    assert "pipe.txt is no regular file" in refusal(english.parent), "and it does not wait for a writer"
    (english / "pipe.txt").unlink()
    Path(os.fsdecode(os.fsencode(english) + b"/\xff.txt")).write_text("text")
    assert "is no UTF-8" in refusal(english.parent)


def test_the_layout(english: Path) -> None:
    root = english.parent
    assert re.search(
        r"has no folder de/; expected one for each of en, de.*set text\.languages to \[en\]",
        refusal(root, languages=("en", "de")),
    )
    (root / "de").mkdir()
    (root / "de" / "README.md").write_text("about")
    assert re.search(
        r"text/de has no text; expected \.txt.*leave 'de' out of text\.languages", refusal(root, languages=("en", "de"))
    )
    (root / "eng").mkdir()
    assert re.search(
        r"text/eng is the folder of no known language; expected one of en, de.*did you mean 'en'", refusal(root)
    )
    (root / "eng").rmdir()
    (root / "wiki.txt").write_text("text")
    assert re.search(r"text/wiki\.txt is in no language's folder; expected a folder a language", refusal(root))
    (root / "wiki.txt").unlink()
    deep = english.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    assert "folders deep" in refusal(root)
    for folder, message in (
        (root / "none", "is missing"),
        (english / "good.jsonl", "is no folder"),
        (english / "d", "has no folder of a language"),
    ):
        if folder.name == "d":
            shutil.rmtree(folder)
            folder.mkdir()
        assert message in refusal(folder)
    with pytest.raises(UserError, match="needs a folder; expected .* set text.folder"):
        TextCorpus(TextConfig(languages=("en",))).provenance()


def test_one_document_cannot_be_split(english: Path) -> None:
    (english / "good.jsonl").write_bytes(b'{"text": "one"}\n' * 3)
    assert re.search(r"/en holds 1 different document; expected two or more", refusal(english.parent))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "text"
        (root / "en").mkdir(parents=True)
        path = root / "en" / "a.txt"
        path.write_text("text")
        monkeypatch.setenv("CALQUE_HOME", f"{place}/home")
        os.chmod(place, 0o777)
        os.chmod(path, 0)
        os.seteuid(65534)
        try:
            assert re.search(r"cannot read .*en/a\.txt: Permission denied; mend it, or remove it", refusal(root))
            os.seteuid(0)
            os.chmod(root / "en", 0)
            os.seteuid(65534)
            assert re.search(r"cannot read the folder .*text/en: Permission denied", refusal(root))
        finally:
            os.seteuid(0)


def test_columns_and_rows_of_parquet(english: Path) -> None:
    path = english / "bad.parquet"
    broken = pa.array([b"good", b"caf\xe9"], pa.binary()).view(pa.string())
    for table, message in (
        ({"body": ["x"], "id": [1]}, r"bad\.parquet has no column 'text' \(it has body, id\); .*set text\.field"),
        ({"text": [1, 2]}, r"the column 'text' of .*bad\.parquet is int64; expected text"),
        ({"text": [{"a": "x"}]}, r"the column 'text' of .*bad\.parquet is struct<a: string>; expected text"),
        ({"text": ["x", None]}, r"bad\.parquet row 2: the column 'text' is null; expected text: drop such rows"),
        ({"text": ["x", "y", "z" * 101]}, r"bad\.parquet row 3: longer than 100 bytes.*max_line"),
        ({"text": ["x", "a\0b"]}, r"bad\.parquet row 2: a zero character"),
        ({"text": broken}, r"bad\.parquet row 2: invalid UTF-8 at byte 3 of the value \(0xe9\)"),
    ):
        pq.write_table(pa.table(table), path)
        assert re.search(message, refusal(english.parent, max_line=100))
    path.write_bytes(path.read_bytes()[:-20])
    assert re.search(r"bad\.parquet is no parquet file that can be read", refusal(english.parent))
    pq.write_table(pa.table({"text": ["some text"] * 5000}), path, use_dictionary=False, compression="none")
    content = bytearray(path.read_bytes())
    content[4:12] = b"\xff" * 8  # the first page's header
    path.write_bytes(content)
    assert re.search(r"bad\.parquet is damaged \(.*\); make it again", refusal(english.parent))


def test_large_pages_and_footers_of_parquet_are_not_read(english: Path) -> None:
    pq.write_table(pa.table({"text": ["y" * 9_000_000]}), english / "a.parquet", use_dictionary=False)
    assert re.search(r"a\.parquet has a page of 90000\d\d bytes; expected at most 8388608", refusal(english.parent))
    (english / "a.parquet").write_bytes(b"PAR1" + (1 << 30).to_bytes(4, "little") + b"PAR1")
    assert re.search(r"a\.parquet has a footer of 1073741824 bytes", refusal(english.parent))
