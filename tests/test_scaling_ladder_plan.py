"""Ladders under a budget: what they cost, that more money never hurts, and that the promised interval is met."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.scaling.cli import app
from calque.scaling.forecast.averaging import average
from calque.scaling.forecast.calibration import LadderDesign, TrueLaw, draw
from calque.scaling.laws.run_times import run_times
from calque.scaling.power.ladder_plan import DEVICES, Expected, forecast_sd, plan_ladder

TARGET = 1.132562432e9


def test_plans_keep_to_the_budget_and_add_up() -> None:
    found = plan_ladder(1600, "h200-hours", TARGET, mixes=2)
    law = Expected()
    for plan in found:
        assert plan.cost <= 1600
        by_hand = sum(6 * n * 2.0 * law.takeoff(n) for n in plan.sizes) * plan.seeds * 2
        assert plan.flops == pytest.approx(by_hand)
        assert plan.cost == pytest.approx(plan.flops / (989e12 * 0.4 * 3600))
        assert plan.shift is None or plan.seeds > 1
    assert [p.sd for p in found] == sorted(p.sd for p in found)
    assert all(a.cost > b.cost for a, b in zip(found, found[1:], strict=False))


def test_more_money_never_hurts_and_mixes_share_it() -> None:
    sds = [plan_ladder(b, "h200-hours", TARGET)[0].sd for b in (20, 100, 1600)]
    assert sds[0] > sds[1] >= sds[2]
    assert plan_ladder(150, "h200-hours", TARGET, mixes=4)[0].sd > plan_ladder(150, "h200-hours", TARGET)[0].sd
    half = plan_ladder(50, "h200-hours", TARGET, attained=0.2)[0]
    assert half.flops <= 50 * DEVICES["h200-hours"].flops_an_hour / 2


@pytest.mark.simulation
def test_the_expected_sd_is_that_of_forecasts() -> None:
    design, law = LadderDesign(seeds=3, seed_sd=0.06, measurement_sd=0.03), Expected()
    truth = TrueLaw(name="floor", t0=law.t0, c=law.c, gamma=law.gamma)
    said = forecast_sd(tuple(design.ladder()), 3, design.target, law)
    errors = []
    for child in np.random.SeedSequence(1).spawn(60):
        rng = np.random.default_rng(child)
        data = run_times(draw(truth, design, rng))
        new = truth.log_time(design.target) + 0.06 * rng.normal()
        errors.append(average(data, max(design.ladder()), 1.0).moments(design.target)[0] - new)
    seen = math.sqrt(np.mean(np.square(errors)))
    assert seen == pytest.approx(said, rel=0.3)  # 60 studies: standard error 9 %, and the prior pulls


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UserError, match="no ladder of four sizes fits 0.001 h200-hours; the smallest takes"):
        plan_ladder(0.001, "h200-hours", TARGET)
    with pytest.raises(UserError, match="did you mean 'h200-hours'"):
        plan_ladder(1, "h20-hours", TARGET)
    with pytest.raises(UserError, match="`attained` is 40"):
        plan_ladder(1, "h200-hours", TARGET, attained=40)
    with pytest.raises(UserError, match="`margin` is 1; expected more than 1"):
        plan_ladder(1, "flops", TARGET, margin=1.0)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    done = CliRunner().invoke(
        app, ["plan", "--budget", "1600", "--unit", "h200-hours", "--mixes", "2", "--json", str(file)]
    )
    assert done.exit_code == 0 and "Sharpest:" in done.output
    assert json.loads(file.read_text())["plans"][0]["mixes"] == 2
