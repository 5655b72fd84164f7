"""Logs that mislead: how they are drawn, what is true of them, and the benchmark that goes on where it stopped."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calque.phases.calibration import run
from calque.phases.calibration.cells import STANDARD, chosen
from calque.phases.calibration.curves import CURVES, truth
from calque.phases.calibration.draws import NoiseSpec, schedule, series
from calque.phases.calibration.pathologies import curves
from calque.phases.calibration.pathologies.reported import cube_of, said
from calque.phases.settings import Settings
from tests import phases_pathologies as logs
from tests.benchmarks import pathologies as benchmark
from tests.benchmarks.efficiency import delay_power

EVEN = schedule("uniform", 100)
MINE = chosen("standard", ["pathology/*"])


def test_each_item_of_the_issue_has_a_cell_in_the_standard_suite():
    kinds = {c.name.split("/")[1] for c in STANDARD if c.name.startswith("pathology/")}
    assert kinds == {"falls", "repeated", "noise", "dip", "schedule", "power"}
    assert all(any(t.low is not None or t.high is not None for t in c.targets) for c in MINE)
    for c in MINE:
        nothing = run.cell_truth(c, 0.05).takeoff == np.inf
        assert nothing == any(t.figure == "reported" and t.high == 0.05 for t in c.targets), c.name


def test_a_rise_after_a_dip_is_dated_from_the_lowest_level():
    s = EVEN / EVEN[-1]
    found = truth(curves.DIP_SATURATING, s)
    at = 10**found.takeoff
    lowest = curves.CHANCE - 0.08
    assert at > 0.1 and curves.DIP_SATURATING.score(np.array([at]))[0] == pytest.approx(lowest + 0.05, abs=1e-4)
    for name in ("sharp", "linear", "peak", "two-phase"):  # where nothing dips, the first level is the lowest
        curve = CURVES[name]
        assert curve.score(np.array([10 ** truth(curve, s).takeoff]))[0] == pytest.approx(
            curve.score(s[:1])[0] + 0.05, abs=1e-3
        )


def test_pythias_checkpoints_are_those_that_were_published():
    tokens = schedule("pythia", 27)
    assert len(tokens) == 27 and tokens[0] == 0 and tokens[-1] == 143000 * 2097152 and (np.diff(tokens) > 0).all()


def test_held_and_listed_logs_repeat_their_scores():
    rng = np.random.default_rng(1)
    held = series(rng, "r", "m", CURVES["linear"].score, EVEN, 125, NoiseSpec(held=4))
    assert held.n == 100 and (held.y.reshape(25, 4) == held.y[::4, None]).all() and len(set(held.y[::4])) > 10
    twice = series(rng, "r", "m", CURVES["linear"].score, EVEN, 125, NoiseSpec(listed=2))
    assert twice.n == 200 and (twice.y[::2] == twice.y[1::2]).all() and len(set(twice.y[::2])) > 20
    assert np.allclose(twice.tokens[::2], EVEN) and np.allclose(twice.tokens[1::2], EVEN, rtol=2e-3)


def test_calming_noise_calms_and_leaves_the_mean():
    drawn = np.array([
        series(np.random.default_rng(i), "r", "m", CURVES["flat"].score, EVEN, 5000, NoiseSpec(sd=0.65, calm=0.05)).y
        for i in range(400)
    ])  # fmt: skip
    early, late = drawn[:, :10].std(0).mean(), drawn[:, -10:].std(0).mean()
    assert early > 5 * late and np.allclose(drawn.mean(0), 0.2, atol=0.02)


def test_the_least_power_is_four_fifths_of_the_best_possible():
    for c in chosen("standard", ["pathology/power/*"]):
        target = next(t for t in c.targets if t.figure == "late")
        best = delay_power(c.curve.score, schedule(c.spacing, c.checkpoints), c.noise, c.trials)
        assert target.low == pytest.approx(0.8 * best, abs=0.006), c.name


def test_what_is_said_of_a_log_is_what_the_report_says():
    sharp = series(np.random.default_rng(3), "r", "score", CURVES["sharp"].score, EVEN, 500, NoiseSpec(sd=0.1))
    found = said(cube_of(sharp), "score", Settings(metrics=("score",), boot=99))
    at = truth(CURVES["sharp"], EVEN / EVEN[-1]).takeoff
    assert found["late"] == found["reported"] == 1 and found["low"] <= at <= found["high"] and found["p"] <= 0.05
    flat = series(np.random.default_rng(3), "r", "score", CURVES["flat"].score, EVEN, 125, NoiseSpec(rho=0.0, sd=0.1))
    found = said(cube_of(flat), "score", Settings(metrics=("score",), boot=99))
    assert found["late"] == found["reported"] == 0 and np.isnan(found["x"])


@pytest.fixture
def fake(monkeypatch):
    """Every block is answered at once, its takeoff given in every other series; the calls are listed."""
    calls = []

    def simulate(c, block, options):
        calls.append((c.name, block.first))
        n = np.arange(block.n, dtype=float)
        none = np.full(block.n, -0.5)
        return {"p": n, "late": 0 * n, "reported": n % 2, "x": none, "low": none - 1, "high": none + 0.5}, 0.1

    monkeypatch.setattr(run, "simulate", simulate)
    return calls


def test_the_benchmark_is_made_in_parts(tmp_path, fake, capsys):
    words = ["--series", "40", "--out", str(tmp_path / "p.jsonl"), "--table", str(tmp_path / "p.json")]
    assert benchmark.main([*words, "--cells", "dip/*"]) == 0
    del fake[:]
    assert benchmark.main([*words, "--cells", "falls/abrupt-fall"]) == 0
    assert {name for name, _ in fake} == {"pathology/falls/abrupt-fall"}, "finished cells are not simulated again"
    cells = json.loads((tmp_path / "p.json").read_text())["cells"]
    assert {c["cell"].split("/")[1] for c in cells} == {"falls", "dip"} and {c["replicates"] for c in cells} == {40}
    assert "| falls/abrupt-fall | 40 | .000±" in (tmp_path / "p.md").read_text()
    assert "missed: reported" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        benchmark.main([*words, "--cells", "fals/*"])
    assert "no cell has that name" in capsys.readouterr().err


def test_a_change_of_the_noise_changes_the_digest_of_a_cell():
    c = logs.cell("noise/flat/calming")
    assert c.digest != replace(c, noise=replace(c.noise, calm=0.1)).digest != replace(c, noise=NoiseSpec()).digest


@pytest.mark.simulation
def test_a_clean_saturating_series_stays_undelayed():
    found = logs.figures("dip/back", 4, boot=49)
    assert set(found) >= {"late", "reported", "coverage"} and found["late"].n == 4
