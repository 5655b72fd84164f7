"""The bill of adaptive checkpoints: the whole budget counts, as far as it costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.sweeps.cli import app
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.plan import plan
from calque.sweeps.study.study import read_study

STUDY = """\
study: bill
base: world-cpu
defaults: {checkpoints: {log_spaced: 10, first: 20k}}
runs:
  fixed: {}
  adaptive: {checkpoints: {adaptive: {budget: 8}}}
  thrifty:
    checkpoints: {adaptive: {budget: 8}}
    training: {keep_weights: "every:5"}
    evaluation: {minimal_pairs_every: 4}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "bill.yaml"
    path.write_text(STUDY)
    return path


def test_the_budget_is_in_the_bill(study: Path) -> None:
    bill = plan(read_study(study), Hardware())
    fixed, adaptive, thrifty = bill["runs"]
    assert (fixed["adaptive_checkpoints"], adaptive["adaptive_checkpoints"]) == (0, 8)
    assert adaptive["checkpoints"] == fixed["checkpoints"] + 8
    assert adaptive["disk_bytes"] - fixed["disk_bytes"] == 8 * 4 * fixed["n_params"]
    assert thrifty["disk_bytes"] < fixed["disk_bytes"], "weights of further checkpoints are dropped for later ones"
    assert adaptive["scoring_flops"] / fixed["scoring_flops"] == adaptive["checkpoints"] / fixed["checkpoints"]
    # 4,096 held-out tokens in nine languages, 36 concepts in 81 directions; reading is a third of training
    tokens = 9 * 4096 + 19 * 36 * 81
    per_token = sum(fixed["flops_per_token"].values())
    assert fixed["scoring_flops"] == pytest.approx(fixed["checkpoints"] * tokens * per_token / 3)
    assert bill["total"]["adaptive_checkpoints"] == 16
    assert bill["total"]["checkpoints"] == sum(run["checkpoints"] for run in bill["runs"])


def test_it_is_said_under_the_tables_and_beside_the_run(study: Path) -> None:
    done = CliRunner().invoke(app, ["plan", str(study)])
    assert done.exit_code == 0, done.output
    assert "up to 16 adaptive ones" in done.stdout
    assert "minimal_pairs_every=4" in "".join(done.stdout.split())
    study.write_text(STUDY.partition("  adaptive:")[0])
    assert "adaptive" not in CliRunner().invoke(app, ["plan", str(study)]).stdout
