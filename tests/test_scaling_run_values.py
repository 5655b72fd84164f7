"""Cubes that lack coordinates, hold them as variables or without the dimension run: an answer or one plain error."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from calque.data.cube import validate
from calque.data.errors import UserError
from calque.phases.results import Outcome, Transition
from calque.scaling.ladder import select, with_sizes
from calque.scaling.loss.points import cube_points
from calque.scaling.mixes.by_language import observe_languages
from calque.scaling.observations import observe
from calque.scaling.power.design import of_cube

SIZE = "n_params_non_embedding"


@pytest.fixture
def cube() -> xr.Dataset:
    return xr.Dataset(
        {"tokens": (("run", "checkpoint"), np.tile([1e9, 2e9], (5, 1)))},
        coords={
            "run": list("abcde"),
            "mix": ("run", ["uniform"] * 3 + ["skewed"] * 2),
            "seed": ("run", [0, 1, 2, 0, 0]),
            SIZE: ("run", [1e7, 1e7, 1e7, 1e7, 2e7]),
        },
    )


def takeoffs(group: str = "") -> list[Transition]:
    numbers: dict[str, Any] = {"tokens": 2e9, "low": 1e9, "high": 3e9, "level": 0.95, "n_checkpoints": 2}
    return [
        Transition(
            run=run, group=group, metric="translation", estimand="takeoff", outcome=Outcome.FOUND, reason="", **numbers
        )
        for run in "abcde"
    ]


def test_mixes_without_sizes_are_not_pooled_and_the_error_says_what_is_missing(cube: xr.Dataset) -> None:
    kept, note = select(cube.drop_vars(SIZE))
    assert list(kept["run"].values) == ["a", "b", "c"] and note is not None and "mix uniform" in note
    with pytest.raises(UserError, match=f"no run coordinate '{SIZE}'; state .* with `params` RUN=COUNT"):
        observe(kept, takeoffs(), "translation")


def test_data_variables_count_as_coordinates(cube: xr.Dataset) -> None:
    for names in ([SIZE], ["mix"], [SIZE, "mix"]):
        assert list(select(cube.reset_coords(names))[0]["run"].values) == ["d", "e"]
    assert select(cube.reset_coords("mix"), ["mix=uniform"])[0].sizes["run"] == 3


def test_unknown_sizes_are_no_sizes(cube: xr.Dataset) -> None:
    unknown = cube.assign_coords({SIZE: ("run", [np.nan] * 3 + [1e7, 2e7])})
    assert list(select(unknown)[0]["run"].values) == ["d", "e"]
    design = of_cube(unknown)
    assert design.n == 2e7 and design.seeds == 1
    assert of_cube(cube.assign_coords({SIZE: ("run", [np.nan] * 5)})).n is None


def test_a_lone_run_may_hold_its_coordinates_without_the_dimension_run(cube: xr.Dataset) -> None:
    lone = validate(cube.isel(run=0))
    assert lone[SIZE].dims == ()
    assert [(o.run, o.n, o.mix) for o in observe(lone, takeoffs(), "translation")] == [("a", 1e7, "uniform")]
    assert observe_languages(lone, takeoffs("target=de"), "translation")[0].language == "de"
    assert select(lone, ["mix=uniform"])[0].sizes["run"] == 1
    assert with_sizes(lone, ["a=5m"])[SIZE].values.tolist() == [5e6]
    assert of_cube(lone).n == 1e7
    assert cube_points(validate(cube.isel(run=0).assign(loss=("checkpoint", [3.0, 2.0])))).n.tolist() == [1e7]


@pytest.mark.parametrize("name", ["mix", "seed", "size"])
def test_other_coordinates_may_be_missing(cube: xr.Dataset, name: str) -> None:
    bare = cube.drop_vars(name, errors="ignore")
    assert {o.kind for o in observe(bare, takeoffs(), "translation")} == {"located"}
    assert select(bare.assign_coords(corpus=("run", list("xxyyy"))), ["corpus=y"])[0].sizes["run"] == (
        3 if name == "mix" else 2
    )
    assert of_cube(bare).n == 2e7


def test_sizes_of_another_type_or_shape_are_named(cube: xr.Dataset) -> None:
    with pytest.raises(UserError, match=f"'{SIZE}' has type .*; expected numbers"):
        observe(cube.assign_coords({SIZE: ("run", list("vwxyz"))}), takeoffs(), "translation")
    wrong = cube.drop_vars(SIZE).assign({SIZE: (("run", "checkpoint"), np.ones((5, 2)))})
    with pytest.raises(UserError, match=r"has dimensions \(run, checkpoint\); expected one value for each run"):
        select(wrong)
