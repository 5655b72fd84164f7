"""Shards made part by part: interrupted anywhere, by any number of processes, they end as the same bytes."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.data.locks import locked
from calque.data.shards import shards
from calque.data.shards import tokenise as shards_tokenise
from calque.data.shards.shards import Progress, prepare
from calque.data.shards.work import WorkFolder
from calque.data.tokens import tokenizers

ROOT = Path(__file__).parent.parent
BPE = tokenizers.train(["the quick brown fox 狐 лиса"] * 5, 300)
PARTS = 5
DOCUMENTS = 8


class Parted:
    """Three streams of several parts; ``broken`` names one that fails, ``dies`` one that kills its process."""

    name = "parted"
    languages = ("a", "b", "c")

    def __init__(self, broken: str = "", seconds: float = 0.0, dies: str = "") -> None:
        self.broken, self.seconds, self.dies = broken, seconds, dies

    def streams(self) -> dict[str, None]:
        return dict.fromkeys(self.languages)

    def parts(self, stream: str) -> tuple[str, ...]:
        return () if stream == "c" else tuple(f"{stream}{i}" for i in range(PARTS))

    def part_documents(self, stream: str, part: str, split: str):
        for i in range(DOCUMENTS if split == "train" else 1):
            time.sleep(self.seconds)
            yield f"{part} {split} {i} the quick 狐" * (1 + i % 3)
        if part == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if part == self.broken:
            raise RuntimeError("the line went dead")

    def documents(self, stream: str, split: str):
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def provenance(self) -> dict[str, str]:
        return {"corpus": "parted"}


class Whole:
    """The same text without parts."""

    name, languages = Parted.name, Parted.languages

    def __init__(self) -> None:
        parted = Parted()
        self.streams, self.documents, self.provenance = parted.streams, parted.documents, parted.provenance


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(prepare(Whole(), BPE, tmp_path_factory.mktemp("whole") / "s").folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_parts_and_processes_do_not_show(whole: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    made = prepare(Parted(), BPE, tmp_path / "s", workers=workers)
    assert contents(made.folder) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert made.train["a"].documents == PARTS * DOCUMENTS
    assert made.train["c"].tokens == 0


@pytest.mark.parametrize(("limit", "workers"), [*((n, 1) for n in (1, 70, 300, 301, 302, 5_000)), (301, 2)])
def test_a_limit_cuts_where_it_cuts_the_whole(tmp_path: Path, limit: int, workers: int) -> None:
    expected = prepare(Whole(), BPE, tmp_path / "whole", max_tokens=limit, max_heldout_tokens=20)
    made = prepare(Parted(), BPE, tmp_path / "parts", max_tokens=limit, max_heldout_tokens=20, workers=workers)
    assert contents(made.folder) == contents(expected.folder)


def test_what_was_finished_is_kept_and_the_rest_made(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "s"
    with pytest.raises(RuntimeError, match="line went dead"):
        prepare(Parted(broken="b3"), BPE, folder)
    assert not folder.exists()
    read: list[str] = []
    original = Parted.part_documents
    monkeypatch.setattr(Parted, "part_documents", lambda self, *job: read.append(job[1]) or original(self, *job))
    monkeypatch.setattr(shards.fertility, "of_corpus", lambda *_: {})
    assert contents(prepare(Parted(), BPE, folder).folder) == whole
    assert read == ["b3", "b4", *(f"b{i}" for i in range(PARTS))]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_the_tokenizer_is_trained_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> object:
        calls.append(1)
        return BPE

    with pytest.raises(RuntimeError):
        prepare(Parted(broken="a1"), make, tmp_path / "s")
    made = prepare(Parted(), make, tmp_path / "s")
    assert len(calls) == 1
    assert prepare(Parted(), make, tmp_path / "s") == made
    assert len(calls) == 1


def test_parts_of_another_recipe_are_not_used(whole: dict[str, bytes], tmp_path: Path) -> None:
    other = tokenizers.train(["something else"] * 3, 270)
    with pytest.raises(RuntimeError):
        prepare(Parted(broken="b3"), other, tmp_path / "s")
    assert contents(prepare(Parted(), BPE, tmp_path / "s").folder) == whole


@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_a_part_harmed_on_disk_does_not_get_in(whole: dict[str, bytes], tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "s"
    with pytest.raises(RuntimeError):
        prepare(Parted(broken="b3"), BPE, folder)
    part = WorkFolder(folder).part_path("b", "train", 1)
    data = part.read_bytes()
    part.write_bytes(data[:-2] if harm == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    if harm == "changed":
        with pytest.raises(UserError, match=f"{part} has been changed.* run the same again"):
            prepare(Parted(), BPE, folder)
    assert contents(prepare(Parted(), BPE, folder).folder) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_hard_at_any_moment_it_ends_the_same(whole: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    folder, rng = tmp_path / "s", random.Random(workers)
    work = WorkFolder(folder)
    code = (
        "import sys; from pathlib import Path; from tests.test_data_shards_restart import BPE, Parted, prepare\n"
        f"if __name__ == '__main__': prepare(Parted(seconds=.004), BPE, Path({str(folder)!r}), workers={workers})"
    )
    script = tmp_path / "child.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    survived = 0
    for wanted in (1, 12):
        process = subprocess.Popen([sys.executable, script], env=environment, cwd=tmp_path)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            finished = len(list(work.parts.glob("*.json"))) + PARTS * len(list(work.counts.glob("*.json")))
            if finished >= wanted:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        survived += process.poll() is None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers_of = children.read_text().split() if children.exists() else []
        process.kill()
        process.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in workers_of):
            assert time.monotonic() < until, "a worker outlives its parent"
            time.sleep(0.01)
        assert not folder.exists() or contents(folder) == whole
    assert survived >= 1, "the test killed too late to show anything"
    assert contents(prepare(Parted(), BPE, folder, workers=workers).folder) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["child.py", "s"]


def test_a_kill_while_joining_leaves_nothing_in_the_whole(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder, work = tmp_path / "s", WorkFolder(tmp_path / "s")
    code = f"""
