"""The script for the first hour on a device runs, in tiny shapes, and says what it does not show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import first_hour
from tests.benchmarks.first_hour_forms import FORMS, REAL
from tests.benchmarks.first_hour_stages import STAGES
from tests.readme import ROOT


def test_every_stage_runs_on_a_cpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.first_hour", "--device", "cpu", "-o", tmp_path / "found.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["stages"]
    assert list(found) == list(STAGES)
    assert found["head"]["loss_off"] < 1e-2 and 0 < found["head"]["gradient_off"] < 2e-2
    assert set(found["training"]["tokens_per_second"]) >= {"ours", "transformers"}
    assert found["sharded"]["fsdp2"] > 0 and found["scoring"]["questions"] > 0
    assert found["resume"]["state"] == "done" and found["resume"]["every_step_once"]
    assert 0 < found["resume"]["stopped"] < found["resume"]["steps"]
    page = (tmp_path / "found.md").read_text()
    assert "tiny shapes" in page and "| yes |" not in page and "| no |" not in page


def test_a_stage_that_fails_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {"loss_off": 1e-5, "gradient_off": 0.5}
    monkeypatch.setattr(
        first_hour, "isolated", lambda name, device, seconds: {"error": "x"} if name != "head" else values
    )
    monkeypatch.setattr(first_hour.stages, "machine", lambda device: dict.fromkeys(
        ("device", "torch", "cuda", "transformers", "litgpt"), "some"
    ))  # fmt: skip
    assert first_hour.main(["-o", str(tmp_path / "found.json")]) == 1
    held = {each.what: each.holds for each in first_hour.aims(json.loads((tmp_path / "found.json").read_text()))}
    assert [held.pop(f"{what} of the head against float32") for what in ("loss", "gradients")] == [True, False]
    assert set(held.values()) == {None}, "what was not measured holds nothing"


def test_the_form_of_a_gpu_is_the_largest_run_of_the_study() -> None:
    form = FORMS["cuda"]
    assert form.name == REAL and form.large.n_params == 1_669_433_344
    assert (form.context, form.precision, form.compiled) == (4096, "bf16-mixed", True)
    assert sum(1 for _ in STAGES) * first_hour.LONGEST_STAGE > first_hour.BUDGET_SECONDS == 720
