"""The hub corpus on a local folder laid out as on the hub."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calque.data.corpora.hub import corpus as hub
from calque.data.corpora.hub import network as hub_network
from calque.data.corpora.hub import parts
from calque.data.corpora.hub.config import DATASETS, HubConfig, HubDataset
from calque.data.corpora.hub.corpus import HubCorpus
from calque.data.corpora.hub.parts import Part
from calque.data.corpus import PartedCorpus
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.shards import shards
from calque.data.tokens.tokenizers import train
from tests import hub_layout

FILES = tuple(f"data/deu_Latn/train/000_{file:05}.parquet" for file in range(hub_layout.FILES))
WHOLE = [text.strip() for file in range(hub_layout.FILES) for text in hub_layout.texts("deu_Latn", file)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return hub_layout.write(tmp_path / "fineweb-2")


def config(folder: Path, **settings: object) -> HubConfig:
    given = {"languages": ("de", "fi"), "heldout": 0.1, "text_bytes": None, **settings}
    datasets = {"de": f"{folder}:deu_Latn", "fi": f"{folder}:fin_Latn"}
    return HubConfig(datasets={code: datasets[code] for code in given["languages"]}, **given)  # type: ignore[attr-defined, arg-type]


def test_documents_come_from_the_files_and_are_split_by_their_text(folder: Path) -> None:
    corpus = HubCorpus(config(folder))
    assert isinstance(corpus, PartedCorpus) and corpus.parts("de") == FILES
    train, heldout = list(corpus.documents("de", "train")), list(corpus.documents("de", "heldout"))
    assert set(train) <= set(WHOLE) and not set(train) & set(heldout)
    assert train == [text for text in WHOLE if text in set(train)], "in the order of the files"
    assert 0.85 < len(train) / len(WHOLE) < 0.95
    first = set(WHOLE[: hub_layout.ROWS])
    assert heldout and set(heldout) == first - set(train), "held out are those of the first file"
    assert list(corpus.documents("fi", "train"))[0].startswith("fin_Latn")


def test_a_document_that_is_held_out_is_trained_on_nowhere(folder: Path) -> None:
    heldout = list(HubCorpus(config(folder)).documents("de", "heldout"))
    pq.write_table(
        pa.table({"text": heldout, "id": heldout, "language_score": [1.0] * len(heldout)}), folder / FILES[2]
    )
    corpus = HubCorpus(config(folder))
    assert not list(corpus.part_documents("de", FILES[2], "train"))
    assert list(corpus.documents("de", "heldout")) == heldout


def test_text_is_taken_up_to_its_limit(folder: Path) -> None:
    sizes = [sum(len(text.encode()) for text in hub_layout.texts("deu_Latn", file)) for file in range(3)]
    limit = sizes[0] + sizes[1] // 2
    corpus = HubCorpus(config(folder, text_bytes=limit, heldout_bytes=500))
    assert corpus.parts("de") == FILES[:2], "the third file is not looked at"
    parts = [list(corpus.part_documents("de", part, "train")) for part in corpus.parts("de")]
    whole = HubCorpus(config(folder))
    assert parts[0] == list(whole.part_documents("de", FILES[0], "train"))
    cut = sum(len(text.encode()) for text in parts[1])
    assert 0.4 * sizes[1] < cut < 0.6 * sizes[1]
    heldout = sum(len(text.encode()) for text in corpus.documents("de", "heldout"))
    assert 500 <= heldout < 800
    assert not list(corpus.part_documents("de", FILES[1], "heldout"))


def test_text_is_taken_by_language(folder: Path) -> None:
    corpus = HubCorpus(config(folder, text_bytes={"de": 1, "fi": 10**9}))
    assert (len(corpus.parts("de")), len(corpus.parts("fi"))) == (1, 3)
    assert corpus.provenance()["text_bytes"] == {"de": 1, "fi": 10**9}


def test_it_can_be_pickled_and_prepared_by_several_processes(folder: Path, tmp_path: Path) -> None:
    corpus = HubCorpus(config(folder, languages=("de",)))
    text = list(corpus.documents("de", "train"))
    assert list(pickle.loads(pickle.dumps(corpus)).documents("de", "train")) == text
    tokenizer = train(text, 300)
    one = shards.prepare(HubCorpus(config(folder, languages=("de",))), tokenizer, tmp_path / "one")
    two = shards.prepare(corpus, tokenizer, tmp_path / "two", workers=2)
    assert one.train["de"].sha256 == two.train["de"].sha256 and one.fingerprint == two.fingerprint
    assert one.train["de"].documents == len(text)
    assert one.provenance["datasets"]["de"]["revision"].startswith("sha256:")


def test_provenance_follows_the_content_of_what_is_read(folder: Path) -> None:
    before = HubCorpus(config(folder)).provenance()
    assert json.loads(json.dumps(before)) == before
    assert before["licence"] == "not stated"
    assert before["datasets"]["de"]["name"] == "fineweb-2" and before["datasets"]["de"]["config"] == "deu_Latn"
    moved = folder.parent / "elsewhere" / "fineweb-2"
    moved.parent.mkdir()
    folder.rename(moved)
    assert HubCorpus(config(moved)).provenance() == before
    path = moved / FILES[1]
    pq.write_table(pq.read_table(path).slice(1), path)
    after = HubCorpus(config(moved)).provenance()
    assert after["datasets"]["de"]["revision"] != before["datasets"]["de"]["revision"]
    assert after["datasets"]["fi"] == before["datasets"]["fi"]


def test_the_licence_is_claimed_for_no_other_data_set() -> None:
    assert "ODC-By" in HubConfig().terms()
    assert "ODC-By" in HubConfig(languages=("de",), datasets={"de": "HuggingFaceFW/fineweb-2:deu_Latn@v2"}).terms()
    assert HubConfig(datasets={"de": "a/b"}).terms() == "not stated"
    assert HubConfig(datasets={"de": "a/b"}, licence="CC0-1.0").terms() == "CC0-1.0"


def test_every_language_has_a_data_set() -> None:
    assert set(DATASETS) == set(LANGUAGES)
    for code in LANGUAGES:
        source = HubConfig().source(code)
        assert not source.is_folder and source.config and source.revision is None
    assert HubDataset.parse("a/b@v1.0") == HubDataset(name="a/b", config=None, revision="v1.0")
    assert HubDataset.parse("./x/y:c").place == str(Path("x/y").absolute())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"datasets": {"de": "fineweb"}}, "the data set is 'fineweb'; expected OWNER/NAME:CONFIG@REVISION"),
        ({"datasets": {"de": "/data/x@main"}}, "a folder has no revision"),
        ({"datasets": {"en": "a/b"}}, "datasets names 'en', which is none of the languages"),
        ({"heldout": 0.0}, "heldout is 0.0"), ({"text_bytes": 0}, "text_bytes is 0"), ({"field": ""}, "field is empty"),
        ({"attempts": 0}, "attempts is 0"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        HubConfig(**{"languages": ("de", "fi"), **settings})  # type: ignore[arg-type]


def refusal(**settings: object) -> str:
    with pytest.raises(UserError) as caught:
        HubCorpus(HubConfig(languages=("de",), **settings)).provenance()  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_not_as_expected_ends_in_one_line(folder: Path, tmp_path: Path) -> None:
    de = {"de": f"{folder}:deu_Latn"}
    assert "fineweb-3 is missing" in refusal(datasets={"de": f"{tmp_path}/fineweb-3:deu_Latn"})
    assert "has no 'deu' (BuilderConfig 'deu' not found. Available: ['deu_Latn'" in refusal(
        datasets={"de": f"{folder}:deu"}
    )
    assert "has no 'default'" in refusal(datasets={"de": str(folder)})
    assert "has no split 'tran' (it has train, test)" in refusal(datasets=de, split="tran")
    assert "has no column 'body' (it has text, id, language_score)" in refusal(datasets=de, field="body")
    assert "the column 'language_score' of" in refusal(datasets=de, field="language_score")
    (folder / FILES[1]).write_bytes(b"PAR1 not really")
    assert f"{FILES[1]} of {folder}:deu_Latn is no parquet file" in refusal(datasets=de)
    (folder / FILES[1]).rename(folder / FILES[1].replace("parquet", "csv"))
    assert "expected parquet files alone" in refusal(datasets=de)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no data set" in refusal(datasets={"de": str(empty)})


def test_texts_that_cannot_be_used(folder: Path) -> None:
    path = folder / FILES[0]
    pq.write_table(pa.table({"text": ["a", None], "id": ["", ""], "language_score": [1.0, 1.0]}), path)
    corpus = HubCorpus(config(folder))
    with pytest.raises(UserError, match=r"000_00000\.parquet of .*, row 2: the column 'text' is null"):
        list(corpus.documents("de", "train"))
    pq.write_table(pa.table({"text": ["a", ""], "id": ["", ""], "language_score": [1.0, 1.0]}), path)
    with pytest.raises(UserError, match="gives no document to hold out"):
        list(HubCorpus(config(folder, heldout=1e-9)).documents("de", "heldout"))


def test_reading_goes_on_after_a_failure_of_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(hub_network.time, "sleep", waits.append)
    failures = [30, 30, 170]
    real = hub.values

    def failing(source: HubDataset, revision: str, part: Part, settings: HubConfig, after: int) -> Iterator[str | None]:
        for number, value in enumerate(real(source, revision, part, settings, after), after):
            if failures and number == failures[0]:
                failures.pop(0)
                raise ConnectionError("the line is dead")
            yield value

    monkeypatch.setattr(hub, "values", failing)
    expected = WHOLE[: hub_layout.ROWS]
    corpus = HubCorpus(config(folder, heldout=1e-12, attempts=3))
    assert list(corpus.part_documents("de", FILES[0], "train")) == expected
    assert waits == [1.0, 2.0, 1.0] and not failures, "the first and second are in a row"
    failures.extend([10, 10, 10])
    with pytest.raises(
        UserError, match=r"cannot reach data/.* after 3 attempts \(the line is dead\); look after the n"
    ):
        list(corpus.part_documents("de", FILES[0], "train"))


class Line:
    """A file over a line that breaks once, at an offset; it keeps what was read."""

    def __init__(self, path: str, breaks: list[int], read: list[tuple[int, int]]) -> None:
        self.file, self.breaks, self.reads, self.closed = open(path, "rb"), breaks, read, False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *words: object) -> None:
        self.file.close()

    def readable(self) -> bool:
        return True

    seekable = readable

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()

    def read(self, size: int = -1) -> bytes:
        begin = self.file.tell()
        if self.breaks and self.breaks[0] <= begin < self.breaks[0] + 1_000_000:
            self.breaks.clear()
            self.reads.clear()
            raise ConnectionError("the line is dead")
        data = self.file.read(size)
        self.reads.append((begin, len(data)))
        return data


def test_a_large_file_is_not_read_again_from_its_beginning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_network.time, "sleep", lambda seconds: None)
    path, noise = folder / FILES[0], random.Random(0)
    texts = [noise.randbytes(5_000).hex() for _ in range(1_000)]
    pq.write_table(pa.table({"text": texts, "id": [""] * 1_000}), path, row_group_size=50, use_dictionary=False)
    size, breaks, read = path.stat().st_size, [path.stat().st_size * 3 // 4], []  # type: ignore[var-annotated]
    corpus = HubCorpus(config(folder, heldout=1e-12))
    corpus.plan("de")
    monkeypatch.setattr(parts.fsspec, "open", lambda place, mode: Line(place, breaks, read))
    assert list(corpus.part_documents("de", FILES[0], "train")) == texts
    assert not breaks, "the line broke"
    again = sum(length for _, length in read)
    assert again < 0.35 * size, f"{again:,} of {size:,} bytes were read after it"
    assert min(begin for begin, _ in read) > 0.6 * size
