"""``sweeps collect``: the cube so far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from calque.data.command_line.options import OUTPUT_CUBE, Json
from calque.data.command_line.output import emit_json
from calque.data.quantities import plural
from calque.sweeps.commands.common import Anonymous, Results, StudyFile


def collect_command(
    study: StudyFile,
    output: Annotated[Path, OUTPUT_CUBE] = Path("results.nc"),
    results: Results = None,
    anonymous: Anonymous = False,
    json_file: Json = None,
) -> None:
    """Gather the runs so far into one cube; works while the study runs. Exit 1 if a run is damaged and left out.

    Weights are not read: what the cube holds was measured when they were whole. Files that are missing or cut short are
    named; sweeps status --verify reads all of them.

    For example: sweeps collect sweeps/quick.yaml -o now.nc
    """
    from calque.sweeps.results.claim import check_owner
    from calque.sweeps.results.collect import write_cube
    from calque.sweeps.results.root import ResultsRoot
    from calque.sweeps.results.verifying import glance
    from calque.sweeps.study.study import read_study

    loaded = read_study(study)
    root = ResultsRoot(loaded.results_place(results))
    root.refresh(loaded.runs, cubes=True)
    check_owner(root.folder, loaded)
    found = write_cube(loaded, root.folder, output, anonymously=anonymous)
    for warning in found.warnings():
        print(f"sweeps: {warning}", file=sys.stderr)
    whole = [run for run in loaded.runs if run.name not in found.damaged]
    faults = glance(root.folder, whole).faults if root.remote is None else ()
    for fault in faults:
        print(f"sweeps: {fault}; the cube is whole, sweeps export and score will refuse it", file=sys.stderr)
    sizes = found.sizes
    answer = {
        "schema": 1, "cube": str(output), "sizes": sizes, "damaged": found.damaged,
        "faults": [fault.to_dict() for fault in faults],
    }  # fmt: skip
    if not emit_json(json_file, answer):
        print(f"{output}: {plural(sizes['run'], 'run')}, up to {plural(sizes['checkpoint'], 'checkpoint')}")
    raise SystemExit(1 if found.damaged else 0)
