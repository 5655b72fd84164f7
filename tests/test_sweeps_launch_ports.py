"""What a launch opens and leaves: sockets on loopback alone, one temporary folder, and the reason when Ray dies."""

from __future__ import annotations

import re
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweeps_processes import LONG_STUDY, comes_true, commands, descendants, gone, listening, send, sweeps

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]
FOLDER = re.compile(r"(/[^\0=\s]*/calque-ray-\w+)/r/session_")


def temporary_folder(pids: set[int]) -> Path:
    """The folder of the launch to which these processes of Ray belong, from their command lines."""
    found = {each for command in commands(pids).values() for each in FOLDER.findall(command.decode())}
    assert len(found) == 1, found
    return Path(found.pop())


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "long.yaml"
    path.write_text(LONG_STUDY.replace("train_tokens: 340k", "train_tokens: 341k"))
    return path


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder of this test alone: any launch on the machine would remove what a killed one left in /tmp."""
    with tempfile.TemporaryDirectory(prefix="ct-", dir="/tmp") as folder:
        yield Path(folder)


def test_sockets_are_on_loopback_and_a_killed_launch_is_cleaned_up_by_the_next(
    study: Path, tmp_path: Path, short: Path
) -> None:
    long = tmp_path / ("x" * 130)
    long.mkdir()
    where = {"TMPDIR": str(long), "RAY_TMPDIR": str(short)}
    results = tmp_path / "results"
    process = sweeps("run", study, "--results", results, **where)
    places: set[str] = set()

    def training() -> bool:
        places.update(listening(descendants(process.pid) | {process.pid}))
        return any(results.glob("runs/*/run.nc")) or process.poll() is not None

    try:
        assert comes_true(training, 600)
        below = descendants(process.pid)
        left = temporary_folder(below)
    finally:
        process.kill()
        _, err = process.communicate(timeout=100)
    assert len(places) >= 8, f"Ray listens on a dozen ports: {places} {err}"
    assert {place.split()[0] for place in places} <= {"127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::1"}, places
    assert gone(below, 300) and left.is_dir() and left.parent == short
    assert stat.S_IMODE(left.stat().st_mode) == 0o700, "Ray lets everybody into what it makes"

    process = sweeps("run", study, "--results", results, **where)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "2 of 2 runs done" in out
    assert not list(short.iterdir())
    assert not [path for path in long.iterdir() if path.name.startswith(("ray", "calque"))]


@pytest.mark.parametrize("agent", [b"RuntimeEnvAgent", b"DashboardAgent"])
def test_an_agent_of_ray_that_dies_before_the_first_checkpoint_is_the_reason(
    study: Path, tmp_path: Path, agent: bytes
) -> None:
    process = sweeps("run", study, "--results", tmp_path / "results")

    def named(*titles: bytes) -> set[int]:
        found = commands(descendants(process.pid))
        return {pid for pid, command in found.items() if command.startswith(titles)}

    workers = (b"ray::IDLE", b"ray::ResourceTrainable")
    assert comes_true(lambda: bool(named(*workers)) or process.poll() is not None, 300)
    below = descendants(process.pid)
    send(named(b"ray::" + agent), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, out + err
    last = err.strip().splitlines()[-1]
    when = "sweeps: (Ray's node on this machine died|Ray ended while it started|Ray did not start on this machine)"
    assert re.match(rf"{when} \(its \w+_agent ended, killed or out of memory\)", last), err
    assert "Traceback" not in err and "no checkpoint of study" not in err
    assert gone(below, 300)
