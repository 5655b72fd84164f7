"""Planning: the numbers follow from the stated formulas, need no torch, and mistakes get one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.models.config.memory import on_device
from calque.models.config.sizes import ladder
from calque.sweeps.cli import app
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.plan import plan
from calque.sweeps.plan.run_plan import plan_run
from calque.sweeps.plan.tables import cost_table, flops_table, memory_table, notes
from calque.sweeps.study.study import read_study

ROOT = Path(__file__).parent.parent
STUDY = """study: s
base: hub-gpu
runs:
  big: {size: 1.7b, seeds: [0, 1], training: {micro_batch_size: 128}}
  low: {size: 152m, training: {batch_size: 4}}
  world: {base: world-cpu}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def answer(study: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["plan", str(study), "--json", "-", *words])
    assert done.exit_code == 0, done.output
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_hours_are_flops_over_the_share_of_the_peak(study: Path) -> None:
    bill = answer(study)
    big, _, low, world = bill["runs"]
    per_token = big["flops_per_token"]
    assert per_token == {
        "embedding": 0, "layers": 6 * 1_132_562_432, "attention": 6 * 24 * 2048 * 4096, "head": 6 * 131_072 * 2048,
    }  # fmt: skip
    assert big["flops"] == sum(per_token.values()) * big["tokens"]
    assert (big["device"], big["peak_flops"], world["device"]) == ("h200", 989.4e12, "cpu")
    assert big["hours"] == pytest.approx(big["flops"] / (0.4 * 989.4e12) / 3600)
    assert bill["total"]["device_hours"] == pytest.approx(sum(r["hours"] for r in bill["runs"]))
    half = answer(study, "--utilisation", "0.2", "--device", "a100")
    assert half["runs"][0]["hours"] == pytest.approx(2 * big["hours"] * 989.4 / 312)
    own = answer(study, "--flops", "1e15", "--utilisation", "1")
    assert own["runs"][2]["hours"] == pytest.approx(low["flops"] / 1e15 / 3600)
    assert (own["runs"][2]["device"], own["runs"][2]["device_memory_bytes"]) == ("given", None)


def test_float32_is_reckoned_at_the_peak_of_float32(study: Path) -> None:
    assert answer(study, "--device", "h200")["runs"][3]["peak_flops"] == 66.9e12


def test_memory_is_that_of_its_formula_and_what_does_not_fit_is_said(study: Path) -> None:
    bill = plan(read_study(study), Hardware())
    big, _, low, world = bill["runs"]
    parts = ("weights", "gradients", "optimizer", "activations", "logits")
    for r in bill["runs"]:
        assert r["memory_bytes"]["total"] == sum(r["memory_bytes"][part] for part in parts)
    assert big["memory_bytes"]["optimizer"] == 8 * 1_669_433_344
    assert low["memory_bytes"]["gradients"] == 4 * ladder(512, 131_072).n_params
    said = "\n".join(notes(bill))
    assert "too large for one h200 of 141 GB, even so: 1.7b (" in said
    assert "152m" not in said.split("even so")[1]
    assert "micro" not in said.split("even so")[1]
    assert world["device_memory_bytes"] is None


def test_devices_share_and_read_as_many_sequences_as_fit(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: s\nbase: hub-gpu\nruns:\n  one: {}\n  ddp: {training: {devices: 4}}\n"
        "  fsdp: {training: {devices: 4, strategy: fsdp2, keep_weights: 'last:5'}}\n"
        "  full: {training: {activation_checkpointing: full}}\n  given: {training: {micro_batch_size: 2}}\n"
    )
    one, ddp, fsdp, full, given = plan(read_study(path), Hardware())["runs"]
    for r in (one, ddp, fsdp):
        assert r["memory_bytes"]["total"] < 0.8 * 141e9
        assert 128 // r["devices"] % r["rows"] == 0
    twice = on_device(ladder(2048, 131_072), read_study(path).runs[0].training, 2 * one["rows"])
    assert twice.total > 0.8 * 141e9
    assert given["rows"] == 2 < one["rows"] < full["rows"]
    assert ddp["memory_bytes"]["optimizer"] == one["memory_bytes"]["optimizer"] == 4 * fsdp["memory_bytes"]["optimizer"]
    assert ddp["hours"] == one["hours"] and ddp["scoring_hours"] == one["scoring_hours"] > 0
    assert ddp["wall_hours"] == pytest.approx((one["hours"] + one["scoring_hours"]) / 4)
    states = 2 * 12 * 1_669_433_344
    assert one["disk_bytes"] == 2 * 1_669_433_344 * one["checkpoints"] + states
    assert fsdp["disk_bytes"] == 2 * 1_669_433_344 * 5 + states


