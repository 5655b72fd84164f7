"""The README's commands are executed as typed; its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import README, ROOT, commands

MINUTES = ("make study", "make test", "make docs", "sweeps run", "sweeps trial", "sweeps collect")


def test_the_readme_has_commands_and_we_know_which_take_minutes() -> None:
    assert {line.split()[0] for line in commands()} >= {"make", "sweeps", "phases", "scaling"}
    for start in MINUTES:
        assert any(line.startswith(start) for line in commands()), start


def test_short_commands_work_as_typed(tmp_path: Path) -> None:
    for folder in ("docs/examples", "sweeps"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in commands():
        if line.startswith(MINUTES):
            continue
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert "takeoff" in (tmp_path / "log.html").read_text().lower()


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 100


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+?)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert link.startswith("http") or (ROOT / link).exists(), link


def test_the_makefile_has_the_targets_that_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)`", README)) | {
        "study",
        "docs",
        "generated",
        "test",
        "lint",
        "wheel",
        "bench",
        "env",
        "clean",
    }:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
