"""Growth told from noise that lasts as long as the run by all seeds of a condition, and what counts as its seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.phases.calibration.curves import CURVES
from calque.phases.calibration.draws import NoiseSpec, schedule, series
from calque.phases.detection.detect import detect
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import DetectionReport, Outcome
from calque.phases.sensitivity.varied import sensitivity
from calque.phases.series.axis import Axis
from calque.phases.series.conditions import replicated
from calque.phases.settings import Settings
from calque.phases.stats.replicates import needed

COPYING = Path(__file__).parents[1] / "docs" / "findings" / "copying.nc"
ASKED = Settings(metrics=("translation",), boot=49)
WANDERING = NoiseSpec(rho=0.98, sd=0.4)
SEEDS = "by the 4 seeds of the condition together"


@pytest.fixture(scope="module")
def base() -> xr.Dataset:
    """Four seeds of one arm of the copying study, each with a score that ends between .20 and .35."""
    with xr.open_dataset(COPYING) as cube:
        return cube.sel(run=["base-s1", "base-s2", "base-s3", "base-s5"]).load()


@pytest.fixture(scope="module")
def together(base: xr.Dataset) -> DetectionReport:
    return detect(base, ASKED)


def takeoffs(report: DetectionReport) -> dict[str, tuple[Outcome, float | None]]:
    return {row.run: (row.outcome, row.tokens) for row in report.transitions if row.estimand == "takeoff"}


def test_runs_that_are_refused_one_by_one_have_takeoffs_beside_their_seeds(
    base: xr.Dataset, together: DetectionReport
) -> None:
    alone = takeoffs(detect(base.isel(run=[2]), ASKED))
    assert alone == {"base-s3": (Outcome.NOISE_TOO_PERSISTENT, None)}
    found = takeoffs(together)
    assert len(found) == 4 and all(tokens is not None and 5e5 < tokens < 1.6e6 for _, tokens in found.values())
    reasons = {row.run: row.reason for row in together.transitions if row.estimand == "takeoff"}
    assert {run for run, reason in reasons.items() if SEEDS in reason} == {"base-s2", "base-s3"}
    told = {row.run: row.told_by for row in together.transitions if row.estimand == "delay"}
    assert told == {"base-s1": 0, "base-s2": 4, "base-s3": 4, "base-s5": 0}
    (note,) = [note for note in together.notes if "as long as the run" in note]
    assert "runs base-s2, base-s3" in note and "4 seeds" in note


def test_a_run_that_stands_by_itself_does_not_depend_on_the_others(base: xr.Dataset, together: DetectionReport) -> None:
    alone = detect(base.isel(run=[0]), ASKED)
    assert takeoffs(alone)["base-s1"] == takeoffs(together)["base-s1"]


def test_variations_of_a_series_that_seeds_tell_begin_from_its_answer(
    base: xr.Dataset, together: DetectionReport
) -> None:
    answers, _ = sensitivity(base.isel(run=[2]), ASKED, found=together.transitions)
    assert answers[0].tokens is not None and answers[0].outcome != Outcome.NOISE_TOO_PERSISTENT
    alone, _ = sensitivity(base.isel(run=[2]), ASKED)
    assert alone[0].outcome == Outcome.NOISE_TOO_PERSISTENT


def test_runs_of_other_conditions_tell_nothing(base: xr.Dataset) -> None:
    other = base.assign_coords(mix=("run", [f"mix{i}" for i in range(4)]))
    found = takeoffs(detect(other.isel(run=[2, 3]), ASKED))
    assert found["base-s3"] == (Outcome.NOISE_TOO_PERSISTENT, None)


def test_what_refuses_one_wandering_run_refuses_six() -> None:
    """Linear growth under noise that lasts as long as the run: 3 conditions of 6 seeds."""
    tokens = schedule("uniform", 60)
    dictionary = Dictionary(Axis.of(tokens))
    fits = [
        [dictionary.fit(series(rng, "run", "m", CURVES["linear"].score, tokens, 125, WANDERING)) for _ in range(6)]
        for rng in map(np.random.default_rng, range(3))
    ]
    assert sum(fit.shortfall > 0 for of in fits for fit in of) > 0
    told = [np.mean([fit.told for fit in of if fit.told is not None]) for of in fits]
    assert max(told) < needed(6), told


def test_more_runs_need_a_smaller_share_and_one_run_all_of_it() -> None:
    assert needed(1) == 1.0
    assert needed(2) > needed(3) > needed(6) > needed(1000) > 0.35


def described(**coordinates: Sequence[object]) -> xr.Dataset:
    n = len(next(iter(coordinates.values())))
    return xr.Dataset(
        coords={"run": [f"r{i}" for i in range(n)], **{name: ("run", list(v)) for name, v in coordinates.items()}}
    )


def config(loss: str, seed: int) -> str:
    return json.dumps(
        {"name": f"a-s{seed}", "init_seed": seed, "world": {"world_seed": seed}, "training": {"loss": loss}}
    )


@pytest.mark.parametrize(
    ("cube", "runs"),
    [
        (described(mix=["a", "a", "b", "b"], seed=[0, 1, 0, 1]), [("r0", "r1"), ("r2", "r3")]),
        (described(mix=["a", "a", "b"], seed=[0, 1, 0]), [("r0", "r1")]),
        (described(mix=["a", "a"], seed=[0, 0]), []),
        (described(mix=["a", "a"], seed=[0, np.nan]), []),
        (described(mix=["a", "a"]), []),
        (described(init_seed=[0, 0], data_seed=[0, 1]), [("r0", "r1")]),
        (described(init_seed=[0, 0], data_seed=[1, 1]), []),
        (described(seed=[0, 1], config_json=[config("all", 0), config("all", 1)]), [("r0", "r1")]),
        (described(seed=[0, 1], config_json=[config("all", 0), config("hapax", 1)]), []),
    ],
)
def test_replicates_differ_in_their_seeds_alone(cube: xr.Dataset, runs: list[tuple[str, ...]]) -> None:
    assert replicated(cube) == runs
