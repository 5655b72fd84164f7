"""The server as started from the command line: on loopback, for itself alone, ended by Ctrl-C; and the still."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest
from bokeh.client import pull_session
from bokeh.models import Tabs
from bokeh.util.token import get_session_id
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from calque.data import cube as cubes
from calque.phases.explore.app import prepare
from tests.explore_cube import explored, timing
from tests.test_phases_cli import phases, refused

# Bokeh's own, of every table
pytestmark = [
    pytest.mark.xdist_group("explore_server"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def cube_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "results.nc"
    cube = explored()
    cubes.write(cube, path, groups={"timing": timing(cube)})
    return path


@pytest.fixture(scope="module")
def address(cube_file):
    """The address that the command prints; Ctrl-C must end it in order."""
    run = subprocess.Popen(
        [sys.executable, "-m", "calque.phases.cli", "explore", str(cube_file), "--no-browser"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    line = run.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    assert found, line + run.stderr.read()
    yield found[0]
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 0 and "Traceback" not in err, err


def get(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def page(address):
    return get(address).decode()


def test_the_page_loads_everything_from_itself(address, page):
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(asked) > 3 and not [name for name in asked if name.startswith(("http", "//"))]
    for name in asked:
        assert get(urljoin(address, name))


def test_a_session_holds_the_pages(address, page):
    prepare()  # the client must know Panel's models
    token = re.search(r'"token":"([^"]+)"', page)[1]  # of the session that the page would join
    session = pull_session(session_id=get_session_id(token), url=address)
    try:
        tabs = session.document.select_one({"type": Tabs})
        assert [tab.title for tab in tabs.tabs][:2] == ["Curves", "Pairs"]
        urls = re.findall(r"https?://[^'\"]+", str(session.document.to_json().content))
        assert not [url for url in urls if not url.startswith(("http://www.w3.org/", address))]
    finally:
        session.close()


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_other_names_and_origins_are_refused(address, headers):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(address, **headers)
    assert refusal.value.code == 403
    refusal.value.close()
    assert b"okeh" in get(f"{address}static/js/bokeh-gl.min.js", Host=address.split("/")[2], Origin=address.rstrip("/"))


def test_every_answer_keeps_the_pages_apart_from_others(address, page):
    for name in ("", "static/js/bokeh-gl.min.js", "nowhere"):
        try:
            answer = urllib.request.urlopen(urljoin(address, name), timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert "default-src 'none'" in policy
    assert nonce not in get(address).decode(), "every session has a number of its own"
    scripts = re.findall(r"<script[^>]*>", page)
    assert len(scripts) > 3 and all(f'nonce="{nonce}"' in script for script in scripts)
    assert 'http-equiv="refresh"' not in page


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1"])
def test_the_websocket_takes_its_own_origin_alone(address, origin):
    async def connect():
        url = address.replace("http", "ws") + "ws"
        await websocket_connect(HTTPRequest(url, headers={"Origin": origin}))

    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(connect())


def test_nothing_listens_but_loopback(address):
    port = int(address.rstrip("/").rpartition(":")[2])
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            pytest.skip("no /proc/net here")
        rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        listening = {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
        assert listening <= {"0100007F"}


def test_a_port_in_use_is_one_line(address, cube_file):
    port = address.rstrip("/").rpartition(":")[2]
    refused(phases("explore", cube_file, "--no-browser", "--port", port), f"port {port}", "is taken", "--port")


def test_mistakes_are_one_line(cube_file, tmp_path, monkeypatch):
    refused(phases("explore", tmp_path / "none.nc"), "missing")
    refused(phases("explore", tmp_path), "is a folder", "expected a netCDF cube")
    refused(phases("explore", cube_file.parent), "is a folder", f"its cube is {cube_file}")
    for name in ("log.csv", "log.JSONL"):
        (tmp_path / name).write_text("step,acc\n1,0.5\n")
        refused(phases("explore", tmp_path / name), f"{name} is no cube", "phases import")
    refused(phases("explore", cube_file, "--detect", cube_file), "--detect", "not valid JSON")
    refused(phases("explore", cube_file, "--save", tmp_path / "no" / "x.html"), "folder does not exist")
    bare = tmp_path / "bare.nc"
    cubes.write(cubes.read(cube_file)[["tokens"]], bare)
    refused(phases("explore", bare), "holds no metric")
    wrong = phases("explore", cube_file, "--port", "99999")
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    monkeypatch.setattr("calque.phases.commands.explore.find_spec", lambda name: None if name == "hvplot" else object())
    refused(phases("explore", cube_file), "needs the package 'hvplot'", "pip install 'calque[explore]'")


def test_help_is_complete():
    done = phases("explore", "--help")
    assert done.returncode == 0
    for flag in (
        "--detect", "--forecast", "--power", "--loss", "--mixes", "--plan", "--port", "--no-browser", "--save",
    ):  # fmt: skip
        assert flag in done.stdout


def test_the_still_needs_no_network(cube_file, tmp_path):
    target = tmp_path / "still.html"
    done = phases("explore", cube_file, "--save", target)
    assert done.returncode == 0, done.stderr
    page = target.read_text()
    assert list(tmp_path.iterdir()) == [target] and "results.nc" in page and "Loss and compute" in page
    assert not re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?https?:""", page)
    document = re.search(r'<script[^>]* type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
    assert not re.findall(r'https?://(?!www\.w3\.org/)[^"\\]+', document)
    assert "ImportedStyleSheet" in document and "data:text/css;base64," in document
