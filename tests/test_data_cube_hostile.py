"""Cubes that are none: refused when they are read, in one line; sizes before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from calque.data.cube import read, validate
from calque.data.errors import UserError
from tests.fuzz import cubes
from tests.fuzz.frame import attempt, within

DIMS = ("run", "checkpoint")


def good() -> xr.Dataset:
    tokens = np.stack([np.geomspace(1e6, 1e9, 5)] * 2)
    cube = xr.Dataset({"tokens": (DIMS, tokens), "acc": (DIMS, tokens / 1e9)}, coords={"run": ["a", "b"]})
    cube["acc"].attrs["metric_kind"] = "proportion"
    return cube


CASES: dict[str, tuple[Any, str]] = {
    "schema text": (lambda c: c.assign_attrs(calque_schema="x"), "calque_schema x; this version reads 1"),
    "schema array": (lambda c: c.assign_attrs(calque_schema=[1, 2]), "calque_schema"),
    "schema nan": (lambda c: c.assign_attrs(calque_schema=np.nan), "calque_schema nan"),
    "no run": (lambda c: c.isel(run=slice(0)), "holds no run"),
    "no checkpoint": (lambda c: c.isel(checkpoint=slice(0)), "holds no checkpoint"),
    "empty name": (lambda c: c.assign_coords(run=["a", " "]), "the name of run 1 is empty"),
    "dates as names": (lambda c: c.assign_coords(run=np.array(["2020", "2021"], "M8[ns]")), "run has type datetime64"),
    "infinite tokens": (lambda c: c.assign(tokens=c["tokens"].where(c["tokens"] < 9e8, np.inf)), "is infinite at"),
    "huge tokens": (lambda c: c.assign(tokens=c["tokens"] * 1e12), "expected at most 1e.18: check the unit"),
    "equal tokens": (lambda c: c.assign(tokens=1e9 + c["tokens"] * 1e-10), "expected strictly increasing"),
    "kind number": (lambda c: with_attrs(c, metric_kind=3), "metric_kind '3'"),
    "kind unknown": (lambda c: with_attrs(c, metric_kind="counts"), "did you mean 'count'"),
    "trials array": (lambda c: with_attrs(c, metric_kind="count", trials=[1, 2]), "expected one number"),
    "trials negative": (lambda c: with_attrs(c, metric_kind="count", trials=-5), "trials -5; expected a number"),
    "trials infinite": (lambda c: with_attrs(c, metric_kind="count", trials=np.inf), "expected a number above 0"),
    "trials text": (lambda c: with_attrs(c.assign(n=("run", ["x", "y"])), trials="n"), "'n', the trials of acc"),
    "metric text": (lambda c: with_attrs(c.assign(acc=c["acc"].astype(str))), "acc has type"),
    "metric by run": (lambda c: with_attrs(c.assign(acc=c["acc"].mean("checkpoint"))), "acc has dimensions .run.; exp"),
    "outcome": (lambda c: outcomes(c, 7), "translation_outcome holds 7; expected a whole number from -1 to 3"),
    "outcome half": (lambda c: outcomes(c, 0.5), "translation_outcome holds 0.5"),
    "outcome huge": (lambda c: outcomes(c, 1e308), "translation_outcome holds 1e.308"),
    "outcome infinite": (lambda c: outcomes(c, np.inf), "translation_outcome holds inf"),
    "overlap": (lambda c: c.assign(overlap=("checkpoint", [0] * 5)), r"expected \(source, target, concept\)"),
    "size": (lambda c: c.assign_coords(size=(DIMS, np.ones((2, 5)))), "size has dimensions .* one value for each run"),
    "step": (lambda c: c.assign(step=(DIMS, np.full((2, 5), "x"))), "step has type"),
}  # fmt: skip


def with_attrs(cube: xr.Dataset, **attrs: Any) -> xr.Dataset:
    cube["acc"].attrs = {"metric_kind": "proportion", **attrs}
    return cube


def outcomes(cube: xr.Dataset, value: float) -> xr.Dataset:
    values = np.zeros((2, 5, 1, 1, 2))
    values[1, 2, 0, 0, 1] = value
    return cube.assign(translation_outcome=((*DIMS, "source", "target", "concept"), values))


def test_the_cube_itself_is_good() -> None:
    xr.testing.assert_identical(validate(good()), good())


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_cube_is_refused_in_one_line(case: str) -> None:
    change, means = CASES[case]
    with pytest.raises(UserError, match=means) as error:
        validate(change(good()), "results.nc")
    message = str(error.value)
    assert message.startswith("results.nc") and len(message) <= 300 and message.isprintable()


@pytest.mark.parametrize("length", [10**9, 2**40])
@pytest.mark.parametrize("kind", ["i1", "f8", str])
def test_sizes_are_looked_at_before_values(tmp_path: Path, length: int, kind: Any) -> None:
    path = tmp_path / "bomb.nc"
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("run", 2), ("checkpoint", 3), ("huge", length)):
            file.createDimension(dim, size)
        file.createVariable("tokens", "f8", DIMS)[...] = [[1, 2, 3], [1, 2, 3]]
        file.createVariable("acc", kind, (*DIMS, "huge"), zlib=kind is not str)
    with pytest.raises(UserError, match=r"acc would take .* in a file of") as error:
        read(path)
    assert len(str(error.value)) <= 300 + len(str(path))


@pytest.mark.parametrize("name", ["log.csv", "history.jsonl", "evals.PARQUET"])
def test_a_log_in_place_of_a_cube_is_told_how_it_becomes_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("tokens,acc\n1,2\n")
    with pytest.raises(UserError, match=r"is a log; .*: make one with phases import .* --metric NAME -o CUBE$"):
        read(tmp_path / name)


def test_a_type_of_its_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pair.nc"
    with netCDF4.Dataset(path, "w") as file:
        for dim in DIMS:
            file.createDimension(dim, 2)
        pair = file.createCompoundType(np.dtype([("re", "f8"), ("im", "f8")]), "pair")
        file.createVariable("tokens", pair, DIMS)
    with pytest.raises(UserError, match="tokens has a type of its own; expected numbers or text"):
        read(path)


def test_packed_variables_with_a_factor_of_text_are_named_as_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "packed.nc"
    good().to_netcdf(path)
    with netCDF4.Dataset(path, "a") as file:
        file["acc"].setncattr("scale_factor", "twice")
    with pytest.raises(UserError, match="cannot be read as netCDF") as error:
        read(path)
    assert len(str(error.value)) <= 300 + len(str(path))


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
@pytest.mark.parametrize("number", range(40))
def test_mutated_cubes_are_answered_or_refused(number: int) -> None:
    """The long form: python -m tests.fuzz --kind cubes."""
    assert within(attempt(cubes.make, 2, number)) is None