def test_the_parametrisation_of_a_study_reaches_its_decoders(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: s\nbase: hub-gpu\ndefaults: {training: {learning_rate: 4e-3}}\nruns:\n  c: {}\n"
        "  s: {training: {parametrisation: standard}}\n  b: {training: {base_width: 1024, base_layers: 12}}\n"
        "  m: {training: {optimizer: muon}}\n"
    )
    study = read_study(path)
    shapes = [run.decoder(1000) for run in study.runs]
    assert [(s.width_ratio, s.depth_ratio) for s in shapes] == [(8, 8), (1, 1), (2, 2), (8, 8)]
    rates = [plan_run(run, Hardware()).hidden_learning_rate for run in study.runs]
    assert rates == pytest.approx([5e-4, 4e-3, 2e-3, 4e-3 / 8**0.5])
    assert "learning rate of the hidden matrices" in "\n".join(notes(plan(study, Hardware())))


def test_tables_have_a_row_for_each_run_and_one_for_each_kind(study: Path) -> None:
    bill = plan(read_study(study), Hardware())
    assert cost_table(bill).row_count == 4
    assert flops_table(bill).row_count == memory_table(bill).row_count == 3
    done = CliRunner().invoke(app, ["plan", str(study)])
    for word in ("big-s1", "1.67B", "9,614", "131,072", "13.4 GB", "40% of", "989.4 TFLOP/s (h200, bf16-mixed)"):
        assert word in done.stdout, word


def test_what_sets_a_run_apart_is_shown_and_nothing_is_cut_where_no_terminal_is(tmp_path: Path) -> None:
    bill = answer(ROOT / "sweeps" / "mix.yaml")
    differs = {r["run"]: r["differs"] for r in bill["runs"]}
    assert differs["world-s3"] == differs["share-half-s0"] == differs["uniform-s1"] == {}
    assert differs["cognates-none-s0"] == {"world.cognate_rate": 0}
    assert differs["shuffled-s5"] == {"world.shuffled": True}
    assert set(differs["glossaries-only-s0"]) == {
        "world.glossary_share", "training.warmup_tokens", "checkpoints.every", "checkpoints.first",
    }  # fmt: skip
    command = [sys.executable, "-m", "calque.sweeps.cli", "plan", str(ROOT / "sweeps" / "mix.yaml")]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "80"}).stdout
    assert "…" not in out
    cells = {r["run"]: [c.strip() for c in line.split("│")[1:-1]] for line in out.splitlines() for r in bill["runs"]
             if line.startswith(f"│ {r['run']} ")}  # fmt: skip
    assert len(cells) == len(bill["runs"])
    assert cells["cognates-many-s0"][2] == "uniform; cognate_rate=0.4"
    assert cells["shuffled-s0"][2] == "uniform; shuffled=yes"
    assert cells["share-half-s0"][2].startswith("w1:0.5,w2:0.0625") and cells["share-half-s0"][2].endswith("w9:0.0625")
    assert len({tuple(row[1:3]) for row in cells.values()}) == 17  # as many as the study has runs without their seeds


def test_planning_imports_no_torch(study: Path) -> None:
    code = (
        "import sys; from calque.sweeps.plan.hardware import Hardware; from calque.sweeps.plan.plan import plan; "
        "from calque.sweeps.study.study import read_study; "
        f"plan(read_study({str(ROOT / 'sweeps' / 'quick.yaml')!r}), Hardware()); "
        "sys.exit(', '.join({'torch', 'lightning', 'ray', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"device": "h20"}, "`device` is 'h20'; expected one of cpu, a100, .*did you mean 'h200'"),
        ({"utilisation": 40.0}, "`utilisation` is 40; expected a share of the peak, such as 0.4"),
        ({"utilisation": float("nan")}, "`utilisation` is nan"),
        ({"flops": 0.0}, "`flops` is 0; expected the peak FLOP/s"),
    ],
)
def test_impossible_hardware_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Hardware(**values)


def test_the_run_of_a_plan_is_the_run_of_the_study(study: Path) -> None:
    for run in read_study(study).runs:
        found = plan_run(run, Hardware())
        assert (found.run, found.run_id) == (run.name, run.run_id)
        assert found.n_params == run.decoder(run.vocab_size()).n_params
        assert found.tokens == found.steps * run.training.tokens_per_step
