"""Where a launch finds its cluster and its temporary folder, and the one sentence when it cannot."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.data.locks import locked
from calque.sweeps.cli import app
from calque.sweeps.launch import address, scratch
from calque.sweeps.launch.cluster import cluster, started_nodes
from calque.sweeps.launch.errors import LaunchError
from calque.sweeps.launch.start_watcher import ended_agent

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address.SECONDS <= 25, "with the start of Ray's client it is one sentence within 30 s"
    monkeypatch.setattr(address, "SECONDS", 0.5)


@pytest.fixture
def other_server() -> Iterator[int]:
    """The port of a server that answers, and is no Ray: as Redis does, which once stood at this port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"-ERR unknown command\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("127.0.0.1:1", "no Ray cluster answered there"),
        ("[::1]:1", "no Ray cluster answered there"),
        ("ray://127.0.0.1:1", "no Ray cluster answered there"),
        ("192.0.2.255:6379", "no Ray cluster answered there"),
        ("127.0.0.1:{other}", "no Ray cluster answered there"),
        ("ray://127.0.0.1:{other}", "no Ray cluster answered there"),
        ("no-such-host.invalid:6379", "unset it to run on this machine"),
        ("http://127.0.0.1:8265", "the dashboard's address for `ray job submit`"),
        ("nonsense", "expected HOST:PORT"),
        ("host:", "expected HOST:PORT"),
        ("host:99999", "expected HOST:PORT"),
        ("a/b:6379", "expected HOST:PORT"),
        ("\x1b[31m" * 200 + ":6379", "RAY_ADDRESS"),
    ],
)
def test_a_cluster_that_is_gone_is_one_sentence(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_server: int, given: str, said: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", given.format(other=other_server))
    monkeypatch.setattr("calque.sweeps.prepare.prepare.prepare_all", lambda *a: pytest.fail("data are made first"))
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(
            app, ["run", str(small_study), "--results", str(tmp_path / "r")], catch_exceptions=False
        )  # fmt: skip
    message = str(caught.value)
    assert said in message and message.isprintable() and len(message) <= LONGEST_MESSAGE, message
    assert caught.value.exit_code == 2 and "RAY_ADDRESS" in message


def test_local_is_the_word_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, found in (("", None), ("local", None), (" auto ", "auto"), ("10.0.0.1:6379", "10.0.0.1:6379")):
        monkeypatch.setenv("RAY_ADDRESS", given)
        assert address.cluster_address() == found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("\nThe node timed out\nduring startup"), "(The node timed out)"),
        (OSError("AF_UNIX path too long"), "(AF_UNIX path too long)"),
        (TimeoutError(), "(TimeoutError)"),
    ],
)
def test_a_ray_that_does_not_start_is_one_sentence_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def refuse(**named: object) -> None:
        assert named["_node_ip_address"] == "127.0.0.1"
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.init", refuse)
    own = scratch.Scratch(folder=tmp_path / "s")
    with pytest.raises(LaunchError, match="Ray did not start on this machine") as caught, cluster(1, own):
        pass
    assert reason in str(caught.value) and str(own.logs) in str(caught.value)
    assert caught.value.exit_code == 1 and own.keep, "its logs stay"


def test_a_cluster_without_nodes_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.sweeps.launch.cluster.nodes", list)
    own = scratch.Scratch(folder=tmp_path)
    with pytest.raises(LaunchError, match=r"node on this machine died \(killed or out of memory\); run the same again"):
        started_nodes(own)
    assert own.keep


def test_the_agent_that_took_the_node_along_is_told(tmp_path: Path) -> None:
    assert ended_agent(tmp_path) is None
    (tmp_path / "raylet.err").write_text(
        "The raylet exited because one Ray agent failed, agent_name = dashboard_agent."
    )
    assert ended_agent(tmp_path) == "its dashboard_agent ended, killed or out of memory"


def test_the_temporary_folder_is_short_wherever_tmpdir_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with scratch.scratch() as own:
        assert own.folder.parent == Path("/tmp")
        assert len(f"{own.ray}/session_2026-11-30_23-59-59_999999_4194304/sockets/plasma_store") <= 107
    assert not own.folder.exists()
    monkeypatch.setattr(scratch.os, "access", lambda *a: False)
    with pytest.raises(LaunchError, match="set RAY_TMPDIR to such a folder"), scratch.scratch():
        pass


def test_what_killed_launches_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(scratch, "LONGEST_SOCKET", 1000)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    names = ("dead", "running", "new", "old", "elsewhere")
    dead, running, new, old, elsewhere = (tmp_path / f"{scratch.PREFIX}{name}" for name in names)
    for folder in (dead, running, new, old):
        (folder / "session" / "logs").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    elsewhere.symlink_to(tmp_path / "target")
    other = tmp_path / "session_2026"
    other.mkdir()
    (dead / "lock").touch()
    os.utime(old, (0, 0))
    with locked(running / "lock", wait=0), scratch.scratch() as own:
        there = {path.name for path in tmp_path.iterdir()}
        assert there == {running.name, new.name, elsewhere.name, "target", other.name, own.folder.name}
    with scratch.scratch() as kept:
        kept.keep = True
    assert kept.folder.is_dir() and not running.exists()
    with scratch.scratch():
        assert not kept.folder.exists()
