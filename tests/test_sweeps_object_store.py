"""An object store for real (moto's S3): broken uploads, a store that is away for a while, a root that is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.data.files import FolderGoneError
from calque.sweeps.launch import worker
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.results import mirror as mirroring
from calque.sweeps.results.mirror import Mirror
from calque.sweeps.results.remote import RemoteFolder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import claimed_root, run_one
from calque.sweeps.study.study import read_study
from calque.sweeps.trial import recorder
from tests.conftest import SMALL_STUDY
from tests.object_store import ObjectStore

SHORT = SMALL_STUDY.replace("tokens: 40k", "tokens: 12k").replace("every: 8k", "every: 2k")
PLACE = "s3://bucket/small"


@pytest.fixture(autouse=True)
def at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail are not tried again for seconds; this machine has none of the runs of other tests."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "home"))


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SHORT)
    return path


def remove(place: str) -> None:
    fsspec.filesystem("s3", skip_instance_cache=True).rm(place, recursive=True)


def uploads() -> int:
    """Uploads of several parts that were begun and neither completed nor aborted."""
    import boto3

    return len(boto3.client("s3").list_multipart_uploads(Bucket="bucket").get("Uploads", []))


def test_an_upload_that_fails_leaves_what_was_there(store: ObjectStore, tmp_path: Path) -> None:
    file, remote = tmp_path / "file", RemoteFolder(PLACE)
    file.write_bytes(b"old")
    remote.put(file, "a/file")
    file.write_bytes(b"new" * 1000)
    store.door = lambda method, path: "403 Forbidden" if "partNumber" in path else None
    with pytest.raises(UserError, match="cannot use s3://bucket/small .*; look at the address, your access"):
        remote.put(file, "a/file")
    assert store.keys("bucket") == {"small/a/file": b"old"}
    assert uploads() == 0, "it was given up there, too"
    store.door = lambda method, path: "403 Forbidden" if method == "POST" and "uploadId" in path else None
    with pytest.raises(UserError):  # all parts are there, and it is not completed
        remote.put(file, "a/file")
    assert store.keys("bucket") == {"small/a/file": b"old"} and uploads() == 0
    store.door = lambda method, path: None
    remote.put(file, "a/file")
    assert store.keys("bucket") == {"small/a/file": b"new" * 1000}


def test_a_process_that_is_killed_in_an_upload_leaves_what_was_there(store: ObjectStore, tmp_path: Path) -> None:
    local, arrived, go_on = tmp_path / "run", threading.Event(), threading.Event()
    local.mkdir()
    (local / "run.nc").write_bytes(b"old")
    Mirror(local, RemoteFolder(PLACE)).push()
    (local / "run.nc").write_bytes(b"new" * 1000)

    def hold(method: str, path: str) -> str | None:
        if "partNumber" not in path:
            return None
        arrived.set()
        go_on.wait(300)
        return "503 Service Unavailable"

    store.door = hold
    code = "import sys; from pathlib import Path; from calque.sweeps.results.remote import RemoteFolder; "
    code += f"RemoteFolder({PLACE!r}).put(Path(sys.argv[1]), 'run.nc')"
    process = subprocess.Popen([sys.executable, "-c", code, str(local / "run.nc")], env=os.environ)
    assert arrived.wait(300)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    store.door = lambda method, path: None
    go_on.set()
    assert store.keys("bucket") == {"small/run.nc": b"old"} and uploads() == 1
    Mirror(local, RemoteFolder(PLACE)).push()
    assert store.keys("bucket") == {"small/run.nc": b"new" * 1000}


def test_a_store_that_is_away_while_a_run_trains_has_all_of_it_in_the_end(
    study_file: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(study_file)
    run = study.run("first-s0")
    monkeypatch.setattr(mirroring, "SECONDS_BETWEEN", 0.05)
    refused, done = threading.Event(), threading.Event()
    put, finish = recorder.RunFile.put, recorder.CheckpointRecorder.finish

    def away(method: str, path: str) -> str:
        refused.set()
        if done.is_set():  # it comes back when the run is over and waits for it
            store.door = lambda method, path: None
        return "503 Service Unavailable"

    def leaving(self: recorder.RunFile, *given: object) -> None:
        put(self, *given)  # type: ignore[arg-type]
        if len(self.rows) == 1:
            store.door = away

    def finishing(self: recorder.CheckpointRecorder) -> None:
        finish(self)
        assert refused.wait(60), "it was asked for meanwhile"
        done.set()

    monkeypatch.setattr(recorder.RunFile, "put", leaving)
    monkeypatch.setattr(recorder.CheckpointRecorder, "finish", finishing)
    standing, root = run_one(study, run, PLACE)
    assert standing.state == "done" and done.is_set()
    there = RemoteFolder(f"{PLACE}/runs/{run.name}").names()
    assert sum(name.endswith(".safetensors") for name in there) == standing.total_checkpoints
    root.refresh(study.runs, cubes=True)
    assert (root.folder / "runs" / run.name / "run.nc").exists()


@pytest.mark.parametrize("how", ["trial", "launch"])
def test_a_root_that_is_removed_in_the_midst_is_not_written_again(
    study_file: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    study = read_study(study_file)
    run = study.run("first-s0")
    claimed_root(study, PLACE)
    put, push, told, copying = recorder.RunFile.put, Mirror.push, threading.Event(), threading.Lock()

    def pushing(self: Mirror) -> None:
        with copying:
            push(self)

    def removing(self: recorder.RunFile, *given: object) -> None:
        put(self, *given)  # type: ignore[arg-type]
        if len(self.rows) == 2:
            with copying:  # a removal is many requests, and one file may come between
                remove("bucket/small")
            assert told.wait(60), "the copying thread looks before it writes"

    def check(self: ResultsRoot) -> None:
        try:
            check_there(self)
        except FolderGoneError:
            told.set()
            raise

    check_there = ResultsRoot.check_there
    monkeypatch.setattr(ResultsRoot, "check_there", check)
    monkeypatch.setattr(Mirror, "push", pushing)
    monkeypatch.setattr(mirroring, "SECONDS_BETWEEN", 0.05)
    monkeypatch.setattr(recorder.RunFile, "put", removing)
    if how == "trial":
        with pytest.raises(FolderGoneError, match="s3://bucket/small was removed while it was in use") as error:
            run_one(study, run, PLACE)
        assert error.value.exit_code == 1 and len(str(error.value)) <= LONGEST_MESSAGE
    else:
        request = LaunchRequest(
            run=run, place=PLACE, study_yaml=study.text, launch_id="one", resources=ResourceRequest(cpus=1)
        )
        worker.run_alone(request)
        worker.run_alone(request)  # the next run of the launch
    assert store.keys("bucket") == {}


def test_what_a_launch_publishes_does_not_make_a_removed_root_again(study_file: Path, store: ObjectStore) -> None:
    root = claimed_root(read_study(study_file), PLACE)
    (root.folder / "results.nc").write_bytes(b"cube")
    with root.kept():
        root.publish("results.nc")
    with pytest.raises(FolderGoneError, match=PLACE), root.kept():
        remove("bucket/small")
        root.publish("results.nc")
    with pytest.raises(FolderGoneError, match=PLACE) as error, root.kept():
        raise RuntimeError("what happened after it")
    assert isinstance(error.value.__cause__, RuntimeError)
    assert store.keys("bucket") == {}
    store.door = lambda method, path: "503 Service Unavailable"
    with pytest.raises(RuntimeError, match="itself"), root.kept():
        raise RuntimeError("itself")  # a store that does not answer is not known to be gone
