"""The hub corpus against a hub on this machine: commits, branches that move, failures, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import hub_layout
from tests.hub_server import NAME, HubServer

CODE = """
import json, sys
from calque.data.corpora.hub import network as hub_network
from calque.data.corpora.hub.corpus import HubCorpus
from calque.data.corpora.hub.config import HubConfig
from calque.data.errors import guard
hub_network.FIRST_WAIT = 0.01
def read():
    corpus = HubCorpus(HubConfig(languages=("de",), heldout=0.1, attempts=3, datasets={"de": sys.argv[1]}))
    found = corpus.provenance()["datasets"]["de"]
    print(json.dumps([found, *(list(corpus.documents("de", split)) for split in ("train", "heldout"))]))
guard("read", read)
"""


def read(hub: HubServer, place: Path, name: str = f"{NAME}:deu_Latn") -> tuple[int, Any, str]:
    """Return a reading process's exit code, what it found, and its last line of complaint."""
    addresses = {"HF_ENDPOINT": hub.address, "HF_HOME": str(place / "hf"), "CALQUE_HOME": str(place)}
    environment = {**os.environ, **addresses, "USE_TORCH": "NO"}  # which takes seconds to import and is not needed
    words = [sys.executable, "-c", CODE, name]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    complaint = (done.stderr.strip().splitlines() or [""])[-1]
    return done.returncode, json.loads(done.stdout) if done.stdout else None, complaint


def test_a_commit_is_found_kept_and_gone_on_with(tmp_path: Path) -> None:
    root = hub_layout.write(tmp_path / "root")
    with HubServer(root) as hub:
        code, first, complaint = read(hub, tmp_path / "home")
        assert code == 0, complaint
        found, train, heldout = first
        assert found["name"] == NAME and found["revision"] == "a" * 40 and len(found["files"]) == hub_layout.FILES
        whole = [text.strip() for file in range(hub_layout.FILES) for text in hub_layout.texts("deu_Latn", file)]
        assert set(train) < set(whole) and heldout and not set(train) & set(heldout)
        hub.commit = "b" * 40  # the branch moves
        hub.commits.add(hub.commit)
        hub.requests.clear()
        code, again, complaint = read(hub, tmp_path / "home")
        assert code == 0 and again == first, complaint
        assert not any("b" * 40 in request for request in hub.requests)
        assert any(f"/resolve/{'a' * 40}/data/deu_Latn/train" in request for request in hub.requests)
        code, named, complaint = read(hub, tmp_path / "home", f"{NAME}:deu_Latn@{'b' * 40}")
        assert code == 0 and named[0]["revision"] == "b" * 40, complaint


def test_a_busy_hub_is_asked_again_and_a_refusal_is_not(tmp_path: Path) -> None:
    root = hub_layout.write(tmp_path / "root", ("deu_Latn",))
    with HubServer(root) as hub:
        hub.failures = [0, 503, 0, 502]
        code, found, complaint = read(hub, tmp_path / "home")
        assert code == 0 and not hub.failures, complaint
        hub.requests.clear()
        code, found, complaint = read(hub, tmp_path / "home", "owner/none:deu_Latn")
        assert code == 2 and complaint.startswith("read: the data set owner/none is not on the hub"), complaint
        assert len([request for request in hub.requests if "/api/datasets/owner/none" in request]) == 1
        code, found, complaint = read(hub, tmp_path / "home", f"{NAME}:deu_Latn@v9")
        assert code == 2 and f"the data set {NAME} at v9 has no such revision" in complaint
        code, found, complaint = read(hub, tmp_path / "home", f"{NAME}:deu")
        assert code == 2 and "has no 'deu' (BuilderConfig 'deu' not found. Available: ['deu_Latn']" in complaint


def test_no_hub_at_all_ends_in_one_line(tmp_path: Path) -> None:
    root = hub_layout.write(tmp_path / "root", ("deu_Latn",))
    with HubServer(root) as hub:
        pass
    code, found, complaint = read(hub, tmp_path / "home")
    assert code == 2 and f"cannot reach the data set {NAME} after 3 attempts" in complaint
    assert "run the same again" in complaint and found is None


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_not_for_everyone(tmp_path: Path, status: int) -> None:
    root = hub_layout.write(tmp_path / "root", ("deu_Latn",))
    with HubServer(root) as hub:
        hub.failures = [0, status]
        code, found, complaint = read(hub, tmp_path / "home")
        assert code == 2 and NAME in complaint and found is None
