"""Cubes joined and edited: what is kept, renamed, added and left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import calque
from calque.data.cube import read, read_groups
from calque.data.cube.editing import distinct_names
from calque.data.cube.file import write
from calque.data.cube.variables import CHECKPOINT_FLAGS
from calque.data.errors import UserError
from calque.phases.cli import app


def cube(run: str = "base", n: int = 4, first: float = 1e6, **more: object) -> xr.Dataset:
    tokens = first * np.arange(1, n + 1)
    data = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), tokens[None]),
            "acc": (("run", "checkpoint"), np.linspace(0.1, 0.8, n)[None]),
        },
        coords={"run": [run]},
        attrs=dict(more),
    )
    data["acc"].attrs = {"metric_kind": "continuous"}
    return data


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    paths = []
    for i, folder in enumerate(("seed0", "seed1")):
        (tmp_path / folder).mkdir()
        data = cube(n=4 + i, study="s", title=folder)
        timing = xr.Dataset({"seconds": (("run", "checkpoint"), np.arange(4.0 + i)[None] + 10 * i)})
        write(data, tmp_path / folder / "results.nc", {"timing": timing})
        paths.append(tmp_path / folder / "results.nc")
    return paths


def test_two_runs_of_one_name_are_joined_by_their_folders(two: list[Path]) -> None:
    with pytest.raises(UserError, match="run 'base' is in .*; expected every run once: use `names_from_files`"):
        calque.edit(two)
    done = calque.edit(two, names_from_files=True)
    assert list(done.cube["run"].values) == ["seed0", "seed1"]
    assert any("title" in note for note in done.notes) and done.cube.attrs["study"] == "s"
    seconds = done.groups["timing"]["seconds"].sel(run="seed1").values
    assert seconds.tolist() == [10, 11, 12, 13, 14]
    assert np.isnan(done.groups["timing"]["seconds"].sel(run="seed0").values[-1])


def test_groups_are_written_and_read_again(two: list[Path], tmp_path: Path) -> None:
    done = calque.edit(two, names_from_files=True, rename={"seed1": "second"})
    calque.write(done, tmp_path / "x.nc")
    assert list(read(tmp_path / "x.nc")["run"].values) == ["seed0", "second"]
    timing = read_groups(tmp_path / "x.nc")["timing"]
    assert timing["seconds"].sizes == {"run": 2, "checkpoint": 5}
    calque.write(tmp_path / "x.nc", tmp_path / "again.nc")
    xr.testing.assert_identical(read_groups(tmp_path / "again.nc")["timing"], timing)


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ({"rename": "nobody=x"}, "`rename` names run 'nobody'; the cube has seed0, seed1"),
        ({"rename": "seed0=seed1"}, "two runs the name 'seed1'"),
        ({"rename": "seed0="}, "expected NAME=VALUE"),
        ({"rename": ["seed0=a", "seed0=b"]}, "names 'seed0' twice"),
        ({"run": "seed2"}, "`run` is 'seed2'; the cube has seed0, seed1; did you mean"),
        ({"coord": "tokens=3"}, "`coord` is 'tokens'"),
        ({"coord": {"seed": {"seed0": 1}}}, "coordinate seed has no value for run 'seed1'"),
        ({"drop": "outliers"}, "`drop` is 'outliers'; expected one of .*did you mean 'outlier'"),
    ],
)
def test_what_cannot_be_done_is_refused(two: list[Path], given: dict[str, object], means: str) -> None:
    with pytest.raises(UserError, match=means) as error:
        calque.edit(two, names_from_files=True, **given)  # type: ignore[arg-type]
    assert len(str(error.value)) <= 300


def test_coordinates_come_by_value_by_run_and_from_a_table(two: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("run,size,seed\nseed0,70m,0\nseed1,1.4b,1\nother,1b,2\n")
    done = calque.edit(two, names_from_files=True, coord="mix=uniform", coords=table)
    assert list(done.cube["size"].values) == ["70m", "1.4b"] and done.cube["seed"].dtype.kind == "i"
    assert set(done.cube["mix"].values) == {"uniform"}
    assert any("other" in note for note in done.notes)
    frame = pd.DataFrame({"run": ["seed0", "seed1"], "lr": ["1e-3", "3e-4"]})
    assert calque.edit(two, names_from_files=True, coords=frame).cube["lr"].values.tolist() == [1e-3, 3e-4]
    with pytest.raises(UserError, match="'mix' is in `coord` and in `coords`; expected one"):
        table.write_text("run,mix\nseed0,a\nseed1,b\n")
        calque.edit(two, names_from_files=True, coord="mix=uniform", coords=table)


def test_coordinates_come_from_names_by_a_pattern(two: list[Path]) -> None:
    done = calque.edit(
        two, names_from_files=True, rename=["seed0=70m-s0", "seed1=1.4b-s1"], run_pattern="{size}-s{seed}"
    )
    assert list(done.cube["size"].values) == ["70m", "1.4b"] and list(done.cube["seed"].values) == [0, 1]
    assert list(done.cube["n_params"].values) == [70e6, 1.4e9] and any("n_params" in note for note in done.notes)
    with pytest.raises(UserError, match="'seed' is in `coord` and in `run_pattern`"):
        calque.edit(two, names_from_files=True, coord="seed=1", run_pattern="seed{seed}")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("run,size\nseed0,70m,0\nseed1,1b\n", "row 2 has 3 fields; expected 2"),
        ("run,size\nseed0,70m\nseed0,1b\n", "names run 'seed0' twice"),
        ("name,size\nseed0,70m\n", "columns name, size; expected run"),
        ("run,size,size\nseed0,70m,1b\n", "every one once"),
        ("", "is empty"),
        ("run,seed\nseed0,1\n", "no value for run 'seed1'"),
    ],
)
def test_a_bad_table_of_coordinates_is_refused(two: list[Path], tmp_path: Path, text: str, means: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=means):
        calque.edit(two, names_from_files=True, coords=tmp_path / "t.csv")


def test_flagged_checkpoints_are_left_out_run_by_run() -> None:
    a, b = cube("a"), cube("b")
    a["checkpoint_flags"] = (("run", "checkpoint"), np.array([[0, 1, 0, 2]], np.int8))
    b["checkpoint_flags"] = (("run", "checkpoint"), np.array([[0, 0, 0, 3]], np.int8))
    for one in (a, b):
        one["revision"] = (("run", "checkpoint"), np.array([[f"step{i}" for i in range(4)]], object))
        one["step"] = (("run", "checkpoint"), np.arange(4)[None])
    done = calque.edit([a, b], drop=["duplicate_weights"])
    assert done.cube["tokens"].sel(run="a").values.tolist() == [1e6, 3e6, 4e6]
    assert done.cube["tokens"].sel(run="b").values.tolist() == [1e6, 2e6, 3e6]
    both = calque.edit([a, b], drop=["duplicate_weights", "outlier"]).cube
    assert both["step"].sel(run="a").values[:2].tolist() == [0, 2] and np.isnan(both["step"].sel(run="a").values[2])
    assert both["revision"].sel(run="a").values.tolist() == ["step0", "step2", ""]
    assert both["checkpoint_flags"].values.max() == 0
    assert "2 checkpoints left out, flagged duplicate_weights: a 1, b 1" in done.notes
    a["checkpoint_flags"][:] = 1
    with pytest.raises(UserError, match="`drop` leaves no checkpoint of run 'a'"):
        calque.edit([a, b], drop="duplicate_weights")


def test_a_run_kept_alone_has_no_empty_checkpoints(two: list[Path]) -> None:
    done = calque.edit(two, names_from_files=True, run="seed0")
    assert done.cube.sizes["checkpoint"] == 4 == done.groups["timing"].sizes["checkpoint"]


def test_an_edited_cube_is_analysed_and_drawn(two: list[Path]) -> None:
    done = calque.edit(two, names_from_files=True, coord="mix=uniform")
    assert "uniform" in done.summary() and list(done.to_dataframe()["run"]) == ["seed0", "seed1"]
    axes = done.plot()
    assert len(axes.get_lines()) >= 2
    axes.figure.clear()


def test_the_command_writes_what_the_function_gives(two: list[Path], tmp_path: Path) -> None:
    words = ["edit", *map(str, two), "-o", str(tmp_path / "e.nc"), "--names-from-files", "--rename", "seed0=first"]
    words += ["--coord", "mix=uniform", "--json", "-"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert [row["run"] for row in answer["runs"]] == ["first", "seed1"] and answer["cube"].endswith("e.nc")
    assert list(read(tmp_path / "e.nc")["mix"].values) == ["uniform", "uniform"]


def test_help_names_every_flag() -> None:
    shown = " ".join(CliRunner().invoke(app, ["edit", "--help"], env={"COLUMNS": "300"}).output.split())
    assert f"with this flag: {', '.join(CHECKPOINT_FLAGS)}; repeatable." in shown


def test_names_of_paths_are_where_they_differ() -> None:
    assert distinct_names([Path("a/results.nc"), Path("b/results.nc")]) == ["a", "b"]
    assert distinct_names([Path("x/a.nc"), Path("x/b.nc")]) == ["a", "b"]
    assert distinct_names([Path("x/1/r.nc"), Path("y/1/r.nc")]) == ["x", "y"]
    assert distinct_names([Path("x/1/r.nc"), Path("y/1/s.nc")]) == ["r", "s"]
    with pytest.raises(UserError, match="twice"):
        distinct_names([Path("a.nc"), Path("a.nc")])


@pytest.mark.parametrize("indexed", [False, True])
def test_flags_are_dropped_from_cubes_as_scoring_writes_them(indexed: bool) -> None:
    data = cube(n=6)
    data["checkpoint_flags"] = (("run", "checkpoint"), np.array([[0, 1, 0, 8, 0, 0]], np.int8))
    data = data.assign_coords(weight_files=(("run", "checkpoint"), np.array([list("abcdef")], object)))
    if indexed:
        data = data.assign_coords(checkpoint=np.arange(6))
    done = calque.edit(data, drop=["duplicate_weights", "shared_file"]).cube
    assert done["tokens"].values.tolist() == [[1e6, 3e6, 5e6, 6e6]]
    assert done["weight_files"].values.tolist() == [list("acef")] and "weight_files" in done.coords


@pytest.mark.parametrize("name", ["bad name!", "a/b", "", "1st", "x" * 80, "\x1b[31m"])
def test_a_name_that_no_coordinate_can_have_is_refused(two: list[Path], name: str) -> None:
    with pytest.raises(UserError, match="no coordinate of runs can be called|expected NAME=VALUE") as error:
        calque.edit(two, names_from_files=True, coord=f"{name}=5")
    assert str(error.value).isprintable()


def test_a_new_size_says_that_numbers_of_parameters_stay(two: list[Path]) -> None:
    old = calque.edit(two, names_from_files=True, coord=["size=70m", "n_params_non_embedding=18915328"])
    new = calque.edit(old, coord="size=1b")
    assert any("size is new" in note and "n_params_non_embedding" in note for note in new.notes)
    assert "18915328" in new.summary()
