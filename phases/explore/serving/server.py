"""The server of the pages: loopback alone, for requests of this machine alone, websocket included."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from multiprocessing import active_children
from typing import Any

from bokeh.server.server import Server
from panel.io.server import get_server
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.routing import Matcher, Rule
from tornado.web import OutputTransform, RequestHandler

from calque.data.errors import UserError
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import Study

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")


class Foreign(Matcher):
    """Matches requests with another host name, or from a page of another origin.

    A page elsewhere can make its host name resolve to the loopback address (DNS rebinding); the name is then foreign.
    """

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return arguments for the handler when the request is foreign, None otherwise."""
        port = request.host.rpartition(":")[2]
        origin = request.headers.get("Origin")
        own = origin is None or origin in [f"http://{name}:{port}" for name in NAMES]
        return None if own and request.host_name in NAMES else {}


class Refuse(RequestHandler):
    """Answers every request with status 403."""

    def prepare(self) -> None:
        """Refuse the request, whatever its method."""
        self.send_error(403, reason="these pages are for this machine alone")


class Headers(OutputTransform):
    """Adds to every answer what only a header can say: no page frames ours, and nothing is taken for another kind.

    What scripts may run stands in the document itself, see ``frame.html.j2``: a saved page has no headers.
    """

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return ``status_code`` and ``chunk`` as they are, with headers added, ``finishing`` or not."""
        headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        return status_code, headers, chunk


def make_server(study: Study, port: int = 0) -> Server:
    """Return a server of the study's pages, listening on loopback; the caller starts it and runs its loop.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    port : int
        TCP port; 0 for any free one.

    Raises
    ------
    UserError
        When the port is taken or not allowed.
    """
    prepare()
    port = _free_port(port)
    made = get_server(
        lambda: App(study).view(), port=port, address=HOST, title=study.name, show=False, start=False,
        websocket_origin=[f"{name}:{port}" for name in NAMES],
    )  # fmt: skip
    # before every other rule: pages, scripts and the websocket alike
    made._tornado.default_router.rules.insert(0, Rule(Foreign(), Refuse))
    made._tornado.transforms.append(Headers)
    return made


def _free_port(port: int) -> int:
    """Return the port if it is free, any free one for 0: the websocket's origin names it before the server listens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise UserError(f"port {port} on {HOST} {why}; choose another `port`, or 0 for any free one") from None
        return int(probe.getsockname()[1])


def address_of(server: Server) -> str:
    """Return the URL of ``server``."""
    return f"http://{HOST}:{server.port}/"


def serve(study: Study, port: int, *, browser: bool, started: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    port : int
        TCP port; 0 for any free one.
    browser : bool
        Whether to open the pages in a browser, if there is a display.
    started : callable
        Called with the URL once the server runs.

    Raises
    ------
    UserError
        As :func:`make_server`.
    """
    server = make_server(study, port)
    loop: IOLoop = server.io_loop
    server.start()
    address = address_of(server)
    started(address)
    if browser and _display():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    def end(*_: object) -> None:
        loop.add_callback_from_signal(loop.stop)

    before = {name: signal.signal(name, end) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        loop.start()
    finally:
        study.located.stopped.set()
        for child in active_children():  # they would finish their tasks first, which can take minutes
            child.terminate()
        server.stop()
        for name, handler in before.items():
            signal.signal(name, handler)


def _display() -> bool:
    """Return whether there is a display; without one a text browser would take over the terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