import os, signal
from pathlib import Path
from calque.data.shards import work as shards_work
from tests.test_data_shards_restart import BPE, Parted, prepare
shards_work._forget = lambda job: os.kill(os.getpid(), signal.SIGKILL)
shards_work.os.fsync = lambda handle: "whole" in os.readlink(f"/proc/self/fd/{{handle}}") and shards_work._forget(None)
prepare(Parted(), BPE, Path({str(folder)!r}))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in work.whole.iterdir()] == [".tmp"]
    (work.whole / ".b.train.bin.another-machine-7.tmp").touch()
    assert contents(prepare(Parted(), BPE, folder).folder) == whole


def test_a_kill_between_publishing_and_clearing_up_is_cleared_up(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "remove", lambda self: None)
        prepare(Parted(), BPE, tmp_path / "s")
    assert len(list(tmp_path.iterdir())) == 2
    assert contents(prepare(Parted(), BPE, tmp_path / "s").folder) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_killed_process_of_the_pool_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was killed, as happens when memory runs out; .* fewer workers"):
        prepare(Parted(dies="a2"), BPE, tmp_path / "s", workers=2)
    assert prepare(Parted(), BPE, tmp_path / "s").train["a"].documents == PARTS * DOCUMENTS


def test_an_error_in_a_process_comes_through(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="line went dead"):
        prepare(Parted(broken="b1"), BPE, tmp_path / "s", workers=2)


def test_a_second_process_waits_and_then_finds_all_done(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder, told = tmp_path / "s", []
    code = (
        "import sys; from pathlib import Path; from tests.test_data_shards_restart import BPE, Parted, prepare\n"
        f"prepare(Parted(seconds=.02), BPE, Path({str(folder)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not WorkFolder(folder).parts.exists():
        time.sleep(0.005)
    made = prepare(Parted(), BPE, folder, on_progress=lambda progress: told.append(progress.doing))
    assert process.wait() == 0
    assert told == ["waits for another process"]
    assert contents(made.folder) == whole


def test_a_full_disk_is_told_and_what_was_finished_is_kept(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(shards_tokenise.os, "fsync", full)
        with pytest.raises(UserError, match="cannot write shards to .*: No space left on device; free some space"):
            prepare(Parted(), BPE, tmp_path / "s")
    left = [path.name for path in WorkFolder(tmp_path / "s").parts.iterdir()]
    assert left and not [name for name in left if name.endswith(".tmp")]
    assert contents(prepare(Parted(), BPE, tmp_path / "s").folder) == whole


def test_progress_counts_parts_and_text(tmp_path: Path) -> None:
    told: list[Progress] = []
    made = prepare(Parted(), BPE, tmp_path / "s", on_progress=told.append)
    assert told[-1].doing == "measures fertility"
    last = [progress for progress in told if progress.parts][-1]
    assert last.parts == last.parts_done == 2 * 2 * PARTS
    assert last.text_bytes == sum(s.text_bytes for split in (made.train, made.heldout) for s in split.values())


def test_impossible_workers_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="workers is 0; expected 1 or more"):
        prepare(Parted(), BPE, tmp_path / "s", workers=0)


def test_a_long_document_is_one_document_and_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_tokenise, "PIECE_CHARACTERS", 50)
    texts = ["the quick\nbrown fox " * 30, "x" * 200, "a\n" * 25, "", "fox"]

    corpus = Whole()
    corpus.documents = lambda stream, split: iter(texts if split == "train" else [])
    shard = prepare(corpus, BPE, tmp_path / "s").train["a"]
    begins = [i for i, token in enumerate(shard.ids) if token == 0]
    assert (len(begins), shard.documents) == (len(texts), len(texts))
    spans = zip(begins, [*begins[1:], shard.tokens], strict=True)
    assert [BPE.decode(shard.ids[begin + 1 : end].tolist()) for begin, end in spans] == texts


def test_a_lock_whose_folder_was_removed_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "work" / "lock"
    with locked(path):
        path.unlink()
        path.parent.rmdir()
        with locked(path):
            assert path.exists()
