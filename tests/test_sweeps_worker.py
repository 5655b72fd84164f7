"""A worker's patience with its results root, and when it gives a run up."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from calque.data import cube, files
from calque.data.errors import UserError
from calque.sweeps.launch import crash_loop, worker
from calque.sweeps.launch.errors import ProcessDiedError
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.results.claim import claim
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import record_failure, run_trial
from tests.test_sweeps_trial import same


@pytest.fixture
def study(small_study: Path) -> Study:
    return read_study(small_study)


def launched(study: Study, place: Path) -> LaunchRequest:
    return LaunchRequest(
        run=study.run("first-s0"), place=str(place), study_yaml=study.text, launch_id="one",
        resources=ResourceRequest(cpus=1),
    )  # fmt: skip


def test_a_root_that_is_read_only_for_a_while_is_waited_for(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = study.run("first-s0")
    claim(tmp_path / "undisturbed", study)
    run_trial(TrialRequest(config=config, results=tmp_path / "undisturbed", study_yaml=study.text))

    results, waits, writes = tmp_path / "results", [], [0]
    claim(results, study)
    original = files.os.replace

    def read_only(source: Path, target: Path) -> None:
        writes[0] += str(results) in str(target)
        if str(results) in str(target) and len(waits) < 3 and writes[0] > 10:  # in the midst of training
            raise OSError(errno.EROFS, "Read-only file system", str(target))
        original(source, target)

    monkeypatch.setattr(files.os, "replace", read_only)
    pause = lambda seconds: waits.append(seconds) if seconds >= 1 else None  # noqa: E731 - subprocess polls for less
    monkeypatch.setattr(worker.time, "sleep", pause)
    worker.run_alone(launched(study, results))
    assert waits[:3] == [2.0, 4.0, 8.0]
    assert json.loads((run_folder(results, config) / "attempts.json").read_text())["count"] == 1, "waiting is no dying"
    assert read_progress(results, config).state == "done"
    same(
        cube.read(run_folder(results, config) / "run.nc"),
        cube.read(run_folder(tmp_path / "undisturbed", config) / "run.nc"),
    )


def test_patience_has_an_end(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(tmp_path / "results", study)
    monkeypatch.setattr(worker, "MAX_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(files.os, "replace", lambda source, target: (_ for _ in ()).throw(OSError(errno.EIO, "gone")))
    with pytest.raises(OSError, match="gone"):
        worker.run_alone(launched(study, tmp_path / "results"))


def test_an_error_of_the_run_is_recorded_once_and_not_tried_again(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calque.models.training import loop

    calls = []

    def diverge(*args: object, **named: object) -> None:
        calls.append(1)
        raise FloatingPointError("the loss is nan at step 3")

    monkeypatch.setattr(loop, "train", diverge)
    claim(tmp_path / "results", study)
    worker.run_alone(launched(study, tmp_path / "results"))
    assert len(calls) == 1
    standing = read_progress(tmp_path / "results", study.run("first-s0"))
    assert (standing.state, standing.message) == ("failed", "the loss is nan at step 3")


def test_a_run_whose_processes_die_at_one_place_is_given_up(study: Study, tmp_path: Path) -> None:
    config, results = study.run("first-s0"), tmp_path / "results"
    claim(results, study)
    folder = run_folder(results, config)
    for _ in range(crash_loop.MAX_CRASHES + 1):
        crash_loop.count_start(folder, "one")
    worker.run_alone(launched(study, results))
    standing = read_progress(results, config)
    assert standing.state == "failed"
    assert "the process died 4 times at the start" in standing.message
    crash_loop.count_start(folder, "two")  # sweeps run again begins to count anew


def test_deaths_further_on_do_not_add_up(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    for step in range(20):
        crash_loop.count_start(tmp_path, "one")
        (tmp_path / "states" / f"step-{step:08d}.ckpt").touch()
    assert json.loads((tmp_path / "attempts.json").read_text())["count"] == 1
    (tmp_path / "attempts.json").write_text("{half")
    crash_loop.count_start(tmp_path, "one")
    for _ in range(crash_loop.MAX_CRASHES):
        crash_loop.count_start(tmp_path, "one")
    with pytest.raises(UserError, match="states|step-00000019"):
        crash_loop.count_start(tmp_path, "one")


@pytest.mark.parametrize("died", [True, False])
def test_what_a_process_reports_that_lost_another_does_not_fail_the_run(
    study: Study, tmp_path: Path, died: bool
) -> None:
    results = tmp_path / "results"
    claim(results, study)
    request, config = launched(study, results), study.run("first-s0")

    def start(folder: Path) -> None:
        assert folder == results

        record_failure(request.trial(results), RuntimeError("Connection reset by peer"))
        raise ProcessDiedError("killed") if died else RuntimeError("the run failed")

    if died:
        with pytest.raises(ProcessDiedError):  # Ray begins all of them again
            worker.run_processes(request, start)
    else:
        worker.run_processes(request, start)
    assert read_progress(results, config).state == ("waiting" if died else "failed")
