"""The live page in a browser on this machine: served on loopback alone, made anew as it is asked for."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from calque.data.errors import UserError, one_line
from calque.sweeps.watch.live import LivePage

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
SECONDS_BETWEEN = 5.0
READER_SECONDS = 30.0
"""A reader that takes longer to read or to ask is let go."""
SCRIPT = "live.js"
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class LiveServer(ThreadingHTTPServer):
    """Serves one page at ``/``, and its script.

    Parameters
    ----------
    page : LivePage
    port : int
        0 takes any free one.

    Raises
    ------
    UserError
        When the port is taken.
    """

    daemon_threads = True

    def __init__(self, page: LivePage, port: int = 0) -> None:
        self.page, self.made, self.text = page, 0.0, b""
        self.making = threading.Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(f"cannot serve on {HOST}:{port} ({error.strerror}); choose another `port`") from None

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that went away; other errors are shown.

        Parameters
        ----------
        request, client_address : object
            As ``socketserver`` gives them.
        """
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def current(self) -> bytes:
        """Return the page, at most a few seconds old."""
        with self.making:
            if time.monotonic() - self.made > SECONDS_BETWEEN or not self.text:
                self.text, self.made = self.page.html(SECONDS_BETWEEN).encode(), time.monotonic()
            return self.text


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = READER_SECONDS

    def do_GET(self) -> None:
        """Answer with the page, or its script."""
        if (self.headers.get("Host") or "").rpartition(":")[0] not in NAMES:  # a foreign name that leads here
            self.send_error(403, "this page is for this machine alone")
        elif self.path == f"/{SCRIPT}":
            self._answer("text/javascript", resources.files("calque.sweeps.watch").joinpath(SCRIPT).read_bytes())
        elif self.path != "/":
            self.send_error(404)
        else:
            try:
                text = self.server.current()
            except (UserError, OSError) as error:
                self.send_error(503, ascii(one_line(str(error)))[1:-1])
                return
            self._answer("text/html", text)

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(content))),
            ("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of every request."""
