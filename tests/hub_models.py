"""A hub on this machine that serves the revisions of one model."""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlparse

from tests.hub_server import HubServer

MODEL = "owner/suite"


class ModelHub(HubServer):
    """Serves a folder for every branch; large files are named by their SHA-256, as the hub does."""

    def __init__(self, branches: dict[str, Path]) -> None:
        super().__init__(Path())
        self.branches = branches
        self.commit_of = {name: hashlib.sha1(name.encode()).hexdigest() for name in branches}

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = unquote(urlparse(request.path).path)
        self.requests.append(f"{request.command} {path}")
        if self.failures and (status := self.failures.pop(0)):
            self.send(request, status, b'{"error": "busy"}', body)
        elif path == f"/api/models/{MODEL}/refs":
            found = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                for name, commit in self.commit_of.items()
            ]
            self.send(request, 200, json.dumps({"branches": found, "tags": [], "converts": []}).encode(), body)
        elif match := re.fullmatch(rf"/api/models/{MODEL}(?:/revision/(?P<revision>[^/]+))?", path):
            self.model(request, match["revision"] or "main", body)
        elif match := re.fullmatch(rf"/api/models/{MODEL}/tree/(?P<revision>[^/]+)/?", path):
            files = [self.listed(file) for file in sorted(self.folder(match["revision"]).iterdir())]
            self.send(request, 200, json.dumps(files).encode(), body)
        elif match := re.fullmatch(rf"/{MODEL}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", path):
            self.content(request, match["revision"], match["name"], body)
        else:
            self.send(request, 404, b'{"error": "not found"}', body, {"X-Error-Code": "RepoNotFound"})

    def folder(self, revision: str) -> Path:
        name = next((n for n, commit in self.commit_of.items() if commit == revision), revision)
        return self.branches[name]

    def listed(self, file: Path) -> dict[str, object]:
        return {"type": "file", "oid": digest(file), "path": file.name, "size": file.stat().st_size}

    def model(self, request: BaseHTTPRequestHandler, revision: str, body: bool) -> None:
        commit = self.commit_of.get(revision, revision)
        siblings = [{"rfilename": file.name} for file in sorted(self.folder(revision).iterdir())]
        found = {"id": MODEL, "modelId": MODEL, "sha": commit, "private": False, "gated": False, "disabled": False,
                 "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
                 "lastModified": "2025-01-01T00:00:00.000Z"}  # fmt: skip
        self.send(request, 200, json.dumps(found).encode(), body)

    def content(self, request: BaseHTTPRequestHandler, revision: str, name: str, body: bool) -> None:
        file = self.folder(revision) / name
        commit = self.commit_of.get(revision, revision)
        if not file.is_file():
            self.send(request, 404, b"", body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        self.send(request, 200, file.read_bytes(), body, {"ETag": f'"{digest(file)}"', "X-Repo-Commit": commit})


def digest(file: Path) -> str:
    """Return the SHA-256 of weights, a shorter hash of other files."""
    kind = hashlib.sha256 if file.suffix == ".safetensors" else hashlib.sha1
    return kind(file.read_bytes()).hexdigest()
