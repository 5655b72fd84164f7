"""netCDF's library takes one thread at a time: threads and processes on one cube, and nobody beside the lock."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.data import cube
from tests.readme import ROOT
from tests.test_structure import PACKAGES, files

STRESS = """
import sys, threading
from pathlib import Path
import numpy as np, xarray as xr
from calque.data import cube

path, role, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
failed = []

def write():
    for i in range(1, rounds + 1):
        n = 3 + i % 4
        made = xr.Dataset(
            {"tokens": (("run", "checkpoint"), [np.arange(1.0, n + 1)]),
             "score": (("run", "checkpoint", "concept"), np.full((1, n, 300), float(i)))},
            coords={"run": ["one"], "concept": [f"word {c}" for c in range(300)], "note": ("run", ["x" * i])},
        )
        timing = xr.Dataset({"seconds": (("run", "checkpoint"), np.full((1, n), float(i)))})
        cube.write(made, path, {"timing": timing})

def read():
    for _ in range(rounds):
        one, timing = cube.read_with(path, "timing")
        assert cube.has_group(path, "timing")
        values = np.unique(one["score"].values)
        assert values.size == 1 and timing is not None, values
        assert (timing["seconds"].values == values[0]).all(), "root and group are of one writing"
        assert timing.sizes["checkpoint"] == one.sizes["checkpoint"]

def kept(work):
    try:
        work()
    except BaseException as error:
        failed.append(error)
        raise

roles = {"writer": [write, read, read], "reader": [read, read]}[role]
threads = [threading.Thread(target=kept, args=(work,)) for work in roles]
for each in threads: each.start()
for each in threads: each.join()
sys.exit(1 if failed else 0)
"""


def test_threads_and_processes_read_what_one_writes(tmp_path: Path) -> None:
    """Without the lock a process of these dies of a segmentation fault within the first rounds."""
    path = tmp_path / "run.nc"
    start = lambda role, rounds: subprocess.Popen(  # noqa: E731
        [sys.executable, "-X", "faulthandler", "-c", STRESS, str(path), role, str(rounds)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    rows = {"tokens": (("run", "checkpoint"), [[1.0, 2.0]]), "score": (("run", "checkpoint"), np.ones((1, 2)))}
    timing = xr.Dataset({"seconds": (("run", "checkpoint"), np.ones((1, 2)))})
    cube.write(xr.Dataset(rows, coords={"run": ["one"]}), path, {"timing": timing})
    started = [start("writer", 60), start("reader", 60)]
    ended = [(each.communicate(timeout=300)[1], each.returncode) for each in started]
    assert [code for _, code in ended] == [0, 0], "\n".join(text[-2000:] for text, _ in ended)


def test_a_forked_child_finds_the_lock_free() -> None:
    """A fork waits for a call of the library to end; its child does not inherit a lock that nobody releases."""
    program = """
import os, sys, threading
from calque.data.cube import netcdf
inside, go_on = threading.Event(), threading.Event()

def call():
    with netcdf.LOCK:
        inside.set()
        go_on.wait()

threading.Thread(target=call).start()
inside.wait()
threading.Timer(0.2, go_on.set).start()
child = os.fork()
if not child:
    os._exit(0 if netcdf.LOCK.acquire(blocking=False) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0


DOORS = {"open_dataset", "load_dataset", "open_dataarray", "load_dataarray", "open_mfdataset", "open_datatree",
         "open_groups", "load_datatree", "to_netcdf", "open_zarr"}  # fmt: skip
LIBRARIES = {"netCDF4", "h5py", "h5netcdf"}


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_opens_netcdf_beside_the_lock(package: str) -> None:
    found = []
    for file in files(package):
        if file in (ROOT / "data/cube/netcdf.py", ROOT / "data/cube/header.py"):  # the header looks at an open file
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = {node.attr} if isinstance(node, ast.Attribute) else set()
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module.partition(".")[0]}
                if node.module.startswith("xarray"):
                    names |= {alias.name for alias in node.names}
            if names & (DOORS | LIBRARIES):
                found.append(f"{file.relative_to(ROOT)}:{node.lineno}: {sorted(names & (DOORS | LIBRARIES))}")
    assert not found, f"read and write cubes with calque.data.cube: {found}"
