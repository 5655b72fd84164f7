"""A hub on this machine that takes uploads: the few addresses that creating a repository and a commit ask for."""

from __future__ import annotations

import base64
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_of_a_test"


class UploadHub:
    """Keeps the files of each branch; each number in ``failures`` is a status for a next request of an upload."""

    def __init__(self) -> None:
        self.repositories: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.failures: list[int] = []
        self.sent: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                hub.answer(self)

            do_PUT = do_GET = do_HEAD = do_POST

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> UploadHub:
        self.thread.start()
        return self

    def __exit__(self, *words: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = unquote(urlparse(request.path).path)
        status, values = self.reply(request, path, body)
        data = json.dumps(values).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def reply(self, request: BaseHTTPRequestHandler, path: str, body: bytes) -> tuple[int, Any]:
        if path.startswith("/objects/"):
            if self.failures:
                return self.failures.pop(0), {"error": "busy"}
            oid = path.rpartition("/")[2]
            self.objects[oid] = body
            self.sent.append(oid)
            return 200, {}
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        asked = json.loads(body) if body[:1] == b"{" and b"\n" not in body.strip() else {}
        if path == "/api/repos/create":
            name = f"{asked['organization']}/{asked['name']}"
            there = name in self.repositories
            self.repositories.setdefault(name, asked["visibility"] == "private")
            return (409 if there else 200), {"url": f"{self.address}/{name}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if match := re.fullmatch(r"/api/models/[^/]+/[^/]+/branch/(.+)", path):
            self.files.setdefault(match[1], {})
            return 200, {}
        if "/preupload/" in path:
            kinds = [("lfs" if f["path"].endswith(".safetensors") else "regular", f["path"]) for f in asked["files"]]
            return 200, {
                "files": [{"path": p, "uploadMode": kind, "shouldIgnore": False, "oid": None} for kind, p in kinds]
            }
        if path.endswith("/info/lfs/objects/batch"):
            objects: list[dict[str, Any]] = []
            for each in asked["objects"]:
                upload = {"upload": {"href": f"{self.address}/objects/{each['oid']}"}}
                objects.append(each | ({} if each["oid"] in self.objects else {"actions": upload}))
            return 200, {"transfer": "basic", "objects": objects}
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            branch = self.files.setdefault(match[2], {})
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    branch[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    branch[line["value"]["path"]] = self.objects[line["value"]["oid"]]
            return 200, {"success": True, "commitOid": "c" * 40, "commitUrl": f"{self.address}/{match[1]}/commit/c"}
        return 404, {"error": f"not found: {request.command} {path}"}
