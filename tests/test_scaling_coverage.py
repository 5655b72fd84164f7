"""Simulated ladders: how often the forecast's interval holds the run that was not yet there.

The long form is the table of docs/SCALING.md: ``scaling calibrate --studies 1000 --seed 7``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.scaling.cli import app
from calque.scaling.forecast.calibration import TRUTHS, LadderDesign, TrueLaw, coverage, draw
from calque.scaling.forecast.calibration_result import Coverage
from calque.scaling.forecast.forecast import forecast
from calque.scaling.laws.run_times import run_times

FLOOR, POWER = TRUTHS[0], TRUTHS[2]


def by_law(truth: TrueLaw, wrong: str, studies: int, seed_sd: float, seeds: int = 1) -> dict[str, Coverage]:
    design, laws = LadderDesign(seed_sd=seed_sd, seeds=seeds), (wrong, "average")
    rows = coverage(truth, design, laws=laws, studies=studies, seed=1)
    return {row.law: row for row in rows}


@pytest.mark.simulation
@pytest.mark.parametrize(("truth", "wrong"), [(FLOOR, "power"), (POWER, "floor")])
def test_the_average_holds_under_either_truth(truth: TrueLaw, wrong: str) -> None:
    found = by_law(truth, wrong, 40, 0.06)
    assert found["average"].coverage >= 0.775  # 31 of 40: below it with probability .014 at a true .90
    assert found["average"].rms < 0.16 and found["average"].width < 0.9
    assert found["average"].rms < found[wrong].rms


@pytest.mark.simulation
def test_the_wrong_law_does_not_hold() -> None:
    assert by_law(FLOOR, "power", 30, 0.04, seeds=3)["power"].coverage < 0.6


def test_what_is_simulated_is_what_is_forecast() -> None:
    design = LadderDesign(seed_sd=0.06)
    child = np.random.SeedSequence(7).spawn(1)[0]
    rng = np.random.default_rng(child)
    row = forecast(draw(FLOOR, design, rng), f"{design.target}", draws=40).rows[2]
    new = FLOOR.log_time(design.target) + design.seed_sd * rng.normal()
    one = coverage(FLOOR, design, studies=1)[0]
    assert row.law == "average" and row.tokens and row.low and row.high
    assert one.bias == pytest.approx(np.log(row.tokens) - FLOOR.log_time(design.target), abs=1e-6)
    assert one.width == pytest.approx(np.log(row.high / row.low), abs=1e-6)
    assert one.coverage == float(np.log(row.low) <= new <= np.log(row.high))


def test_a_drawn_study_has_the_spread_it_was_asked_for() -> None:
    design = LadderDesign(seeds=400, seed_sd=0.06, measurement_sd=0.08)
    data = run_times(draw(POWER, design, np.random.default_rng(0)))
    off = data.y - np.array([POWER.log_time(n) for n in data.n])
    assert np.std(off) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(data.se, 0.08)
    assert design.ladder()[-1] == pytest.approx(design.target / 3) and len(design.ladder()) == 5


def test_the_command_prints_and_writes_the_table(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    done = CliRunner().invoke(app, ["calibrate", "--studies", "10", "--seed-sd", "0.05", "--json", str(file)])
    assert done.exit_code == 0 and "steep power" in done.output
    report = json.loads(file.read_text())
    assert len(report["rows"]) == 12 and {row["law"] for row in report["rows"]} == {"power", "floor", "average"}
    assert all(0 <= row["coverage"] <= 1 and row["studies"] == 10 for row in report["rows"])


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize(("seed_sd", "most"), [(0.04, 0.09), (0.08, 0.18)])
@pytest.mark.parametrize("truth", [FLOOR, POWER])
def test_coverage_long(truth: TrueLaw, seed_sd: float, most: float) -> None:
    found = coverage(truth, LadderDesign(seed_sd=seed_sd), studies=1000)[0]
    assert 0.86 <= found.coverage <= 0.96
    assert found.rms <= most
