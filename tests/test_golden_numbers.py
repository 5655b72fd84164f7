"""Detection, pooling and forecasts of a kept cube give the numbers they gave before the folders were moved.

The cube is ``scaling simulate truth.yaml`` of this folder; the JSON was written by the commands named below, with the
modules still at top level (commit 9675860). Words are equal; numbers to 1e-9, for processors differ in the last bits
(on one machine they are equal to the bit).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import calque

FOLDER = Path(__file__).parent / "golden" / "numbers"
pytestmark = pytest.mark.golden
CALLS: dict[str, Callable[[Path], Any]] = {
    # phases detect study.nc --boot 99 --json detect.json
    "detect": lambda cube: calque.detect(cube, boot=99),
    # phases pool study.nc --boot 19 --over language --json pool.json
    "pool": lambda cube: calque.pool(cube, boot=19, over="language"),
    # scaling forecast study.nc --size 1.7b --boot 99 --json forecast.json
    "forecast": lambda cube: calque.forecast(cube, size="1.7b", boot=99),
}


def same(found: Any, known: Any, place: str) -> None:
    """Compare JSON values; say where they differ."""
    if isinstance(known, dict):
        assert list(found) == list(known), place
        for key in known:
            same(found[key], known[key], f"{place}/{key}")
    elif isinstance(known, list):
        assert len(found) == len(known), place
        for i, (one, other) in enumerate(zip(found, known, strict=True)):
            same(one, other, f"{place}[{i}]")
    elif isinstance(known, float):
        assert found == pytest.approx(known, rel=1e-9, abs=1e-12), place
    else:
        assert found == known, place


@pytest.mark.parametrize("name", CALLS)
def test_numbers_are_as_before(name: str) -> None:
    found = json.loads(CALLS[name](FOLDER / "study.nc").to_json())
    known = json.loads((FOLDER / f"{name}.json").read_text())
    same({**found, "cube": None}, {**known, "cube": None}, name)


def test_the_kept_cube_is_what_its_truth_gives() -> None:
    made = calque.simulate(FOLDER / "truth.yaml").cube
    kept = calque.read(FOLDER / "study.nc")
    for name in kept.data_vars:
        xr.testing.assert_allclose(made[name].variable, kept[name].variable, rtol=1e-6)
