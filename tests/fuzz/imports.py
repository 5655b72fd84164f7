"""The kind ``imports``: spoilt logs of every format through ``phases import``.

No fault is a refusal in one line with exit 2, or a cube whose rows all stand in the log as a second reader reads it.
Rows of the log that the cube lacks are told in a note.
"""

from __future__ import annotations

import json
import math
import re
from importlib import import_module
from pathlib import Path

import netCDF4  # noqa: F401  imported once, not by every child
import numpy as np
import pyarrow.dataset  # noqa: F401
import pyarrow.parquet  # noqa: F401
import xarray as xr
from tensorboard.backend.event_processing import event_file_loader  # noqa: F401
from tensorboard.util import tensor_util  # noqa: F401

from calque.phases.api import import_log  # noqa: F401
from calque.phases.cli import main
from calque.phases.formats.registry import FORMATS
from tests.fuzz.frame import Attempt, refused_well, run_command
from tests.fuzz.good_logs import Spoilt, spoilt
from tests.fuzz.mutations import Rng

for module in FORMATS.values():
    import_module(module)


LOST = re.compile(r"left out|replaced|as missing|the latest counts|is read$|not read")
"""What a note says of rows that were not imported."""


def make(rng: Rng) -> Attempt:
    """Return a spoilt log of any format, and what is checked."""
    log = spoilt(rng)
    return Attempt(label=log.label, files=log.files, check=lambda folder: check(folder, log))


def check(folder: Path, log: Spoilt) -> str | None:
    """Import a log and hold what came to a second reading."""
    out = folder / "out.nc"
    ran = run_command(main, ["phases", "import", str(folder / log.path), *log.words, "-o", str(out), "--json", "-"])
    if ran.code != 0:
        return refused_well(ran)
    told = json.loads(ran.out)
    rows = imported(out, log.metric)
    read = log.read(folder / log.path)
    if extra := {r for r in rows if r not in read}:
        return f"{len(extra)} rows are not in the log, such as {next(iter(extra))}"
    if len(rows) < len(read) and not any(LOST.search(note) for note in told["notes"]):
        return f"{len(read) - len(rows)} rows of the log are gone without a note"
    return None


def imported(path: Path, metric: str) -> set[tuple[float, float]]:
    """Return positions and values of all runs of a cube."""
    with xr.open_dataset(path, engine="netcdf4") as cube:
        values = next(np.asarray(v) for v in cube.data_vars.values() if "metric_kind" in v.attrs)
        tokens = np.asarray(cube["tokens"])
    del metric
    found = zip(tokens.ravel().tolist(), values.ravel().tolist(), strict=True)
    return {(t, v) for t, v in found if math.isfinite(t) and math.isfinite(v)}
