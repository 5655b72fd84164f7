"""The text corpus reads what a user has, in any format and compression, and splits it by the text alone."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from calque.data.corpora.text import duplicates as text_duplicates
from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.corpus import TextCorpus
from calque.data.corpus import Corpus, PartedCorpus
from calque.data.errors import UserError

DOCUMENTS = [f"Document {i}: grüße, мир, 世界. " + "words and more words. " * (i % 7) for i in range(60)]
DOCUMENTS = [document.strip() for document in DOCUMENTS]


def jsonl(documents: list[str], field: str = "text") -> bytes:
    return "".join(json.dumps({"id": i, field: text}) + "\n" for i, text in enumerate(documents)).encode()


def parquet(path: Path, documents: list[str], field: str = "text") -> None:
    table = pa.table({"id": list(range(len(documents))), field: documents})
    pq.write_table(table, path, row_group_size=7)


def config(folder: Path, **settings: object) -> TextConfig:
    return TextConfig(**{"folder": str(folder), "languages": ("en",), "heldout": 0.1, **settings})  # type: ignore[arg-type]


def both(corpus: TextCorpus, code: str = "en") -> tuple[list[str], list[str]]:
    return list(corpus.documents(code, "train")), list(corpus.documents(code, "heldout"))


def zipped(files: dict[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text" / "en").mkdir(parents=True)
    return tmp_path / "text"


def write(folder: Path, form: str) -> None:
    content, english = jsonl(DOCUMENTS), folder / "en"
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress}
    if form == "parquet":
        parquet(english / "a.parquet", DOCUMENTS)
    elif form == "zip":
        zipped({"sub/a.jsonl": jsonl(DOCUMENTS[:20]), "sub/b.jsonl": jsonl(DOCUMENTS[20:])}, english / "a.zip")
    elif form == "txt":
        (english / "a.txt").write_text("\n\n\n".join(DOCUMENTS) + "\n", encoding="utf-8")
    elif form == "jsonl":
        (english / "a.jsonl").write_bytes(content)
    else:  # two streams one after the other are one file, as all these tools have it
        half = content.index(b"\n", len(content) // 2) + 1
        packed = packers[form](content[:half]) + packers[form](content[half:])
        (english / f"a.jsonl.{form}").write_bytes(packed)


@pytest.mark.parametrize("form", ["jsonl", "txt", "parquet", "zip", "gz", "bz2", "xz", "zst"])
def test_every_form_gives_the_same_documents_and_split(folder: Path, form: str) -> None:
    write(folder, form)
    corpus = TextCorpus(config(folder, document=1))
    train, heldout = both(corpus)
    assert sorted(train + heldout) == sorted(DOCUMENTS)
    assert 1 <= len(heldout) <= 15
    reference = folder.parent / "reference"
    (reference / "en").mkdir(parents=True)
    write(reference, "jsonl")
    assert (sorted(train), sorted(heldout)) == tuple(map(sorted, both(TextCorpus(config(reference)))))


def test_it_is_a_corpus_in_parts_that_can_be_pickled(folder: Path) -> None:
    write(folder, "jsonl")
    write(folder, "zst")
    corpus: Corpus = TextCorpus(config(folder))
    assert isinstance(corpus, PartedCorpus)
    assert corpus.parts("en") == ("en/a.jsonl", "en/a.jsonl.zst")
    assert list(corpus.streams()) == ["en"]
    again = pickle.loads(pickle.dumps(corpus))
    for split in ("train", "heldout"):
        parts = [list(again.part_documents("en", part, split)) for part in corpus.parts("en")]
        assert sum(parts, []) == list(corpus.documents("en", split))
        assert not parts[1], "all of the second file occurs in the first"


def test_the_split_does_not_depend_on_files_or_their_order(folder: Path) -> None:
    for i, document in enumerate(DOCUMENTS):
        (folder / "en" / f"{i:03}.jsonl").write_bytes(jsonl([document]))
    train, heldout = both(TextCorpus(config(folder)))
    for i, document in enumerate(reversed(DOCUMENTS)):
        (folder / "en" / f"{i:03}.jsonl").write_bytes(jsonl([document]))
    assert [sorted(part) for part in both(TextCorpus(config(folder)))] == [sorted(train), sorted(heldout)]
    grown = DOCUMENTS + [f"new {i}" for i in range(500)]
    (folder / "en" / "new.jsonl").write_bytes(jsonl(grown))
    train, more = both(TextCorpus(config(folder)))
    assert set(heldout) <= set(more), "what was held out stays so when text is added"
    assert 0.05 < len(more) / 560 < 0.15


def test_equal_documents_are_used_once(folder: Path) -> None:
    (folder / "en" / "a.jsonl").write_bytes(jsonl([*DOCUMENTS, *DOCUMENTS[:10], "", "  "]))
    (folder / "en" / "b.jsonl").write_bytes(jsonl([f" {document}\n" for document in DOCUMENTS[5:25]] + ["more"]))
    corpus = TextCorpus(config(folder))
    train, heldout = both(corpus)
    assert sorted(train + heldout) == sorted([*DOCUMENTS, "more"])
    counts = corpus.provenance()["documents"]["en"]
    assert counts == {"used": 61, "duplicates": 30, "heldout": len(heldout)}
    assert corpus.provenance()["files"]["en/a.jsonl"]["empty"] == 2


def test_a_text_is_cut_at_blank_lines_and_at_the_latest_after_four_times_the_size(folder: Path) -> None:
    path = folder / "en" / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\r\n\r\ntwo\r\n   \r\n" + b"three " * 30 + b"\n\nfour\n\nfive")
    documents = sorted(sum(both(TextCorpus(config(folder, document=20))), []))
    assert documents == sorted([("one\n\n\ntwo\n   \n" + "three " * 30).strip(), "four\n\nfive"])
    path.write_text("".join(f"line {i}\n" for i in range(100)))
    documents = sum(both(TextCorpus(config(folder, document=20))), [])
    assert len(documents) == 10 and sum(80 <= len(document) + 1 < 80 + 8 for document in documents) == 9
    assert sorted("\n".join(documents).split("\n")) == sorted(f"line {i}" for i in range(100))


def test_the_field_can_be_named(folder: Path) -> None:
    (folder / "en" / "a.ndjson").write_bytes(jsonl(DOCUMENTS[:30], "body"))
    parquet(folder / "en" / "b.parquet", DOCUMENTS[30:], "body")
    assert sorted(sum(both(TextCorpus(config(folder, field="body"))), [])) == sorted(DOCUMENTS)


def test_files_beside_the_text_are_passed_over(folder: Path) -> None:
    write(folder, "jsonl")
    (folder / "README.md").write_text("about")
    (folder / ".git").mkdir()
    (folder / "de").mkdir()  # not asked for
    (folder / "en" / "LICENSE.txt").write_text("terms")
    (folder / "en" / ".hidden.txt").write_text("x")
    zipped({"__MACOSX/a.txt": b"x", "b.txt": b"in the archive"}, folder / "en" / "z.zip")
    (folder / "en" / "link.jsonl").symlink_to(folder / "en" / "a.jsonl")
    assert sorted(sum(both(TextCorpus(config(folder))), [])) == sorted([*DOCUMENTS, "in the archive"])


def test_provenance_follows_the_content_alone(folder: Path) -> None:
    write(folder, "jsonl")
    first = TextCorpus(config(folder, licence="CC0-1.0")).provenance()
    assert json.loads(json.dumps(first)) == first and first["licence"] == "CC0-1.0"
    elsewhere = folder.parent / "elsewhere"
    folder.rename(elsewhere)
    os.utime(elsewhere / "en" / "a.jsonl", (1, 1))
    assert TextCorpus(config(elsewhere, licence="CC0-1.0")).provenance() == first
    (elsewhere / "en" / "a.jsonl").write_bytes(jsonl([*DOCUMENTS[:-1], "another"]))
    assert TextCorpus(config(elsewhere, licence="CC0-1.0")).provenance() != first


def test_files_are_read_once_and_an_interrupted_reading_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calque.data.corpora.text import index as text_index

    read: list[str] = []
    real = text_index.documents

    def counted(path: Path, *rest: object) -> object:
        read.append(path.name)
        if path.name == "c.jsonl" and len(read) == 3:
            raise KeyboardInterrupt
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(text_index, "documents", counted)
    for name in ("a", "b", "c"):
        (folder / "en" / f"{name}.jsonl").write_bytes(jsonl([f"{name} {document}" for document in DOCUMENTS]))
    with pytest.raises(KeyboardInterrupt):
        TextCorpus(config(folder)).provenance()
    whole = TextCorpus(config(folder)).provenance()
    assert read == ["a.jsonl", "b.jsonl", "c.jsonl", "c.jsonl"]
    assert TextCorpus(config(folder)).provenance() == whole and len(read) == 4
    (folder / "en" / "b.jsonl").write_bytes(jsonl(DOCUMENTS))
    assert TextCorpus(config(folder)).provenance() != whole and read[4:] == ["b.jsonl"]


def test_what_was_found_is_found_again_when_its_files_are_gone_or_cut(folder: Path, home: Path) -> None:
    write(folder, "jsonl")
    whole, train = TextCorpus(config(folder)).provenance(), both(TextCorpus(config(folder)))
    kept = TextCorpus(config(folder)).index.folder
    for pattern in ("*.hashes", "*.npy", "en-*.json", "*.json"):
        (path,) = list(kept.glob(pattern))[:1]
        path.write_bytes(path.read_bytes()[:-3]) if pattern in ("*.hashes", "*.json") else path.unlink()
        assert (TextCorpus(config(folder)).provenance(), both(TextCorpus(config(folder)))) == (whole, train)


def test_a_file_that_changes_after_it_was_read_is_refused(folder: Path) -> None:
    write(folder, "jsonl")
    corpus = TextCorpus(config(folder))
    corpus.provenance()
    (folder / "en" / "a.jsonl").write_bytes(jsonl(DOCUMENTS[:3]))
    with pytest.raises(UserError, match=r"a\.jsonl was changed while it was read"):
        list(corpus.documents("en", "train"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heldout": 0}, "heldout is 0"), ({"heldout": 0.6}, "heldout is 0.6"), ({"field": ""}, "field is empty"),
        ({"max_line": 0}, "max_line is 0"), ({"max_ratio": float("nan")}, "max_ratio is nan"),
        ({"languages": ("xx",)}, "unknown language 'xx'"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(tmp_path, **settings)


def test_comparing_in_pieces_is_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_duplicates, "BUCKET", 16)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2**64, 200, np.uint64, endpoint=False)[rng.integers(0, 200, 1000)]
    drawn[rng.integers(0, 1000, 50)] = text_duplicates.EMPTY
    files = np.split(drawn, [10, 10, 400, 777])
    first = np.zeros(1000, bool)
    counts = text_duplicates.compare(files, first, 0.25)
    seen: set[int] = {text_duplicates.EMPTY}
    expected = [not (value in seen or seen.add(value)) for value in drawn.tolist()]
    assert first.tolist() == expected
    different = len(seen) - 1
    assert counts["documents"] == different == first.sum()
    assert counts["duplicates"] == np.count_nonzero(drawn) - different
    assert counts["threshold"] == 2**62 and counts["heldout"] == sum(0 < value < 2**62 for value in seen)
