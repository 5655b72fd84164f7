"""The live page in a browser on this machine: served on loopback alone, made anew as it is asked for."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from calque.data.errors import UserError
from calque.sweeps.watch.live import LivePage

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
SECONDS_BETWEEN = 5.0


class LiveServer(ThreadingHTTPServer):
    """Serves one page at ``/``.

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
            raise UserError(f"cannot serve on {HOST}:{port} ({error.strerror}); choose another --port") from None

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.server_port}/"

    def current(self) -> bytes:
        """Return the page, at most a few seconds old."""
        with self.making:
            if time.monotonic() - self.made > SECONDS_BETWEEN or not self.text:
                self.text, self.made = self.page.html(SECONDS_BETWEEN).encode(), time.monotonic()
            return self.text


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer

    def do_GET(self) -> None:
        """Answer with the page."""
        if (self.headers.get("Host") or "").rpartition(":")[0] not in NAMES:  # a foreign name that leads here
            self.send_error(403, "this page is for this machine alone")
        elif self.path != "/":
            self.send_error(404)
        else:
            try:
                text = self.server.current()
            except (UserError, OSError) as error:
                self.send_error(503, " ".join(str(error).split())[:200])
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of every request."""
