"""A hub on this machine: the few addresses of the Hugging Face hub's interface that reading a data set asks for.

It serves one folder as ``OWNER/NAME``, says at which commit its main branch stands, and can fail on demand, so that
the very code that speaks to the hub runs without a network.
"""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlparse

NAME = "owner/fineweb-2"


class HubServer:
    """Serves ``root``; ``commit`` is where main stands; each number in ``failures`` is a status for a next request."""

    def __init__(self, root: Path, commit: str = "a" * 40) -> None:
        self.root, self.commit = root, commit
        self.commits = {commit}
        self.failures: list[int] = []
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_POST(self) -> None:
                hub.answer(self, body=True)

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> HubServer:
        self.thread.start()
        return self

    def __exit__(self, *words: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        posted = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = unquote(urlparse(request.path).path)
        self.requests.append(f"{request.command} {path}")
        if self.failures and (status := self.failures.pop(0)):
            self.send(request, status, b'{"error": "busy"}', body)
            return
        if match := re.fullmatch(rf"/api/datasets/{NAME}(/revision/(?P<revision>[^/]+))?", path):
            self.info(request, match["revision"] or "main", body)
        elif match := re.fullmatch(rf"/api/datasets/{NAME}/tree/(?P<revision>[^/]+)/?(?P<path>.*)", path):
            self.tree(request, match["path"], body)
        elif match := re.fullmatch(rf"/api/datasets/{NAME}/paths-info/(?P<revision>[^/]+)", path):
            self.paths_info(request, posted, body)
        elif match := re.fullmatch(rf"/datasets/{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", path):
            self.file(request, match["path"], body)
        else:
            self.send(request, 404, b'{"error": "not found"}', body, {"X-Error-Code": "RepoNotFound"})

    def info(self, request: BaseHTTPRequestHandler, revision: str, body: bool) -> None:
        if revision != "main" and revision not in self.commits:
            self.send(request, 404, b"{}", body, {"X-Error-Code": "RevisionNotFound"})
            return
        commit = self.commit if revision == "main" else revision
        siblings = [
            {"rfilename": path.relative_to(self.root).as_posix()} for path in self.root.rglob("*") if path.is_file()
        ]
        found = {"id": NAME, "sha": commit, "private": False, "gated": False, "disabled": False, "downloads": 0,
                 "likes": 0, "tags": [], "siblings": siblings, "lastModified": "2025-01-01T00:00:00.000Z"}  # fmt: skip
        self.send(request, 200, json.dumps(found).encode(), body)

    def entry(self, path: Path) -> dict[str, object]:
        name = path.relative_to(self.root).as_posix()
        oid = hashlib.sha1(name.encode()).hexdigest()
        kind = "directory" if path.is_dir() else "file"
        return {"type": kind, "oid": oid, "path": name, "size": path.stat().st_size if kind == "file" else 0}

    def tree(self, request: BaseHTTPRequestHandler, name: str, body: bool) -> None:
        folder = self.root / name
        if not folder.is_dir():
            self.send(request, 404, b"{}", body, {"X-Error-Code": "EntryNotFound"})
            return
        found = folder.rglob("*") if "recursive=true" in request.path.lower() else folder.iterdir()
        self.send(request, 200, json.dumps([self.entry(path) for path in sorted(found)]).encode(), body)

    def paths_info(self, request: BaseHTTPRequestHandler, posted: bytes, body: bool) -> None:
        names = json.loads(posted)["paths"]
        found = [self.entry(self.root / name) for name in names if (self.root / name).exists()]
        self.send(request, 200, json.dumps(found).encode(), body)

    def file(self, request: BaseHTTPRequestHandler, name: str, body: bool) -> None:
        path = self.root / name
        if not path.is_file():
            self.send(request, 404, b"", body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commit})
            return
        data = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": self.commit,
            "Accept-Ranges": "bytes",
        }
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or ""):
            first, last = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self.send(request, 206, data[first : last + 1], body, headers)
            return
        self.send(request, 200, data, body, headers)

    def send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        data: bytes,
        body: bool,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body:
            request.wfile.write(data)
