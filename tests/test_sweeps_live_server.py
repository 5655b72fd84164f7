"""The live page as it is served: its script, what it lets in, names as text, and readers that go away."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import read_study
from calque.sweeps.watch.live import LivePage
from calque.sweeps.watch.live_server import POLICY, LiveServer
from tests.conftest import SMALL_STUDY

HOSTILE = "the loss is <script>alert(1)</script>\x1b[31m\u202e & more"


@pytest.fixture
def page(tmp_path: Path) -> LivePage:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY.replace("about: a world", "about: a <b onclick=x>bold</b> world"))
    study = read_study(path)
    run = study.run("first-s1")
    there = read_progress(tmp_path, run)
    write_progress(tmp_path, run, type(there)(**{**vars(there), "state": "failed", "message": HOSTILE}))
    return LivePage(study, ResultsRoot(str(tmp_path)))


@contextlib.contextmanager
def serving(page: LivePage) -> Iterator[LiveServer]:
    with LiveServer(page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def test_the_page_and_its_script_come_with_a_policy_that_lets_in_nothing_else(page: LivePage) -> None:
    with serving(page) as server:
        with urllib.request.urlopen(server.address, timeout=30) as answer:
            text, headers = answer.read().decode(), answer.headers
        with urllib.request.urlopen(f"{server.address}live.js", timeout=30) as answer:
            script, kind = answer.read().decode(), answer.headers["Content-Type"]
    assert headers["Content-Security-Policy"] == POLICY and "unsafe-inline" not in POLICY.split("script-src")[1]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert kind == "text/javascript; charset=utf-8" and 'fetch("/"' in script and "innerHTML" not in script
    seen = Seen(text)
    assert seen.of("script") == [{"src": "/live.js", "defer": None}]
    assert seen.of("html") == [{"lang": "en", "data-seconds": "5"}]
    assert not [meta for meta in seen.of("meta") if meta.get("http-equiv") == "refresh"]


def test_names_and_messages_are_text_and_everything_has_a_label(page: LivePage) -> None:
    for text in (page.html(5.0), page.html()):
        seen = Seen(text)
        assert not seen.of("b") and "alert(1)</script>" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\u202e &amp; more" in text
        assert "\x1b" not in text and "\u202e" not in text
        assert len(seen.of("header")) == len(seen.of("main")) == len(seen.of("h1")) == 1
        assert all(attrs.get("aria-label") for tag in ("section", "progress", "svg") for attrs in seen.of(tag))
        assert all(attrs.get("scope") in ("col", "row") for attrs in seen.of("th"))
        assert len(seen.of("caption")) == len(seen.of("table"))


def test_a_file_has_no_script_and_asks_for_nothing(page: LivePage) -> None:
    page.write()
    text = (page.root.folder / "live.html").read_text()
    seen = Seen(text)
    assert not seen.of("script") and not seen.of("link") and "reload the page" in text
    policy = next(meta for meta in seen.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert not [meta for meta in seen.of("meta") if meta.get("http-equiv") == "refresh"]


@pytest.mark.parametrize("asked", [b"GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: loc", b""])
def test_a_reader_that_goes_away_is_no_traceback(
    page: LivePage, capfd: pytest.CaptureFixture[str], asked: bytes
) -> None:
    gone = threading.Event()
    with serving(page) as server:

        def large() -> bytes:
            gone.wait(30)
            return b"x" * 50_000_000

        server.current = large  # type: ignore[method-assign]
        with socket.create_connection(server.server_address[:2]) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.sendall(asked)
        gone.set()
        with urllib.request.urlopen(f"{server.address}live.js", timeout=30) as answer:
            assert answer.status == 200, "others are served"
    assert capfd.readouterr().err == ""


def test_an_error_of_ours_is_shown(page: LivePage, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(page) as server:

        def broken() -> bytes:
            raise ZeroDivisionError("a fault of ours")

        server.current = broken  # type: ignore[method-assign]
        with pytest.raises((OSError, urllib.error.URLError)):
            urllib.request.urlopen(server.address, timeout=30)
    assert "a fault of ours" in capfd.readouterr().err


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_puts_new_numbers_in_place_without_loading_the_page_anew(page: LivePage, tmp_path: Path) -> None:
    made: list[float] = []

    def next_page() -> bytes:
        made.append(time.monotonic())
        return page.html(1.0).replace("runs done", f"runs done, version {len(made)}").encode()

    with serving(page) as server:
        server.current = next_page  # type: ignore[method-assign]
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", server.address,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert len(made) > 2, done.stderr
    # the browser may have asked once more when its time was over
    [shown] = re.findall(r"version (\d+)", done.stdout)
    assert 1 < int(shown) <= len(made)
    assert "Content Security Policy" not in done.stderr and "Uncaught" not in done.stderr
    assert 'data-seconds="1"' in done.stdout and done.stdout.count("<main") == 1
