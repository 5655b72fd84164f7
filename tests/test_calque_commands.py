"""Every command gives what its function in Python gives: the two are held to each other, option by option."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import calque
import calque.phases.cli
import calque.scaling.cli
import calque.sweeps.cli
from calque import scaling as _scaling  # noqa: F401  (the package itself)
from tests.phases_cube import study

ROOT = Path(__file__).parent.parent
TRUTH = ROOT / "docs/examples/truth.yaml"
QUICK = ROOT / "sweeps/quick.yaml"
APPS = {"phases": calque.phases.cli.app, "scaling": calque.scaling.cli.app, "sweeps": calque.sweeps.cli.app}


@dataclass(frozen=True)
class Case:
    """One command and the function behind it, with arguments that say the same."""

    words: tuple[str, ...]
    function: Callable[..., Any]
    given: dict[str, Any]
    apart: tuple[str, ...] = ()
    """Keys of the JSON that speak of files that the command alone writes."""


SHOWN = {"json_file", "json", "quiet", "jobs", "html", "markdown", "list_cells", "forecast", "power", "loss", "picture"}
"""Parameters of commands that say how an answer is shown, not what is asked."""
ONLY_COMMANDS = {
    "phases explore": "serves pages until it is stopped",
    "sweeps prepare": "makes data on disk; its answer is what it made",
    "sweeps trial": "trains one run; tests/test_sweeps_trial.py",
    "sweeps status": "reads where runs stand",
    "sweeps collect": "writes a cube that calque.read reads",
    "sweeps export": "writes a folder for transformers",
    "sweeps run": "its function is run_study through calque.run; tests/test_sweeps_launch.py runs a study",
    "sweeps score": "its function is calque.score; tests/test_sweeps_score.py scores a model",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cubes")
    calque.write(study(runs=1, n=16, languages=3, concepts=8)[0], folder / "study.nc")
    return {"study": str(folder / "study.nc"), "folder": str(folder)}
