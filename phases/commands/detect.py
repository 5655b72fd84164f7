"""``phases detect``: the transitions of a cube."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UserError, nearest
from phases.commands.common import Bar, check_output, one_thread

if TYPE_CHECKING:
    from phases.results import DetectionReport

FAMILIES = ("dictionary",)


class ScaleName(StrEnum):
    """The axis that shapes of growth live on."""

    log = "log"
    linear = "linear"


def detect(
    cube: Annotated[Path, typer.Argument(help="netCDF cube (results.nc).", metavar="CUBE")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Metric or cube variable to analyse; repeatable. Default: the standard set."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="How to split, commas between: run, size, mix, source, target, pair. Runs are always apart.",
        ),
    ] = "run",
    boot: Annotated[
        int, typer.Option("--boot", help="Bootstrap replicates a series (19 to 100000).", metavar="N")
    ] = 199,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same seed gives the same numbers.")] = 0,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals; tests are at 1 - level.")] = 0.95,
    rise: Annotated[
        float,
        typer.Option("--rise", help="Takeoff: this far above the floor (a share of the rise for log-probabilities)."),
    ] = 0.05,
    scale: Annotated[
        ScaleName, typer.Option("--scale", help="Axis of the shapes of growth: log or linear tokens.")
    ] = ScaleName.log,
    family: Annotated[
        str, typer.Option("--family", help="Models of growth; 'dictionary' is the one there is.")
    ] = "dictionary",
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a report with pictures, one file.", metavar="FILE")
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to FILE, or to standard output for '-'.", metavar="FILE")
    ] = None,
    forecast: Annotated[
        Path | None,
        typer.Option("--forecast", help="JSON of 'scaling forecast --json' to show in the report.", metavar="FILE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")] = False,
) -> None:
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run."""
    if family not in FAMILIES:
        raise UserError(f"--family {family}: this version has {', '.join(FAMILIES)} only" + nearest(family, FAMILIES))
    if forecast is not None and html is None:
        raise UserError("--forecast is shown in the report: give --html FILE too")
    one_thread()
    from data import cube as cubes
    from phases.detect import Settings
    from phases.detect import detect as run_detect

    settings = Settings(
        metrics=tuple(metric) if metric else None, by=splits(by), boot=boot, seed=seed, level=level, rise=rise,
        scale="linear" if scale is ScaleName.linear else "log",
    )  # fmt: skip
    prediction = None if forecast is None else _forecast(forecast)
    data = cubes.read(cube)
    if quiet or not sys.stderr.isatty():
        report = run_detect(data, settings, name=str(cube))
    else:
        with Bar() as bar:
            report = run_detect(data, settings, progress=bar, name=str(cube))
    if json_file is not None:
        _write_json(report, json_file)
    if html is not None:
        from phases.report import write_report

        write_report(report, data, html, forecast=prediction)
    if not quiet:
        from phases.tables import print_report

        print_report(report, stderr=json_file == "-")
        if html is not None:
            print(f"report: {html}", file=sys.stderr if json_file == "-" else sys.stdout)


def splits(by: str) -> tuple[str, ...]:
    """Return the names in a comma-separated ``--by``."""
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    if not names:
        raise UserError("--by is empty; expected some of run, size, mix, source, target, pair")
    return names


def _write_json(report: DetectionReport, path: str) -> None:
    if path != "-":
        check_output(Path(path))
    report.to_json(path)


def _forecast(path: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--forecast {path}: {error.strerror}; expected the file of 'scaling forecast --json'"
        ) from error
    except ValueError as error:
        raise UserError(f"--forecast {path} is no JSON ({error}); write it with 'scaling forecast --json'") from error
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise UserError(f"--forecast {path}: expected an object with schema 1, as 'scaling forecast --json' writes")
    return found
