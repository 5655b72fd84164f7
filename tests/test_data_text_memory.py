"""However hostile a file, reading it takes less than 100 MB beside what the program itself takes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

GIGABYTE = 1 << 30
PIECE = b"x" * (1 << 20)
MOST = 100e6
CODE = """
import sys
from calque.data.corpora.text.corpus import TextCorpus
from calque.data.corpora.text.config import TextConfig
from calque.data.errors import UserError
def memory(name):
    return int(open("/proc/self/status").read().split(name)[1].split()[0]) * 1024
before = memory("VmRSS:")
settings = dict(folder=sys.argv[1], languages=("en",), max_ratio=float(sys.argv[2]))
try:
    corpus = TextCorpus(TextConfig(**settings))
    print(corpus.provenance()["documents"])
    print(sum(len(document) for split in ("train", "heldout") for document in corpus.documents("en", split)))
except UserError as error:
    print(error)
print(memory("VmHWM:") - before)
"""


def read(folder: Path, ratio: float = 1e9) -> tuple[str, int]:
    """Return what reading a folder printed, and what it took beside the program, in bytes."""
    words = [sys.executable, "-c", CODE, str(folder.parent), str(ratio)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not done.stderr
    said, peak = done.stdout.rstrip("\n").rsplit("\n", 1)
    return said, int(peak)


@pytest.fixture
def english(tmp_path: Path) -> Path:
    folder = tmp_path / "text" / "en"
    folder.mkdir(parents=True)
    return folder


def packed(compressor: object, size: int) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield compressor.compress(PIECE)  # type: ignore[attr-defined]
    yield compressor.flush()  # type: ignore[attr-defined]


PACKERS: dict[str, Callable[[], object]] = {
    ".gz": lambda: zlib.compressobj(1, wbits=31),
    ".zst": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
}


@pytest.mark.parametrize("suffix", ["", *PACKERS])
def test_a_line_of_a_gigabyte(english: Path, suffix: str) -> None:
    path = english / f"line.txt{suffix}"
    with path.open("wb") as file:
        if suffix:
            file.writelines(packed(PACKERS[suffix](), GIGABYTE))
        else:
            file.truncate(GIGABYTE)
    said, peak = read(english)
    assert said.endswith(
        f"line.txt{suffix} line 1: longer than 2000000 bytes; expected shorter lines: break it, or raise max_line"
    )
    assert peak < MOST


def test_much_text_in_short_lines_streams_through(english: Path) -> None:
    lines = b"".join(b"%07d some words of a document that is not so long\n" % i for i in range(20_000))
    with (english / "a.txt.gz").open("wb") as file:
        file.writelines([gzip.compress(lines, 1)] * (GIGABYTE // 16 // len(lines)))
    said, peak = read(english)
    counts, length = said.split("\n")
    assert "'duplicates'" in counts and int(length) > 1_000_000
    assert peak < MOST


def test_bombs_stop_early(english: Path) -> None:
    short = b"\n".join([b"y" * 99] * 10_000)
    (english / "a.txt.bz2").write_bytes(bz2.compress(short) * 1000)
    said, peak = read(english, 250)
    assert "a.txt.bz2 expands more than 250-fold" in said and peak < MOST
    (english / "a.txt.bz2").unlink()
    (english / "a.txt.xz").write_bytes(lzma.compress(short, preset=9) * 1000)
    said, peak = read(english, 250)
    assert "a.txt.xz expands more than 250-fold" in said and peak < MOST


def test_json_that_becomes_many_objects(english: Path) -> None:
    (english / "a.jsonl").write_bytes(b'{"text": "a", "b": [' + b",".join([b"[]"] * 660_000) + b"]}\n")
    said, peak = read(english)
    assert "/en holds 1 different document" in said and peak < MOST


def test_parquet_with_a_value_of_an_eighth_of_a_gigabyte(english: Path) -> None:
    table = pa.table({"text": ["short", "x" * (GIGABYTE // 8)]})
    pq.write_table(table, english / "a.parquet", compression="zstd", use_dictionary=False, write_statistics=False)
    said, peak = read(english)
    assert "a.parquet has a page of 1342177" in said and "smaller pages" in said and peak < MOST


def test_parquet_whose_dictionary_holds_one_long_value_for_many_rows(english: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 1_900_000]))
    pq.write_table(pa.table({"text": values}), english / "a.parquet", compression="zstd")
    said, peak = read(english, 250)
    assert "a.parquet expands more than 250-fold" in said and peak < MOST


def test_parquet_with_the_largest_values_and_pages(english: Path) -> None:
    random = np.random.default_rng(0)
    texts = ["".join(map(chr, random.integers(32, 126, 1_990_000))) for _ in range(24)]
    pq.write_table(
        pa.table({"text": texts}), english / "a.parquet", compression="zstd", use_dictionary=False,
        data_page_size=1 << 30, write_batch_size=8,
    )  # fmt: skip
    said, peak = read(english)
    assert "has a page of 47760102" in said and peak < MOST
    pq.write_table(
        pa.table({"text": texts}), english / "a.parquet", compression="zstd", use_dictionary=False,
        data_page_size=1 << 22, write_batch_size=4,
    )  # fmt: skip
    said, peak = read(english)
    assert "'used': 24" in said and peak < MOST


def test_parquet_in_large_row_groups_streams_through(english: Path) -> None:
    texts = pa.array([f"{i:07} " + "some words " * 100 for i in range(60_000)])
    pq.write_table(pa.table({"text": texts}), english / "a.parquet", row_group_size=60_000)
    said, peak = read(english)
    assert "'used': 60000" in said and peak < MOST
