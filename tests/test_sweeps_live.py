"""The live page, its server on loopback, and the trackers: all of one finished small run."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import types
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.data import cube
from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import run_one
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.watch import trackers
from calque.sweeps.watch.curves import Curve, CurveReader, curves_of
from calque.sweeps.watch.live import PAGE, LivePage
from calque.sweeps.watch.live_server import LiveServer
from tests.conftest import SMALL_STUDY


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, ResultsRoot]:
    folder = tmp_path_factory.mktemp("live")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    path = folder / "small.yaml"
    path.write_text(SMALL_STUDY.replace("about: a world", "about: a <b>bold</b> world"))
    study = read_study(path)
    standing, root = run_one(study, study.run("first-s0"), str(folder / "results"))
    assert standing.state == "done", standing.message
    return study, root


class _Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_shows_every_run_and_the_curves_of_those_that_began(finished: tuple[Study, ResultsRoot]) -> None:
    study, root = finished
    seen = _Seen((root.folder / PAGE).read_text())
    assert {"first-s0", "first-s1", "done", "waiting"} <= set(seen.words)
    assert "1 of 2 runs done" in " ".join(seen.words)
    lines = [attrs for tag, attrs in seen.tags if tag == "polyline"]
    checkpoints = cube.read(root.folder / "runs" / "first-s0" / "run.nc").sizes["checkpoint"]
    assert len(lines) == 5, "loss, copying, false copying, translation, tokens/s"
    assert {len(str(line["points"]).split()) for line in lines[:4]} == {checkpoints - 1}, "position 0 has no logarithm"
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "b", "img", "link"}, "nothing is fetched or run, and text stays text"


def test_the_curves_are_those_of_the_cube(finished: tuple[Study, ResultsRoot]) -> None:
    _, root = finished
    folder = root.folder / "runs" / "first-s0"
    one, curves = cube.read(folder / "run.nc"), curves_of(folder)
    assert curves["loss"].values == pytest.approx(one["loss"].values[0].mean(-1))
    assert set(curves) == {"loss", "copying", "false_copying", "translation", "tokens_per_second"}
    assert (curves["tokens_per_second"].values > 0).all()
    assert curves_of(folder.with_name("missing")) == {}


def test_the_page_opens_no_cube_where_curves_are_written(
    finished: tuple[Study, ResultsRoot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, root = finished
    shutil.copytree(root.folder / "runs" / "first-s0", tmp_path / "run")
    told = curves_of(tmp_path / "run")
    monkeypatch.setattr(cube, "read_with", lambda *given: pytest.fail("a cube was opened"))
    assert _equal(curves_of(tmp_path / "run"), told)
    monkeypatch.undo()
    for damage in (b"", b"{half", b"\xff\xfe", b'{"loss": [[1.0], []]}', b'{"loss": 3}', b"[]", b"[" * 9999):
        (tmp_path / "run" / "curves.json").write_bytes(damage)
        assert _equal(curves_of(tmp_path / "run"), told), damage
    (tmp_path / "run" / "curves.json").unlink()
    assert _equal(curves_of(tmp_path / "run"), told), "older runs have no such file"
    fewer = cube.read(tmp_path / "run" / "run.nc").isel(checkpoint=slice(0, 3))
    shutil.copy2(root.folder / "runs" / "first-s0" / "curves.json", tmp_path / "run")
    cube.write(fewer, tmp_path / "run" / "run.nc")
    assert len(curves_of(tmp_path / "run")["loss"].values) == 3, "curves that are older than the rows are not shown"
    read = CurveReader()
    assert len(read(tmp_path / "run")["loss"].values) == 3
    (tmp_path / "run" / "run.nc").write_bytes(b"damaged")
    assert read(tmp_path / "run") == {}


def _equal(one: dict[str, Curve], other: dict[str, Curve]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name].tokens, other[name].tokens) and np.array_equal(one[name].values, other[name].values)
        for name in one
    )


def test_a_failed_run_says_why_on_the_page(finished: tuple[Study, ResultsRoot], tmp_path: Path) -> None:
    study, _ = finished
    run = study.run("first-s1")
    write_progress(tmp_path, run, replace(read_progress(tmp_path, run), state="failed", message="the loss is <nan>"))
    text = LivePage(study, ResultsRoot(str(tmp_path))).html()
    assert "the loss is &lt;nan&gt;" in text
    assert 'http-equiv="refresh"' not in text


def test_a_page_that_cannot_be_written_stops_nothing(finished: tuple[Study, ResultsRoot], tmp_path: Path) -> None:
    study, _ = finished
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with LivePage(study, ResultsRoot(str(blocked / "below")), seconds=0.01):
        pass


@pytest.fixture
def server(finished: tuple[Study, ResultsRoot]) -> Iterator[LiveServer]:
    with LiveServer(LivePage(*finished)) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def _get(url: str, host: str | None = None) -> str:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_the_server_answers_on_loopback_alone(server: LiveServer) -> None:
    assert "1 of 2 runs done" in " ".join(_Seen(_get(server.address)).words)
    assert server.socket.getsockname()[0] == "127.0.0.1"
    for address, host, code in (
        (server.address, f"evil.example:{server.server_port}", 403),
        (f"{server.address}runs/first-s0/run.nc", None, 404),
        (f"{server.address}../../etc/passwd", None, 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            _get(address, host)
        assert error.value.code == code
        error.value.close()
    with socket.socket() as outside:
        outside.settimeout(2)
        assert outside.connect_ex(("127.0.0.2", server.server_port)) != 0


def test_tensorboard_holds_every_checkpoint_once_after_a_second_process(
    finished: tuple[Study, ResultsRoot], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study, root = finished
    folder = root.folder / "runs" / "first-s0"
    one = cube.read(folder / "run.nc")
    tokens = [int(t) for t in one["tokens"].values[0]]
    (tmp_path / "run.nc").write_bytes((folder / "run.nc").read_bytes())
    for _ in range(2):  # a process that is killed after its first checkpoint, and the one after it
        with trackers.tracked(study.run("first-s0"), tmp_path) as report:
            report({"tokens": tokens[0]})
            report({"tokens": tokens[-1]})
    events = EventAccumulator(str(tmp_path / "tensorboard"), purge_orphaned_data=True)
    events.Reload()
    losses = events.Scalars("loss")
    assert {e.step for e in losses} == set(tokens)
    assert [e.value for e in losses if e.step == tokens[-1]][-1] == pytest.approx(
        float(one["loss"].values[0, -1].mean())
    )
    assert {"copying", "false_copying", "translation", "tokens_per_second"} <= set(events.Tags()["scalars"])


def test_wandb_is_used_only_where_it_is_set_up_and_never_stops_a_run(
    finished: tuple[Study, ResultsRoot],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study, root = finished
    folder = root.folder / "runs" / "first-s0"
    tokens = cube.read(folder / "run.nc")["tokens"].values[0]
    (tmp_path / "run.nc").write_bytes((folder / "run.nc").read_bytes())
    logged: list[dict[str, Any]] = []
    asked: dict[str, Any] = {}

    class Run:
        summary = {"tokens": tokens[2]}

        def define_metric(self, *args: str, **named: str) -> None: ...

        def log(self, values: dict[str, Any]) -> None:
            logged.append(values)

        def finish(self) -> None:
            raise ConnectionError("no network")

    module = types.ModuleType("wandb")
    module.init = lambda **named: (asked.update(named), Run())[1]  # type: ignore[attr-defined]
    module.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    for name in trackers.WANDB_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "wandb", module)
    assert not trackers.wandb_is_set_up()
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    with trackers.tracked(study.run("first-s0"), tmp_path) as report:
        report({"tokens": tokens[0]})
    assert (asked["project"], asked["name"], asked["resume"]) == ("mine", "first-s0", "allow")
    assert [entry["tokens"] for entry in logged] == [int(t) for t in tokens[3:]], (
        "what is there already is not logged again"
    )
    assert "tracking failed (no network); the run goes on without it" in capsys.readouterr().err
