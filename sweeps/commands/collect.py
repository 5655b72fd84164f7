"""``sweeps collect``: the cube so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.command_line import emit_json
from sweeps.commands.common import Json, Results, StudyFile


def collect_command(
    study: StudyFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The cube to write.")] = Path("results.nc"),
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Gather the runs so far into one cube; works while the study runs."""
    from sweeps.results import write_cube
    from sweeps.root import ResultsRoot
    from sweeps.study import read_study

    loaded = read_study(study)
    root = ResultsRoot(loaded.results_place(results))
    root.refresh(loaded.runs, cubes=True)
    sizes = write_cube(loaded, root.folder, output)
    if not emit_json(json_file, {"schema": 1, "cube": str(output), "sizes": sizes}):
        print(f"{output}: {sizes['run']} runs, up to {sizes['checkpoint']} checkpoints")
