"""Processes that die before they can count themselves, or of an error nobody foresaw: a run is given up after four."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.sweeps.launch import crash_loop
from calque.sweeps.launch.deaths import take_death
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.launch.tune import launch
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.results.claim import claim
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.study.study import Study, read_study


def killed(request: LaunchRequest) -> None:
    """Stand in for a kernel that is out of memory: the process dies before anything is written."""
    with Path(request.place, f"starts-{request.run.name}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def unforeseen(request: LaunchRequest) -> None:
    """Stand in for a fault of ours."""
    with Path(request.place, f"starts-{request.run.name}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    raise ZeroDivisionError("nobody thought of this")


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize(
    ("work", "reason"), [(killed, "killed, as by signal 9"), (unforeseen, "ZeroDivisionError: nobody thought of this")]
)
def test_a_run_that_never_comes_to_count_is_given_up_after_four_deaths(
    small_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], work: Callable[..., None], reason: str
) -> None:
    study, results = read_study(small_study), tmp_path / "results"
    claim(results, study)
    launch([study.run("first-s0")], str(results), study.text, cpus=1, work=work)
    starts = (results / "starts-first-s0").read_text().split()
    assert len(starts) in (4, 5), "the fifth was on its way when the fourth died"
    standing = read_progress(results, study.run("first-s0"))
    assert standing.state == "failed"
    assert f"the process died {len(starts)} times at the start ({reason}" in standing.message
    assert len(standing.message) <= 300 and "Traceback" not in standing.message
    assert f"run 'first-s0': its process died ({reason}" in capfd.readouterr().err
    from ray._private import ray_constants

    assert ray_constants.ENABLE_RAY_CLUSTER, "only a cluster on this machine alone is bound to loopback"


@pytest.fixture
def launched(small_study: Path, tmp_path: Path) -> tuple[Study, LaunchRequest]:
    study = read_study(small_study)
    claim(tmp_path / "results", study)
    request = LaunchRequest(
        run=study.run("first-s0"), place=str(tmp_path / "results"), study_yaml=study.text, launch_id="one",
        resources=ResourceRequest(cpus=1),
    )  # fmt: skip
    return study, request


def test_a_death_is_counted_once_whoever_counts_it(launched: tuple[Study, LaunchRequest], tmp_path: Path) -> None:
    _, request = launched
    folder = run_folder(tmp_path / "results", request.run)
    for n in range(1, crash_loop.MAX_CRASHES + 1):
        crash_loop.count_start(folder, "one")
        assert not take_death(request, "it fell")
        assert json.loads((folder / "attempts.json").read_text())["count"] == n
    assert take_death(request, "it fell again"), "the fourth did not come to count itself"
    standing = read_progress(tmp_path / "results", request.run)
    assert (standing.state, standing.message.partition(";")[0]) == (
        "failed", "the process died 4 times at the start (it fell again)"
    )  # fmt: skip
    with pytest.raises(UserError, match="died 4 times"):
        crash_loop.count_start(folder, "one")
    crash_loop.count_start(folder, "two")


def test_a_death_further_on_begins_a_new_count(launched: tuple[Study, LaunchRequest], tmp_path: Path) -> None:
    _, request = launched
    folder = run_folder(tmp_path / "results", request.run)
    for step in range(8):
        crash_loop.count_start(folder, "one")
        assert not take_death(request, "it fell")
        (folder / "states").mkdir(exist_ok=True)
        (folder / "states" / f"step-{step:08d}.ckpt").touch()


@pytest.mark.parametrize("content", [b"", b"{half", b"\xff\xfe", b"[]", b'{"launch": "one", "place": 3, "count": "x"}'])
def test_damaged_counts_begin_anew(launched: tuple[Study, LaunchRequest], tmp_path: Path, content: bytes) -> None:
    _, request = launched
    folder = run_folder(tmp_path / "results", request.run)
    crash_loop.count_start(folder, "one")
    (folder / "attempts.json").write_bytes(content)
    assert not take_death(request, "it fell")
    crash_loop.count_start(folder, "one")
    assert json.loads((folder / "attempts.json").read_text())["count"] == 2
