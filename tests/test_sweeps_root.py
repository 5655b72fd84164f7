"""The results root: which one is meant, and a root at an fsspec address that another machine goes on from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from calque.data import cube
from calque.data.errors import UserError
from calque.sweeps.results import mirror as mirroring
from calque.sweeps.results.collect import collect
from calque.sweeps.results.mirror import Mirror, mirrored
from calque.sweeps.results.progress import read_progress
from calque.sweeps.results.remote import RemoteFolder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import claimed_root, run_one
from calque.sweeps.study.study import read_study
from tests.test_sweeps_trial import same


@pytest.fixture(params=["file", "memory", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "s3":
        request.getfixturevalue("store")
        yield "s3://bucket/small"
        return
    if request.param == "file":
        yield f"file://{tmp_path}/bucket/small"
        return
    yield "memory://bucket/small"
    fsspec.filesystem("memory").store.clear()


def test_the_nearest_word_decides_where_results_go(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALQUE_RESULTS", raising=False)
    study = read_study(small_study)
    assert study.results_place(None) == str(tmp_path / "results" / "small")
    keyed = tmp_path / "keyed.yaml"
    keyed.write_text(small_study.read_text() + "results: s3://lab/small\n")
    assert read_study(keyed).results_place(None) == "s3://lab/small"
    monkeypatch.setenv("CALQUE_RESULTS", "gs://bucket/results/")
    assert read_study(keyed).results_place(None) == "gs://bucket/results/small"
    monkeypatch.setenv("CALQUE_RESULTS", "there")
    assert study.results_place(None) == str(tmp_path / "there" / "small")
    assert study.results_place("here") == str(tmp_path / "here")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "/etc", "a b"])
def test_names_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.yaml"
    for text in (f"study: {name!r}\nruns:\n  a: {{}}\n", f"study: s\nruns:\n  {name!r}: {{}}\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="expected letters, digits"):
            read_study(path)


def test_an_unknown_kind_of_address_is_one_line() -> None:
    with pytest.raises(UserError, match="cannot use nowhere://x"):
        ResultsRoot("nowhere://x")


def test_a_run_at_an_address_is_gone_on_with_on_another_machine(
    small_study: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(small_study)
    run = study.run("first-s0")
    whole, _ = run_one(study, run, str(tmp_path / "undisturbed"))
    assert whole.state == "done", whole.message

    class PulledPlug(BaseException):
        pass

    def pull_the_plug(*args: object) -> None:
        raise PulledPlug

    from calque.models.training import loop as training

    original = training.train

    def half(decoder, config, batches, steps, folder, on_checkpoint, *rest, **named):  # type: ignore[no-untyped-def]
        def until_half(step, *args):  # type: ignore[no-untyped-def]
            on_checkpoint(step, *args)
            if step >= steps[len(steps) // 2]:
                pull_the_plug()

        return original(decoder, config, batches, steps, folder, until_half, *rest, **named, state_seconds=0)

    monkeypatch.setattr(training, "train", half)
    with pytest.raises(PulledPlug):
        run_one(study, run, address)
    monkeypatch.setattr(training, "train", original)

    root = ResultsRoot(address)
    shutil.rmtree(root._here)  # another machine has none of it
    root.refresh(study.runs, cubes=True)
    stopped = read_progress(root.folder, run)
    assert 0 < stopped.checkpoints < stopped.total_checkpoints
    assert collect(root.folder, study).sizes["checkpoint"] >= stopped.checkpoints
    shutil.rmtree(root._here)

    went_on = []
    load = training.load_state
    monkeypatch.setattr(training, "load_state", lambda *args: (went_on.append(args), load(*args))[1])
    standing, root = run_one(study, run, address)
    assert went_on, "from the state that the other machine had copied"
    assert standing.state == "done", standing.message
    root.refresh(study.runs, cubes=True)
    same(
        cube.read(root.folder / "runs" / run.name / "run.nc"),
        cube.read(tmp_path / "undisturbed" / "runs" / run.name / "run.nc"),
    )
    there = RemoteFolder(f"{address}/runs/{run.name}").names()
    assert sum(name.endswith(".safetensors") for name in there) == standing.total_checkpoints
    assert not any(Path(name).name.startswith(".") for name in there), "no temporary files and no locks"


def test_an_address_of_another_study_is_left_alone(small_study: Path, address: str, tmp_path: Path) -> None:
    claimed_root(read_study(small_study), address)
    other = tmp_path / "other.yaml"
    other.write_text(small_study.read_text().replace("study: small", "study: large"))
    with pytest.raises(UserError, match="results of another study"):
        claimed_root(read_study(other), address)


def test_what_speaks_of_other_files_is_copied_after_them(address: str, tmp_path: Path) -> None:
    order: list[str] = []
    remote = RemoteFolder(address)
    put = remote.put
    remote.put = lambda path, name: (order.append(name), put(path, name))[1]  # type: ignore[assignment, func-returns-value]
    local = tmp_path / "run"
    for name in ("progress.json", "run.nc", "weights/step-1.safetensors", "states/step-1.ckpt", ".lock"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(name)
    mirror = Mirror(local, remote)
    mirror.push()
    assert order[-2:] == ["run.nc", "progress.json"]
    assert set(order) == {"progress.json", "run.nc", "weights/step-1.safetensors", "states/step-1.ckpt"}
    mirror.push()
    assert len(order) == 4, "nothing had changed"
    (local / "states" / "step-2.ckpt").write_text("2")
    (local / "states" / "step-1.ckpt").unlink()
    mirror.push()
    assert order[4:] == ["states/step-2.ckpt"]
    assert set(remote.names()) == {
        "progress.json", "run.nc", "weights/step-1.safetensors", "states/step-2.ckpt",
    }  # fmt: skip


def test_no_state_reaches_the_address_before_its_rows(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "local"
    (local / "states").mkdir(parents=True)
    (local / "run.nc").write_text("rows up to 100")
    (local / "states" / "step-100").write_text("state")
    remote = RemoteFolder(address)
    copy = shutil.copy2

    def copied(*paths: Path) -> Path:
        done = copy(*paths)  # the run goes on as soon as its rows are frozen
        (local / "run.nc").write_text("rows up to 200")
        (local / "states" / "step-200").write_text("state")
        return Path(done)

    mirror = Mirror(local, remote)
    with monkeypatch.context() as patch:
        patch.setattr(mirroring.shutil, "copy2", copied)
        mirror.push()
    assert sorted(remote.names()) == ["run.nc", "states/step-100"]
    mirror.push()
    assert sorted(remote.names()) == ["run.nc", "states/step-100", "states/step-200"]


def test_a_folder_that_is_further_than_the_address_is_kept(address: str, tmp_path: Path) -> None:
    remote, here, there = RemoteFolder(address), tmp_path / "here", tmp_path / "there"
    for folder, step in ((there, "step-00000005"), (here, "step-00000009")):
        (folder / "states").mkdir(parents=True)
        (folder / "states" / f"{step}.ckpt").write_text(step)
        (folder / "run.nc").write_text(step)
    Mirror(there, remote).push()
    assert not Mirror(here, remote).fetch()
    assert (here / "run.nc").read_text() == "step-00000009"
    (here / "states" / "step-00000009.ckpt").rename(here / "states" / "step-00000001.ckpt")
    assert Mirror(here, remote).fetch()
    assert (here / "run.nc").read_text() == "step-00000005"
    assert [path.name for path in (here / "states").iterdir()] == ["step-00000005.ckpt"]


def test_an_address_that_is_gone_for_a_while_loses_nothing(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "SECONDS_BETWEEN", 0.01)
    remote, gone = RemoteFolder(address), [True]
    put = remote.put

    def broken(path: Path, name: str) -> None:
        if gone:
            gone.pop()
            raise UserError("the network is down")
        put(path, name)

    remote.put = broken  # type: ignore[method-assign]
    local = tmp_path / "run"
    local.mkdir()
    with mirrored(local, remote, seconds=100):
        (local / "run.nc").write_text("all of it")
    assert set(remote.names()) == {"run.nc"}
    monkeypatch.setattr(mirroring, "SECONDS_OF_PATIENCE", 0.0)
    gone.append(True)
    (local / "run.nc").write_text("more of it")
    with pytest.raises(UserError, match="everything is kept in"), mirrored(local, remote, seconds=100):
        pass


def test_nothing_in_the_root_is_unpickled(small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    import torch

    study = read_study(small_study)
    run = study.run("first-s0")
    place = str(tmp_path / "results")
    assert run_one(study, run, place)[0].state == "done"
    run_folder = tmp_path / "results" / "runs" / run.name
    (run_folder / "progress.json").unlink()  # the run goes on from its newest state

    def opened(*args: object, **named: object) -> None:
        raise AssertionError("a stranger could have put it there")

    for module, name in ((pickle, "load"), (pickle, "Unpickler"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(module, name, opened)
    went_on = []
    from calque.models.training import loop as training

    load = training.load_state
    monkeypatch.setattr(training, "load_state", lambda *args: (went_on.append(args), load(*args))[1])
    standing, root = run_one(study, run, place)
    assert went_on
    assert standing.state == "done", standing.message
    root.refresh(study.runs, cubes=True)
