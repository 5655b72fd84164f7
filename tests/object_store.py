"""An S3 server on this machine that can be away for a while, and the environment by which it is found."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Answer = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Handler(MotoRequestHandler):
    def log_request(self, *args: Any, **named: Any) -> None:
        """Nothing: the store keeps its requests."""


class ObjectStore:
    """Moto's S3, behind a door.

    Attributes
    ----------
    address : str
        Of the server, ``http://127.0.0.1:PORT``.
    environment : dict of str to str
        With which ``s3fs`` reaches it.
    requests : list of (str, str)
        Method and path of each request so far, with its query.
    door : callable
        May answer a request (a status line) in place of the store, or None.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.door: Callable[[str, str], str | None] = lambda method, path: None
        self._store: Answer = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip

    def keys(self, bucket: str) -> dict[str, bytes]:
        """Return what the bucket holds, asked of the store itself."""
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        return {name.partition("/")[2]: files.cat_file(name) for name in files.find(bucket)}

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        method, path = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        self.requests.append((method, path))
        instead = self.door(method, path)
        if instead is None:
            return self._store(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(instead, [("Content-Length", "0")])
        return [b""]

    @contextlib.contextmanager
    def open(self) -> Iterator[ObjectStore]:
        """Serve within the context, empty at first: moto keeps what it holds for the whole process."""
        BackendDict.reset()
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
