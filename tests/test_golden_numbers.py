"""Detection, pooling and forecasts of a kept cube give the numbers that were kept with it.

The cube is ``scaling simulate truth.yaml`` of this folder; the JSON was written by the commands below, by the code
of commit b9f9012, on the processor that ``processor.json`` names; the intervals of means over two runs, which are no
longer given, were taken out. On such a processor numbers are equal to 1e-9. On
another, sums differ in their last bits; a random walk then takes other steps, and what is drawn is another sample:
there, places must agree within their intervals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import pytest
import threadpoolctl
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


WORDS = ("reason", "sentences", "cube", "notes")
"""Values that are sentences; what they say is tested elsewhere."""
ROWS = {"detect": "transitions", "pool": "pooled", "forecast": "rows"}


def processor() -> dict[str, Any]:
    """Return what decides the order of sums: the kernels of the linear algebra, and what compiled code is made for."""
    kernels = {str(info.get("architecture")) for info in threadpoolctl.threadpool_info()}
    return {"kernels": sorted(kernels), "compiled_for": llvmlite.binding.get_host_cpu_name()}


def same(found: Any, known: Any, place: str) -> None:
    """Compare JSON values; say where they differ."""
    if isinstance(known, dict):
        assert set(known) <= set(found), place
        for key in set(known) - set(WORDS):
            same(found[key], known[key], f"{place}/{key}")
    elif isinstance(known, list):
        assert len(found) == len(known), place
        for i, (one, other) in enumerate(zip(found, known, strict=True)):
            same(one, other, f"{place}[{i}]")
    elif isinstance(known, float):
        assert found == pytest.approx(known, rel=1e-9, abs=1e-12), place
    else:
        assert found == known, place


def alike(found: list[dict[str, Any]], known: list[dict[str, Any]]) -> None:
    """Compare rows as two samples of the same: nearly all outcomes agree, and places lie in the intervals known."""

    def named(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in ("run", "group", "metric", "estimand", "question", "law"))

    ours, theirs = ({named(row): row for row in rows} for rows in (found, known))
    both = set(ours) & set(theirs)
    assert len(both) >= 0.95 * max(len(ours), len(theirs))
    assert sum(ours[k].get("outcome") == theirs[k].get("outcome") for k in both) >= 0.9 * len(both)
    placed = [
        (math.log(ours[k]["tokens"]), *(math.log(theirs[k][end]) for end in ("low", "high")))
        for k in both if ours[k].get("tokens") and theirs[k].get("low") and theirs[k].get("high")
    ]  # fmt: skip
    assert sum(low - 1e-9 <= at <= high + 1e-9 for at, low, high in placed) >= 0.9 * len(placed)


@pytest.mark.parametrize("name", CALLS)
def test_numbers_are_as_before(name: str) -> None:
    found = json.loads(CALLS[name](FOLDER / "study.nc").to_json())
    known = json.loads((FOLDER / f"{name}.json").read_text())
    alike(found[ROWS[name]], known[ROWS[name]])
    if processor() == json.loads((FOLDER / "processor.json").read_text()):
        same(found, known, name)


def test_the_kept_cube_is_what_its_truth_gives() -> None:
    made = calque.simulate(FOLDER / "truth.yaml").cube
    kept = calque.read(FOLDER / "study.nc")
    for name in kept.data_vars:
        xr.testing.assert_allclose(made[name].variable, kept[name].variable, rtol=1e-6)
