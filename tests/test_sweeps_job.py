"""The literal command: ``ray start --head`` where the study lies, then ``ray job submit sweeps/small.yaml``."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from calque.data import cube
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.sweeps_processes import comes_true, commands, descendants, gone
from tests.test_sweeps_trial import same

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]
STUDY = (
    SMALL_STUDY.replace("tokens: 40k", "tokens: 600k").replace("train_tokens: 60k", "train_tokens: 640k")
    .partition("  first-s1")[0]
)  # fmt: skip
"""One run, long enough to be stopped by a command that takes seconds itself."""
BIN = Path(sys.executable).parent


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def listening(port: int) -> set[str]:
    """Addresses, as the kernel writes them, on which something listens at this port."""
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    places = [line[1].split(":") for line in lines if line[3] == "0A"]
    return {address for address, at in places if int(at, 16) == port}


@dataclass(frozen=True)
class Head:
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    def job(self, *words: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run ``ray job`` with these words, in the folder."""
        return subprocess.run(
            [str(BIN / "ray"), "job", *words], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    def was_stopped(self, job: str) -> bool:
        said = self.job("status", job)
        return "was stopped" in said.stdout + said.stderr


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    gcs, dashboard, agent = free_ports(3)
    (tmp_path / "sweeps").mkdir()
    study = tmp_path / "sweeps" / "small.yaml"
    study.write_text("#!/usr/bin/env -S sweeps run\n" + STUDY)
    study.chmod(0o755)
    address = f"http://127.0.0.1:{dashboard}"
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    environment = os.environ | {
        "RAY_JOB_STOP_WAIT_TIME_S": "120", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token),
        "PATH": f"{BIN}:{os.environ['PATH']}", "CALQUE_RESULTS": str(tmp_path / "results"), "RAY_ADDRESS": address,
    }  # fmt: skip
    start = {name: value for name, value in environment.items() if name != "RAY_ADDRESS"}
    command = [
        str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2", "--object-store-memory=83886080",
        f"--port={gcs}", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, env=start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield Head(tmp_path, dashboard, process, environment)
    finally:
        below = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
        assert gone(below, 120), f"still running: {commands(below)}"


def test_a_study_is_submitted_stopped_and_submitted_again(head: Head) -> None:
    assert comes_true(lambda: head.job("list").returncode == 0, 400)
    assert listening(head.port) == {"0100007F"}, "the dashboard is on loopback unless a person says otherwise"
    results = head.folder / "results" / "small"

    sent = head.job("submit", "--no-wait", "--submission-id", "one", "sweeps/small.yaml")
    assert sent.returncode == 0, sent.stderr
    assert comes_true(lambda: any(results.glob("runs/*/run.nc")), 900), head.job("logs", "one").stdout
    head.job("stop", "one")
    assert comes_true(lambda: head.was_stopped("one"), 200)
    logs = head.job("logs", "one").stdout
    assert "interrupted" in logs, logs
    assert "resume with: sweeps run" in logs, logs

    done = head.job("submit", "sweeps/small.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 run done" in done.stdout

    study = read_study(head.folder / "sweeps" / "small.yaml")
    for run in study.runs:
        assert (
            run_trial(TrialRequest(config=run, results=head.folder / "undisturbed", study_yaml=study.text)).state
            == "done"
        )
        file = Path("runs") / run.name / "run.nc"
        same(cube.read(results / file), cube.read(head.folder / "undisturbed" / file))
