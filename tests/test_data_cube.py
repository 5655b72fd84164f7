"""The cube: round trips, the boundary's one-line errors, and joining runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.data import cube
from calque.data.cube.run_file import RunFile
from calque.data.errors import UserError


def run(name: str, languages: list[str], checkpoints: int, overlap: int = 0, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    n = len(languages)
    dims = ("run", "checkpoint")
    items = ("source", "target", "concept")
    return xr.Dataset(
        {
            "tokens": (dims, np.cumsum(rng.uniform(1, 9, (1, checkpoints)), 1)),
            "step": (dims, np.arange(1.0, checkpoints + 1)[None]),
            "loss": ((*dims, "language"), rng.normal(size=(1, checkpoints, n))),
            "translation_outcome": ((*dims, *items), rng.integers(-1, 4, (1, checkpoints, n, n, 3)).astype(np.int8)),
            "minimal_pair_total": ((*dims, "language"), np.full((1, checkpoints, n), 5.0)),
            "checkpoint_sha256": (dims, np.array([[f"{name}{i}" for i in range(checkpoints)]], object)),
            "overlap": (items, np.full((n, n, 3), overlap, np.int8)),
        },
        coords={
            "run": [name], "checkpoint": np.arange(checkpoints), "language": languages, "source": languages,
            "target": languages, "concept": ["dog", "cat", "ox"], "size": ("run", ["nano"]),
        },
    )  # fmt: skip


@pytest.mark.property
@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    languages=st.lists(st.sampled_from(["en", "de", "w1"]), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 99),
)
def test_round_trip_keeps_every_value_of_every_run(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], languages: list[str], seed: int
) -> None:
    path = tmp_path_factory.mktemp("cube") / "results.nc"
    runs = [run(f"r{i}", languages[: 1 + i % len(languages)], n, seed=seed + i) for i, n in enumerate(sizes)]
    joined = cube.concat(runs)
    cube.write(joined, path)
    back = cube.read(path)
    xr.testing.assert_equal(back, joined)
    assert back["translation_outcome"].dtype == np.int8
    for one in runs:
        name = one["run"].item()
        mine = back.sel(run=[name]).isel(checkpoint=slice(0, one.sizes["checkpoint"]))
        mine = mine.sel({d: one[d].values for d in ("language", "source", "target", "concept")})
        for variable in one.data_vars:
            np.testing.assert_array_equal(mine[variable].values, one[variable].values, str(variable))
        rest = back.sel(run=name).isel(checkpoint=slice(one.sizes["checkpoint"], None))
        assert np.isnan(rest["tokens"]).all()
        assert (rest["translation_outcome"] == cube.NOT_ASKED).all()
        assert np.isnan(rest["minimal_pair_total"]).all(), "missing is NaN, never 0"


def test_runs_in_any_order_give_the_same_numbers() -> None:
    a, b = run("a", ["en", "de"], 3), run("b", ["de", "fi"], 5, seed=1)
    xr.testing.assert_equal(cube.concat([a, b]), cube.concat([b, a]).sel(run=["a", "b"]))


def test_strings_of_runs_that_were_read_are_not_cut_to_the_first_ones_length(tmp_path: Path) -> None:
    read = []
    for name, mix in (("a", "uniform"), ("longer", "drop:ko+romanised")):
        one = run(name, ["en"], 2).assign_coords(mix=("run", [mix]), phenomenon=[f"phenomenon of {name}"])
        cube.write(one, tmp_path / f"{name}.nc")
        read.append(cube.read(tmp_path / f"{name}.nc"))
    cube.write(cube.concat(read), tmp_path / "results.nc")
    back = cube.read(tmp_path / "results.nc")
    assert back["mix"].values.tolist() == ["uniform", "drop:ko+romanised"]
    assert back["run"].values.tolist() == ["a", "longer"]
    assert sorted(back["phenomenon"].values.tolist()) == ["phenomenon of a", "phenomenon of longer"]
    assert back["checkpoint_sha256"].values.tolist() == [["a0", "a1"], ["longer0", "longer1"]]


def test_what_is_asked_gets_a_run_dimension_only_when_runs_differ() -> None:
    same = cube.concat([run("a", ["en"], 2), run("b", ["en", "de"], 2)])
    assert same["overlap"].dims == ("source", "target", "concept")
    differ = cube.concat([run("a", ["en"], 2), run("b", ["en"], 2, overlap=1)])
    assert differ["overlap"].dims == ("run", "source", "target", "concept")
    assert differ["overlap"].sel(run="b").values.ravel().tolist() == [1, 1, 1]


def test_other_tools_read_it(tmp_path: Path) -> None:
    path = tmp_path / "results.nc"
    cube.write(run("a", ["en", "de"], 2), path)
    import netCDF4

    with netCDF4.Dataset(path) as file:
        outcome = file["translation_outcome"]
        assert outcome.flag_meanings == "not_asked wrong translated copied other_language"
        assert list(outcome.flag_values) == [-1, 0, 1, 2, 3]
        assert file["tokens"].units == "tokens"
        assert file.calque_schema == 1
        assert file["minimal_pair_total"].dtype == np.int32
    if shutil.which("ncdump"):
        assert "flag_meanings" in subprocess.run(["ncdump", "-h", path], capture_output=True, text=True).stdout


def broken(change: str) -> xr.Dataset:
    whole = run("a", ["en"], 5)
    tokens = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
    match change:
        case "no tokens":
            return whole.drop_vars("tokens")
        case "nan":
            tokens[0, 2] = np.nan
        case "decreasing":
            tokens[0, 3] = 2.5
        case "equal":
            tokens[0, 3] = 3.0
        case "negative":
            tokens[0, 0] = -1
        case "all nan":
            tokens[:] = np.nan
        case "kind":
            return whole.assign(score=whole["loss"].assign_attrs(metric_kind="proportions"))
        case "schema":
            return whole.assign_attrs(calque_schema=2)
    return whole.assign(tokens=(("run", "checkpoint"), tokens))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("no tokens", ["no variable 'tokens'", "rename"]),
        ("nan", ["run 'a'", "NaN at checkpoint 2", "expected"]),
        ("decreasing", ["from 3 to 2.5 at checkpoint 3", "strictly increasing"]),
        ("equal", ["from 3 to 3 at checkpoint 3"]),
        ("negative", ["starts at -1"]),
        ("all nan", ["no tokens at all"]),
        ("kind", ["metric_kind 'proportions'", "did you mean 'proportion'"]),
        ("schema", ["calque_schema 2"]),
    ],
)
def test_bad_cubes_get_one_line(tmp_path: Path, change: str, parts: list[str]) -> None:
    path = tmp_path / "bad.nc"
    broken(change).to_netcdf(path)
    with pytest.raises(UserError) as caught:
        cube.read(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in [str(path), *parts]:
        assert part in message


@pytest.mark.parametrize("keep", [0, 10, 5000, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "results.nc"
    cube.write(run("a", ["en", "de"], 40), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(UserError, match="cannot be read as netCDF"):
        cube.read(path)


def test_missing_files_and_folders_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing"):
        cube.read(tmp_path / "none.nc")
    with pytest.raises(UserError, match="is a folder"):
        cube.read(tmp_path)
    with pytest.raises(UserError, match="occurs twice"):
        cube.concat([run("a", ["en"], 2), run("a", ["en"], 2)])


def test_a_lone_series_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "lone.nc"
    xr.Dataset({"tokens": ("checkpoint", [1.0, 2.0]), "acc": ("checkpoint", [0.1, 0.2])}).to_netcdf(path)
    assert cube.read(path).sizes == {"run": 1, "checkpoint": 2}


def rows(n: int) -> dict[int, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return {s: {"tokens": np.float64(s * 10), "acc": rng.normal(size=2)} for s in range(1, n + 1)}


def run_file(path: Path, run_id: str = "x") -> RunFile:
    static = xr.Dataset(coords={"run": ["a"], "language": ["en", "de"]}, attrs={"run_id": run_id})
    return RunFile(path, static, {"tokens": (), "acc": ("language",)})


def test_rows_are_idempotent_by_step_over_restarts(tmp_path: Path) -> None:
    once, twice = tmp_path / "once.nc", tmp_path / "twice.nc"
    for step, row in rows(6).items():
        run_file(once).put(step, row, {"seconds": 1.0})
    for step in (1, 2, 3, 4, 3, 4, 5, 6, 2):
        run_file(twice).put(step, rows(6)[step], {"seconds": 2.0})
    xr.testing.assert_equal(cube.read(once), cube.read(twice))
    assert cube.read(twice)["step"].values.tolist() == [[1, 2, 3, 4, 5, 6]]
    assert cube.read(once, "timing")["seconds"].values.tolist() == [[1.0] * 6]


def test_a_run_file_of_another_run_is_refused(tmp_path: Path) -> None:
    run_file(tmp_path / "run.nc").put(1, rows(1)[1])
    with pytest.raises(UserError, match="belongs to run x, not y"):
        run_file(tmp_path / "run.nc", "y")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.nc"
    file = run_file(path)
    file.put(1, rows(1)[1])
    before = path.read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(UserError, match="cannot write .*run.nc: No space left on device; free some space"):
        file.put(2, rows(2)[2])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.nc"]


def test_attributes_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    cube.write(run("a", ["en"], 2).assign_attrs(study_yaml="study: ü\n", extra=json.dumps({"a": 1})), path)
    assert cube.read(path).attrs["study_yaml"] == "study: ü\n"


def test_checking_a_dataset_leaves_it_as_it_was() -> None:
    tokens = xr.DataArray([1.0, 2.0], dims="checkpoint")
    given = xr.Dataset({"tokens": tokens, "score": (("run", "checkpoint"), [[0.1, 0.2]])}, coords={"run": ["a"]})
    assert cube.validate(given)["tokens"].dims == ("run", "checkpoint")
    assert given["tokens"].dims == ("checkpoint",)
