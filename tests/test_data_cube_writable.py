"""Names, attributes, types and paths that no file can hold: one line that says which, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data import cube as cubes
from calque.data.command_line.output import check_json
from calque.data.cube.file import has_group, is_whole
from calque.data.errors import DiskError, UserError
from calque.scaling.api.loss import loss
from calque.scaling.api.power import power

NAMES = ["", " ", "a ", " a", "-a", ".", "..", "{", "a/b", "a\n", "a\x7f", "\ud800", "x" * 257, "é" * 129]
TAKEN = ["CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_NCProperties", "_FillValue"]
VALUES: list[Any] = [None, {}, {"a": 1}, [None], object(), True, np.bool_(True), 1j, 10**30, [[1], [2]], [{}]]
FINE: list[Any] = ["text", "", 3, 2.5, np.float32(1), [1, 2], ["a", "b"], np.arange(3), b"bytes", []]


def made(values: Any = ((0.1, 0.2),), name: str = "acc", dim: str | None = None) -> xr.Dataset:
    kind = {"metric_kind": "continuous"} if np.asarray(values).dtype.kind in "iuf" else {}
    cube = xr.Dataset({"tokens": (("run", "checkpoint"), [[1.0, 2.0]])}, coords={"run": ["r"]})
    cube[name] = (("run", "checkpoint"), np.asarray(values), kind)
    return cube if dim is None else cube.assign(inside=(("run", "checkpoint", dim), np.zeros((1, 2, 2))))


def attributed(name: Any, value: Any, of: str = "") -> xr.Dataset:
    cube = made()
    (cube[of] if of else cube).attrs[name] = value
    return cube


def refused(cube: xr.Dataset, folder: Path, *words: str, groups: dict[str, xr.Dataset] | None = None) -> None:
    with pytest.raises(UserError) as error:
        cubes.write(cube, folder / "x.nc", groups)
    said = str(error.value)
    assert not isinstance(error.value, DiskError) and len(said) <= 300 and "\n" not in said and "disk" not in said
    assert all(word in said for word in words), said
    assert not list(folder.iterdir()), "nothing is written"


@pytest.mark.parametrize("name", NAMES)
def test_names_that_netcdf_refuses_are_told(name: str, tmp_path: Path) -> None:
    refused(made(name=name), tmp_path, "variable '", "cannot be written", "cube.rename")
    refused(made(dim=name), tmp_path, "dimension '", "cannot be written", "cube.rename")
    refused(attributed(name, "v"), tmp_path, "attribute '", "cannot be written", "drop it")
    refused(attributed(name, "v", "acc"), tmp_path, "attribute '", "of variable 'acc'")
    inside = xr.Dataset({"q": ("z", [1.0], {name: 1})})
    refused(made(), tmp_path, "of variable 'q' of group 'timing'", groups={"timing": inside})
    if name != "a/b":
        refused(made(), tmp_path, "group '", "rename it", groups={name: xr.Dataset()})


@pytest.mark.parametrize("name", TAKEN)
def test_names_that_netcdf_keeps_for_itself_are_told(name: str, tmp_path: Path) -> None:
    refused(attributed(name, "v"), tmp_path, f"attribute '{name}' has a name that netCDF keeps")
    refused(attributed(name, "v", "acc"), tmp_path, f"'{name}' of variable 'acc' has a name")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_attributes_that_are_no_text_and_no_numbers_are_told(value: Any, tmp_path: Path) -> None:
    refused(attributed("note", value), tmp_path, "attribute 'note' is", "such as JSON, or drop it")


@pytest.mark.parametrize("value", FINE, ids=lambda value: type(value).__name__)
def test_text_and_numbers_are_written(value: Any, tmp_path: Path) -> None:
    cubes.write(attributed("note", value, "acc"), tmp_path / "x.nc")
    assert cubes.read(tmp_path / "x.nc")["acc"].notnull().all()


def test_text_that_readers_would_compute_with_is_refused(tmp_path: Path) -> None:
    refused(attributed("scale_factor", "ten", "acc"), tmp_path, "'scale_factor' of variable 'acc' is 'ten'", "number")


@pytest.mark.parametrize("kind", ["f2", "complex128", "a struct"])
def test_types_that_netcdf_lacks_are_told(kind: str, tmp_path: Path) -> None:
    values = np.zeros((1, 2), [("a", "i4")] if kind == "a struct" else kind)
    refused(made(values), tmp_path, "variable 'acc' has type", "netCDF cannot hold", "astype")


def test_values_that_no_file_can_hold_are_told(tmp_path: Path) -> None:
    for values in ([["\ud800", "b"]], np.array([[{}, {}]], object)):
        refused(made(values), tmp_path, "cannot be written as netCDF", "nothing has changed")


PATHS = ["x" * 500 + ".nc", "/".join(["a" * 200] * 30), "a\0b.nc", "\ud800.nc", ""]
TAKERS: dict[str, Callable[[Any], object]] = {
    "read": calque.read,
    "detect": calque.detect,
    "edit": calque.edit,
    "pool": calque.pool,
    "loss": loss,
    "power": power,
    "import_log": lambda path: calque.import_log(path, metric="acc"),
    "plan": calque.plan,
    "score": lambda path: calque.score(path, output="o.nc"),
    "write": lambda path: calque.write(made(), path),
    "has_group": lambda path: has_group(path, "timing"),
    "is_whole": is_whole,
    "check_json": check_json,
}


@pytest.mark.parametrize("taker", TAKERS)
def test_paths_that_no_file_can_have_are_one_line(taker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in PATHS:
        with pytest.raises(UserError, match="expected|cannot") as error:
            TAKERS[taker](path)
        assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
