"""Shards on an address: whole or absent, whatever is interrupted, and used from a local folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.corpus import TextCorpus
from calque.data.errors import UserError
from calque.data.shards import remote as remote_shards
from calque.data.shards import shards
from calque.data.shards.folder import META, Shards
from calque.data.shards.remote import BEGUN, fetch, is_complete, publish, shared
from calque.data.tokens.tokenizers import train


@pytest.fixture
def made(tmp_path: Path) -> Shards:
    return make(tmp_path, "made", "words and words")


def make(place: Path, name: str, words: str) -> Shards:
    for code in ("en", "de"):
        (place / f"{name}-text" / code).mkdir(parents=True)
        lines = "".join(f'{{"text": "{code} {words} {i}"}}\n' for i in range(400))
        (place / f"{name}-text" / code / "a.jsonl").write_text(lines)
    corpus = TextCorpus(TextConfig(folder=str(place / f"{name}-text"), languages=("en", "de"), heldout=0.1))
    return shards.prepare(corpus, train([words], 300), place / name)


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("store")
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # one of another test has its address of the store
        return f"s3://bucket/{uuid.uuid4()}"
    return f"memory://{uuid.uuid4()}/shards" if request.param == "memory" else f"file://{tmp_path}/remote/shards"


def names(url: str) -> set[str]:
    files, root = fsspec.core.url_to_fs(url)
    return {Path(name).name for name in files.ls(root, detail=False)} if files.exists(root) else set()


def test_what_is_put_there_comes_back(made: Shards, url: str, tmp_path: Path) -> None:
    assert not is_complete(url)
    publish(made, url)
    assert is_complete(url) and names(url) == {path.name for path in made.folder.iterdir()}
    found = fetch(url, tmp_path / "cache" / "shards")
    assert found.fingerprint == made.fingerprint and found.provenance == made.provenance
    for code in ("en", "de"):
        assert np.array_equal(found.train[code].ids, made.train[code].ids)
    Shards.open(found.folder, verify=True)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["shards"]
    publish(made, url)
    assert fetch(url, tmp_path / "cache" / "shards").fingerprint == made.fingerprint


def test_one_machine_makes_them_and_others_fetch(made: Shards, url: str, tmp_path: Path) -> None:
    calls: list[str] = []

    def once() -> Shards:
        calls.append("made")
        made.folder.rename(tmp_path / "first")
        return Shards.open(tmp_path / "first")

    assert shared(url, tmp_path / "first", once).fingerprint == made.fingerprint
    assert shared(url, tmp_path / "first", once).folder == tmp_path / "first"
    assert shared(url, tmp_path / "second", once).folder == tmp_path / "second"
    assert calls == ["made"]
    fsspec.core.url_to_fs(url)[0].rm(fsspec.core.url_to_fs(url)[1], recursive=True)
    shared(url, tmp_path / "second", once)
    assert is_complete(url) and calls == ["made"], "what is here is put there again"


def test_an_interrupted_upload_goes_on(made: Shards, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = remote_shards._put, []

    def failing(files: object, path: str, blocks: object) -> None:
        if len(written) == 3:
            raise ConnectionError("the line is dead")
        real(files, path, blocks)  # type: ignore[arg-type]
        written.append(Path(path).name)

    monkeypatch.setattr(remote_shards, "_put", failing)
    with pytest.raises(UserError, match="the line is dead.; look at the address, your access and the network"):
        publish(made, url)
    assert not is_complete(url) and BEGUN in names(url)
    before = list(written)
    written.clear()
    written.append("one more may follow")
    monkeypatch.setattr(remote_shards, "_put", lambda *words: (real(*words), written.append(Path(words[1]).name)))
    publish(made, url)
    assert is_complete(url) and BEGUN not in names(url)
    assert not set(before) & set(written), "what was there is not sent again"
    assert written[-1] == META


def test_files_of_another_preparation_are_not_taken_for_these(made: Shards, url: str, tmp_path: Path) -> None:
    other = make(tmp_path, "other", "words not words")
    files, root = fsspec.core.url_to_fs(url)
    publish(other, url)
    files.rm_file(f"{root}/{META}")  # as if the other had been interrupted
    publish(made, url)
    Shards.open(fetch(url, tmp_path / "cache").folder, verify=True)
    with pytest.raises(UserError, match="holds shards of other text, tokenizer or limits; choose another address"):
        publish(other, url)


def test_damage_is_seen_and_what_is_right_is_not_fetched_again(made: Shards, url: str, tmp_path: Path) -> None:
    publish(made, url)
    files, root = fsspec.core.url_to_fs(url)
    good = files.cat_file(f"{root}/de.train.bin")
    files.pipe_file(f"{root}/de.train.bin", good[:-2] + b"xx")
    with pytest.raises(UserError, match=r"de\.train\.bin is not what its meta\.json says"):
        fetch(url, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    files.pipe_file(f"{root}/de.train.bin", good)
    files.rm_file(f"{root}/en.train.bin")  # it lies here already
    assert fetch(url, tmp_path / "cache").fingerprint == made.fingerprint


def test_what_cannot_be_used_ends_in_one_line(made: Shards, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no complete token shards"):
        fetch(f"file://{tmp_path}/none", tmp_path / "cache")
    with pytest.raises(UserError, match="Protocol not known: nowhere"):
        is_complete("nowhere://bucket/shards")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot use file://.*look at the address"):
        publish(made, f"file://{tmp_path}/file/shards")


def test_a_killed_upload_leaves_no_half_file(made: Shards, tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from calque.data.shards import remote as remote_shards
from calque.data.shards.folder import Shards
def dying(path):
    data = path.read_bytes()
    yield data[: len(data) // 2]
    if path.name == "de.train.bin":
        os.kill(os.getpid(), signal.SIGKILL)
    yield data[len(data) // 2 :]
remote_shards._blocks = dying
remote_shards.publish(Shards.open(sys.argv[1]), sys.argv[2])
"""
    url = f"file://{tmp_path}/remote"
    done = subprocess.run([sys.executable, "-c", code, str(made.folder), url], check=False)
    assert done.returncode == -signal.SIGKILL
    there = names(url)
    assert "en.train.bin" in there and "de.train.bin" not in there and META not in there
    publish(made, url)
    assert Shards.open(fetch(url, tmp_path / "cache").folder, verify=True).fingerprint == made.fingerprint
    assert os.listdir(tmp_path / "remote").count("de.train.bin") == 1


def test_a_broken_upload_leaves_no_half_file(made: Shards, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(path: Path) -> Iterator[bytes]:
        yield path.read_bytes()[:100]
        raise OSError("gone")

    monkeypatch.setattr(remote_shards, "_blocks", breaking)
    with pytest.raises(UserError, match="gone"):
        publish(made, url)
    assert names(url) == {BEGUN}
