"""The sweep of learning rates: its measures on curves of known shape, and its table as committed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.learning_rate import grid
from tests.benchmarks.learning_rate_curves import BASE, RATES, Run, best, curves, markdown, shoulder

BENCHMARKS = Path(__file__).parent.parent / "docs" / "benchmarks"
RATE = np.array(RATES)


def parabola(centre: float, curvature: float = 0.1) -> np.ndarray:
    return 1 + curvature * (np.log2(RATE) - np.log2(centre)) ** 2


@pytest.mark.parametrize("centre", [4e-3, 1e-2, 1.7e-2])
def test_the_lowest_point_of_a_parabola_is_found(centre: float) -> None:
    place, within = best(RATE, parabola(centre))
    assert within
    assert 2**place == pytest.approx(centre)


def test_a_lowest_point_at_the_end_of_the_grid_is_said_to_be_there() -> None:
    assert best(RATE, parabola(1e-4)) == (math.log2(RATE[0]), False)
    assert best(RATE, parabola(1.0)) == (math.log2(RATE[-1]), False)


def test_the_shoulder_moves_with_the_curve_and_may_lie_off_the_grid() -> None:
    a, b = shoulder(RATE, parabola(1e-2)), shoulder(RATE, parabola(2e-2))
    assert b - a == pytest.approx(1)
    assert a < math.log2(1e-2)
    assert math.isnan(shoulder(RATE, parabola(1e-2, curvature=0.001)))


def test_the_grid_has_each_run_once_and_the_base_under_one_parametrisation() -> None:
    runs = list(grid([32, 64], [6], 2))
    assert len({run.place for run in runs}) == len(runs) == 2 * len(RATES) * (2 + 1 + 2)
    assert {run.parametrisation for run in runs if (run.width, run.layers) == BASE} == {"completep"}


def test_the_committed_table_is_that_of_the_committed_runs() -> None:
    runs = [Run(**row) for row in json.loads((BENCHMARKS / "learning_rate.json").read_text())["runs"]]
    assert markdown(curves(runs)) == (BENCHMARKS / "learning_rate.md").read_text(encoding="utf-8")
