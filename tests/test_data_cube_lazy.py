"""A cube that is read as it is looked at: the same numbers, in bounded memory, of the file as it was opened."""

import os
import tracemalloc

import netCDF4
import numpy as np
import pytest
import xarray as xr

from calque.data import cube as cubes
from calque.data.cube import netcdf, variable_checks
from calque.data.errors import UserError
from calque.phases.explore import items as items_module
from calque.phases.explore import study as study_module
from calque.phases.explore.items import Items
from calque.phases.explore.study import read_study
from tests.explore_cube import explored

DIMS = ("run", "checkpoint", "source", "target", "concept")
MEGABYTE = 1 << 20


def lazily(path, large=0):
    return cubes.read_with(path, "timing", large)[0]


def large(runs=16, concepts=100):
    """A cube whose outcomes take 52 MB in memory."""
    shape = (runs, 100, 18, 18, concepts)
    outcome = np.broadcast_to((np.arange(runs) % 2).astype(np.int8)[:, None, None, None, None], shape)
    names = [f"l{i}" for i in range(18)]
    return xr.Dataset(
        {"tokens": (DIMS[:2], np.tile(np.geomspace(1e6, 1e9, 100), (runs, 1))), "translation_outcome": (DIMS, outcome)},
        coords={"run": [f"r{i}" for i in range(runs)], "source": names, "target": names},
    )


def test_numbers_are_those_of_the_whole_cube(tmp_path):
    path = tmp_path / "cube.nc"
    cubes.write(explored(), path)
    whole, found = cubes.read(path), lazily(path)
    xr.testing.assert_identical(whole, found.load())
    one, other = Items(whole), Items(lazily(path))
    for run in range(4):
        for metric in one.metrics:
            np.testing.assert_array_equal(one.mask(run, metric), other.mask(run, metric))
            for ours, theirs in ((one.by_pair, other.by_pair), (one.by_concept, other.by_concept)):
                np.testing.assert_array_equal(ours(run, metric).total, theirs(run, metric).total)
                np.testing.assert_array_equal(ours(run, metric).n, theirs(run, metric).n)


def test_a_large_cube_is_opened_and_a_run_is_read_in_little_memory(tmp_path, monkeypatch):
    path = tmp_path / "large.nc"
    cubes.write(large(), path)
    assert cubes.read(path).nbytes > 49 * MEGABYTE
    monkeypatch.setattr(variable_checks, "AT_ONCE", 4 * MEGABYTE)
    monkeypatch.setattr(study_module, "LARGE", MEGABYTE)
    monkeypatch.setattr(items_module, "FEW_AT_ONCE", 4 * MEGABYTE)
    tracemalloc.start()
    try:
        study = read_study(path, {})
        whole = [study.items.by_concept(run, "translation") for run in range(4)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [one.total.sum() / one.n.sum() for one in whole] == [0, 1, 0, 1]
    assert peak < 40 * MEGABYTE  # a run takes 3 MB, its sums and masks several times as much


@pytest.mark.parametrize("together", [1, 3, 7, 16])
def test_runs_that_a_file_keeps_together_are_read_once(tmp_path, monkeypatch, together):
    monkeypatch.setattr(items_module, "FEW_AT_ONCE", 0)
    path = tmp_path / "other.nc"
    cube = large(runs=16, concepts=2)
    encoding = {"translation_outcome": {"chunksizes": (together, 50, 6, 6, 2), "zlib": True}}
    cube.to_netcdf(path, engine="netcdf4", encoding=encoding)
    items, reads = Items(lazily(path)), []
    kept = items._blocks.get
    monkeypatch.setattr(items._blocks, "get", lambda key, make: kept(key, lambda: reads.append(key) or make()))
    found = [items.by_pair(run, "translation").mean[-1, 0, 1] for run in range(16)]
    assert found == [0, 1] * 8
    assert len(reads) == len(set(reads)) == -(-16 // together)


@pytest.mark.parametrize("change", ["replaced", "removed", "damaged"])
def test_numbers_of_another_file_are_never_taken_for_those_of_the_cube(tmp_path, change):
    path = tmp_path / "cube.nc"
    cubes.write(explored(), path)
    found = lazily(path)
    if change == "replaced":
        cubes.write(explored(seed=7), path)
    elif change == "removed":
        path.unlink()
    else:
        at = os.stat(path)
        content = bytearray(path.read_bytes())
        content[200:-200] = bytes(len(content) - 400)
        path.write_bytes(content)
        os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    message = "cannot be read" if change == "damaged" else "was replaced or removed"
    with pytest.raises(UserError, match=message):
        _ = found["translation_outcome"].values


@pytest.mark.parametrize("run", [0, 15])
def test_a_wrong_value_anywhere_is_found_when_it_is_opened(tmp_path, monkeypatch, run):
    path = tmp_path / "cube.nc"
    cubes.write(large(concepts=2), path)
    with netCDF4.Dataset(path, "a") as held:
        held["translation_outcome"][run, 99, 17, 17, 1] = 99
    monkeypatch.setattr(variable_checks, "AT_ONCE", 10_000)
    with pytest.raises(UserError, match="translation_outcome holds 99"):
        lazily(path)


def test_a_run_is_stored_apart_from_the_others(tmp_path):
    path = tmp_path / "cube.nc"
    cubes.write(large(), path)
    with netCDF4.Dataset(path) as held:
        chunks = held["translation_outcome"].chunking()
    assert chunks[0] == 1 and np.prod(chunks) <= netcdf.CHUNK


@pytest.mark.parametrize("content", [None, b"", b"\x89HDF\r\n\x1a\n", b"step,acc\n1,0.5\n"])
def test_what_is_no_cube_is_refused_as_when_it_is_read(tmp_path, content):
    path = tmp_path / "cube.nc"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as asked:
        lazily(path)
    with pytest.raises(UserError) as whole:
        cubes.read(path)
    assert str(asked.value) == str(whole.value)
