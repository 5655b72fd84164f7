"""``phases calibrate``: size, coverage and power of the statistics, for a study's own design or the standard suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Jobs, Json, Level, Metrics, Rise, Runs, Seed
from calque.data.command_line.output import check_json, check_output, emit_json
from calque.data.command_line.progress import progress
from calque.data.errors import UserError
from calque.data.processes import cores


def calibrate(
    cube: Annotated[Path | None, CUBE] = None,
    metric: Metrics = None,
    run: Runs = None,
    suite: Annotated[
        str | None, typer.Option("--suite", help="Run a suite of known truths in place of a cube: standard.")
    ] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option("--cells", help="Cells of the suite, as a pattern: 'lag/*'; repeatable.", metavar="GLOB"),
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option("--replicates", help="Simulated series a question. Default: 100; each cell's own.", metavar="N"),
    ] = None,
    boot: Boot = 199,
    seed: Seed = 0,
    level: Level = 0.95,
    rise: Rise = 0.05,
    jobs: Jobs = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Keep finished blocks of the suite in FILE, and go on from it.", metavar="FILE"),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", help="Write the suite's tables between the markers of FILE.", metavar="FILE"),
    ] = None,
    list_cells: Annotated[bool, typer.Option("--list", help="Print the suite's cells and stop.")] = False,
    json_file: Json = None,
) -> None:
    """Simulate size, coverage and power: for the design of a CUBE, or of a suite of known truths (--suite, --list).

    For example: phases calibrate results.nc --metric copying --replicates 100 --json calibration.json
    """
    from calque.phases.api.calibrate import calibrate as run_calibrate
    from calque.phases.calibration.grids import between_markers, marked
    from calque.phases.calibration.grids import markdown as as_markdown
    from calque.phases.noise.compiled import announce_compiling

    check_json(json_file)
    for path in (out, markdown):
        if path is not None:
            check_output(path)
    if markdown is not None:
        if suite is None:
            raise UserError("--markdown goes with --suite: a study's own table is printed, and --json")
        marked(markdown)
    if list_cells:
        _list_cells(suite or "standard", cells, replicates, boot, seed, level, rise)
        return
    announce_compiling()
    with progress(delay=0.0) as shown:
        found = run_calibrate(
            cube, suite=suite, cells=cells, metric=metric, run=run, replicates=replicates, boot=boot, seed=seed,
            level=level, rise=rise, out=out, jobs=jobs or cores(), progress=shown,
        )  # fmt: skip
    emit_json(json_file, found.to_dict())
    if markdown is not None:
        between_markers(markdown, as_markdown(found.grids, found.notes))
    found.show(stderr=json_file == "-")


def _list_cells(
    suite: str, cells: list[str] | None, replicates: int | None, boot: int, seed: int, level: float, rise: float
) -> None:
    from calque.data.result import console
    from calque.phases.api.calibrate import cells_of
    from calque.phases.calibration.grids import parts
    from calque.phases.calibration.outcomes import Options
    from calque.phases.calibration.tables import cells_grid

    grid, note = cells_grid(cells_of(suite, cells, Options(seed=seed, boot=boot, level=level, rise=rise)), replicates)
    out = console()
    for part in parts([grid], [note]):
        out.print(part)
