"""``phases calibrate``: size, coverage and power of the statistics, for a study's own design or the standard suite."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.data.command_line.output import check_output
from calque.data.errors import UserError, nearest
from calque.phases.commands.common import progress

if TYPE_CHECKING:
    from calque.phases.calibration.cells import Cell
    from calque.phases.calibration.grids import Grid
    from calque.phases.calibration.outcomes import Options

REPLICATES = 100
"""Of every question to a study's series."""


def calibrate(
    cube: Annotated[
        Path | None, typer.Argument(help="netCDF cube (results.nc) whose design is simulated.", metavar="CUBE")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Metric or cube variable; repeatable. Default: standard set.")
    ] = None,
    run: Annotated[list[str] | None, typer.Option("--run", help="Run of the cube; repeatable. Default: all.")] = None,
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
    boot: Annotated[int, typer.Option("--boot", help="Bootstrap replicates a simulated series.", metavar="N")] = 199,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same seed gives the same numbers.")] = 0,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals; tests are at 1 - level.")] = 0.95,
    rise: Annotated[float, typer.Option("--rise", help="Takeoff: this far above the floor.")] = 0.05,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes; one a core by default.", min=1, metavar="N")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Keep finished blocks of the suite in FILE, and go on from it.", metavar="FILE"),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", help="Write the suite's tables between the markers of FILE.", metavar="FILE"),
    ] = None,
    list_cells: Annotated[bool, typer.Option("--list", help="Print the suite's cells and stop.")] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to FILE, or to standard output for '-'.", metavar="FILE")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")] = False,
) -> None:
    """Simulate size, coverage and power: for the design of a CUBE, or of a suite of known truths (--suite, --list)."""
    from calque.phases.calibration.grids import between_markers, marked, show
    from calque.phases.calibration.grids import markdown as as_markdown
    from calque.phases.calibration.outcomes import Options
    from calque.phases.processes import cores
    from calque.phases.settings import Settings

    Settings(boot=boot, seed=seed, level=level, rise=rise)  # refuses what detect refuses
    if replicates is not None and replicates < 1:
        raise UserError(f"--replicates {replicates}: expected 1 or more; 1000 give a standard error of .007 at .95")
    for path in (json_file if json_file != "-" else None, out, markdown):
        if path is not None:
            check_output(Path(path))
    options = Options(seed=seed, boot=boot, level=level, rise=rise)
    workers = jobs or cores()
    if markdown is not None:
        marked(markdown)
    if list_cells or suite is not None:
        if cube is not None:
            raise UserError("give a CUBE or --suite, not both")
        if metric or run:
            raise UserError("--metric and --run go with a CUBE: a suite has series of its own")
        chosen = _cells(suite or "standard", cells, options)
        if list_cells:
            _print_cells(chosen, replicates)
            return
        grids, notes, found = _suite(suite or "standard", chosen, options, replicates, out, workers, quiet)
    elif cube is None:
        raise UserError("nothing to calibrate: give a CUBE, or --suite standard")
    elif cells or out or markdown:
        raise UserError("--cells, --out and --markdown go with --suite: a study's own table is printed, and --json")
    else:
        grids, notes, found = _study(cube, metric, run, options, replicates or REPLICATES, workers, quiet)
    if json_file is not None:
        _write_json(found, json_file)
    if markdown is not None:
        between_markers(markdown, as_markdown(grids, notes))
    if not quiet:
        show(grids, notes, stderr=json_file == "-")


def _cells(suite: str, patterns: list[str] | None, options: Options) -> tuple[Cell, ...]:
    from calque.phases.calibration.cells import chosen

    if (options.level, options.rise) != (0.95, 0.05):
        raise UserError("the suite's targets are for --level 0.95 and --rise 0.05: leave both out with --suite")
    return chosen(suite, patterns or ())


def _print_cells(cells: tuple[Cell, ...], replicates: int | None) -> None:
    from calque.phases.calibration.grids import show
    from calque.phases.calibration.tables import cells_grid

    grid, note = cells_grid(cells, replicates)
    show([grid], [note])


def _suite(
    suite: str, cells: tuple[Cell, ...], options: Options, replicates: int | None, out: Path | None, jobs: int,
    quiet: bool,
) -> tuple[list[Grid], list[str], dict[str, Any]]:  # fmt: skip
    from calque.phases.calibration.run import run
    from calque.phases.calibration.store import Store
    from calque.phases.calibration.tables import suite_grids, suite_json, suite_notes

    store = Store(out, options)
    with progress(quiet) as shown:
        results = run(cells, options, replicates=replicates, store=store, jobs=jobs, suite=suite, progress=shown)
    notes = suite_notes(results, suite, options, store.unused)
    return list(suite_grids(results)), notes, suite_json(results, suite, options)


def _study(
    path: Path, metric: list[str] | None, runs: list[str] | None, options: Options, replicates: int, jobs: int,
    quiet: bool,
) -> tuple[list[Grid], list[str], dict[str, Any]]:  # fmt: skip
    from calque.data import cube as cubes
    from calque.data.metrics import LAGS
    from calque.phases.adaptive.record import designs_of, with_noise_in_tokens
    from calque.phases.calibration.study import calibrate as of_study
    from calque.phases.calibration.study_tables import study_grids, study_json
    from calque.phases.series.metrics import trajectories

    data = cubes.validate(cubes.read(path), str(path))
    if runs:
        known = tuple(str(name) for name in data["run"].values)
        for name in runs:
            if name not in known:
                raise UserError(f"--run {name}: the cube has {', '.join(known)}" + nearest(name, known))
        data = data.sel(run=runs)
    series = with_noise_in_tokens(trajectories(data, tuple(metric) if metric else None), data, str(path))
    adaptive = {
        run: (design, with_noise_in_tokens(trajectories(data.sel(run=[run]), (design.metric,)), data)[0])
        for run, design in designs_of(data, str(path)).items()
    }
    with progress(quiet) as shown:
        rows = of_study(series, LAGS, options, replicates=replicates, jobs=jobs, progress=shown, adaptive=adaptive)
    note = (
        f"{replicates} simulated series a question, {options.boot} bootstrap replicates each, seed {options.seed}; "
        f"± one Monte Carlo standard error. Size: share of delays (lags) found at {100 * (1 - options.level):.3g} % "
        "where there is none; power and coverage: as if the fitted curves were true."
    )
    if adaptive:
        note += f" Checkpoints of {', '.join(adaptive)} were adaptive: every simulated curve was given its own."
    return list(study_grids(rows)), [note], study_json(rows, str(path), options, replicates)


def _write_json(found: dict[str, Any], path: str) -> None:
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")
