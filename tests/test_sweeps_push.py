"""``sweeps push``: nothing is sent unless it is asked for, and what is sent arrives, through a hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.sweeps.checkpoints.pushing import push_export
from calque.sweeps.cli import app
from tests.hub_uploads import TOKEN, UploadHub


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(os.urandom(5000))
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# a run\n")
    (folder / ".lock").write_text("")
    return folder


def pushed(hub: UploadHub, *words: object, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: the library reads these variables when it is imported."""
    environment = {"HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "calque.sweeps.cli", "push", *map(str, words)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_by_default_nothing_is_sent(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda *a, **n: pytest.fail("the hub is asked"))
    done = CliRunner().invoke(app, ["push", str(exported), "lab/small"])
    assert done.exit_code == 0, done.output
    assert "model.safetensors: 5,000 bytes" in done.stdout and ".lock" not in done.stdout
    assert "lab/small, main (private if it is made now); nothing was sent: add --upload" in done.stdout
    answer = json.loads(CliRunner().invoke(app, ["push", str(exported), "lab/small", "--json", "-"]).stdout)
    assert (answer["uploaded"], answer["commit"]) == (False, None)
    assert {each["name"]: each["bytes"] for each in answer["files"]}["model.safetensors"] == 5000


def test_what_is_sent_arrives_and_is_not_sent_twice(exported: Path) -> None:
    with UploadHub() as hub:
        hub.failures += [503]  # once the network is busy
        done = pushed(hub, exported, "lab/small", "--upload", "--revision", "step-100")
        assert done.returncode == 0, done.stderr
        assert f"sent to lab/small, step-100: {hub.address}/lab/small/commit/c" in done.stdout
        assert hub.repositories == {"lab/small": True}, "private unless said otherwise"
        names = ("README.md", "config.json", "model.safetensors")
        assert hub.files["step-100"] == {name: (exported / name).read_bytes() for name in names}
        assert len(hub.sent) == 1
        done = pushed(hub, exported, "lab/small", "--upload")
        assert done.returncode == 0, done.stderr
        assert len(hub.sent) == 1 and hub.files["main"] == hub.files["step-100"], "the weights are there already"
        assert TOKEN not in done.stdout + done.stderr


def test_a_hub_that_refuses_is_one_line(exported: Path) -> None:
    with UploadHub() as hub:
        done = pushed(hub, exported, "lab/small", "--upload", token="hf_of_nobody")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "hf_of_nobody" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "lab/small on the hub" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("repository", "missing", "said"),
    [
        ("small", "", "`repository` is 'small'; expected OWNER/NAME"),
        ("a/b/c", "", "expected OWNER/NAME"),
        ("lab/../x", "", "expected OWNER/NAME"),
        ("lab/small", "config.json", "config.json is missing); make one with sweeps export"),
        ("lab/small", "model.safetensors", "a file of weights is missing"),
    ],
)
def test_what_cannot_be_sent_is_one_line(exported: Path, repository: str, missing: str, said: str) -> None:
    if missing:
        (exported / missing).unlink()
    with pytest.raises(UserError) as caught:
        push_export(exported, repository, upload=True)
    assert said in str(caught.value) and len(str(caught.value)) <= LONGEST_MESSAGE
